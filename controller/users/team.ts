// Teams share a server: each has a quota and a share, and jobs belong to one.
import { fail } from '../../proto/failure.js';
import type { Role } from './role.js';

/** Of users and jobs that have no other. */
export const DEFAULT_TEAM = 'default';

const teamName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What a team may have at a time, and its share. */
export interface TeamQuota {
  readonly name: string;
  /** A team of weight 2 gets twice as many hosts as one of weight 1 when both have jobs that wait. More than 0. */
  readonly weight: number;
  /** Jobs that run at a time; 0: no bound. */
  readonly mostJobs: number;
  /** Hosts that its jobs capture on at a time; 0: no bound. */
  readonly mostHosts: number;
}

/** Methods reject with a FailureError. */
export interface Teams {
  /** By name: those with a quota, and those that have had jobs. */
  list(): Promise<readonly TeamQuota[]>;
  /** @throws FailureError 'bad-request' */
  set(team: TeamQuota): Promise<TeamQuota>;
  /** Back to weight 1 without bounds. @throws FailureError 'not-found' when it had no others */
  reset(name: string): Promise<void>;
}

/** @throws FailureError 'bad-request' */
export function checkTeamName(name: string): void {
  if (teamName.test(name)) return;
  const remedy = 'use letters, digits, dots, dashes and underscores, 64 at most';
  throw fail('bad-request', `'${name.slice(0, 80)}' is no name for a team`, remedy);
}

interface Whose {
  readonly name: string;
  readonly role: Role;
  readonly team: string;
}

/** Whose the job of somebody is. @throws FailureError 'permission' for a team that is not his */
export function teamOf(caller: Whose, wanted: string | undefined): string {
  if (wanted === undefined || wanted === caller.team) return caller.team;
  if (caller.role === 'admin') return wanted;
  throw fail('permission', `${caller.name} is of team ${caller.team}, not of ${wanted}`, 'leave --team out');
}
