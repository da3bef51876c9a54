// The jobs that wait for their turn, those that run, and what their teams may have, as several servers share it.
import type { Priority } from '../api.js';
import type { TeamQuota } from '../users/team.js';

export interface QueuedJob {
  readonly id: string;
  readonly team: string;
  readonly priority: Priority;
  /** Milliseconds since 1970 UTC. */
  readonly created: number;
  /** 0: at once. */
  readonly notBefore: number;
  /** Hosts that it captures on at a time, at most. */
  readonly hosts: number;
  /** Jobs with the same one run one after the other; '' for none. */
  readonly serial: string;
  /** It only has to be ended: that takes no turn and no room. */
  readonly isCancelRequested: boolean;
}

export type RunningJob = Pick<QueuedJob, 'team' | 'hosts' | 'serial'>;

/** What a team has paid so far; see `QueueState.virtual`. */
export interface TeamAccount extends TeamQuota {
  readonly pass: number;
}

export interface QueueState {
  readonly queued: readonly QueuedJob[];
  readonly running: readonly RunningJob[];
  /** Teams without an entry have weight 1 and no bounds. */
  readonly teams: readonly TeamAccount[];
  /** What the team of the job that started last had paid before it. */
  readonly virtual: number;
}

/** The job that starts next. */
export interface Turn {
  readonly id: string;
  readonly team: string;
  /** Of that team from now on. */
  readonly pass: number;
  /** Of the queue from now on. */
  readonly virtual: number;
}

/** Methods reject with the failures of a ControlStore. */
export interface JobQueueStore {
  state(): Promise<QueueState>;
  /**
   * Make `owner` the owner of the job that `choose` chooses, which runs from now on. One server at a time chooses, and sees what the one
   * before it took. @returns the id, or undefined when nothing was chosen
   */
  take(owner: string, now: number, choose: (state: QueueState) => Turn | undefined): Promise<string | undefined>;
  /** Also those that never had a quota and have had jobs. By name. */
  teams(): Promise<readonly TeamQuota[]>;
  setTeam(team: TeamQuota): Promise<void>;
  /** Back to weight 1 without bounds. False when it had no others. */
  resetTeam(name: string): Promise<boolean>;
}
