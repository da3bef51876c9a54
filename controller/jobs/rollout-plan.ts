// In which order the hosts of a job start: canary, waves, all; and when no more of them are started.
import { fail } from '../../proto/failure.js';
import type { Host, HostRun, Rollout } from '../api.js';
import { hostsOf } from '../fleet/share.js';
import { worsening } from './health-limit.js';

/** With fewer hosts at an end a failure rate says nothing. */
const FEWEST_ENDED = 5;

/**
 * Hosts in waves, in the order of the job, the canary first; none is empty, all hosts are in one. The shares of waves are of all hosts and
 * count what started before: `5%, 25%, 100%` of 40 hosts are waves of 2, 8 and 30. What they leave is the last wave.
 */
export function planWaves(hosts: readonly Host[], rollout: Rollout | undefined): readonly (readonly Host[])[] {
  const shares = [...(rollout?.canary === undefined ? [] : [rollout.canary]), ...(rollout?.waves ?? [])];
  const waves: (readonly Host[])[] = [];
  let begun = 0;
  for (const share of shares) {
    const end = hostsOf(share, hosts.length);
    if (end > begun) waves.push(hosts.slice(begun, end));
    begun = Math.max(begun, end);
  }
  if (begun < hosts.length) waves.push(hosts.slice(begun));
  return waves;
}

/**
 * Why no more hosts shall start; undefined while they may. It follows from what is stored of the runs alone, so whoever resumes the job
 * comes to the same decision. A host that was cancelled by a person says nothing about the others.
 */
export function reasonToHalt(rollout: Rollout | undefined, runs: readonly HostRun[]): string | undefined {
  if (rollout === undefined) return undefined;
  const skipped = runs.find((run) => run.state === 'skipped');
  if (skipped?.failure !== undefined) return skipped.failure.message;
  const canary = rollout.canary === undefined ? 0 : hostsOf(rollout.canary, runs.length);
  const fallen = runs.slice(0, canary).filter(hasFailed);
  if (fallen.length > 0) return `the canary failed on ${fallen.map((run) => run.host).join(', ')}`;
  for (const run of runs) {
    const worse = (rollout.abortOn ?? []).map((limit) => worsening(limit, run)).find((text) => text !== undefined);
    if (worse !== undefined) return `the capture strained ${run.host}: ${worse}`;
  }
  if (rollout.failFast === undefined) return undefined;
  const failed = runs.filter(hasFailed).length;
  const ended = failed + runs.filter((run) => run.state === 'succeeded' || run.state === 'fetching').length;
  const isMany = ended >= Math.min(FEWEST_ENDED, runs.length) && failed * 100 > ended * rollout.failFast;
  return isMany ? `${failed} of ${ended} hosts failed, more than ${rollout.failFast} %` : undefined;
}

/** @throws FailureError 'bad-request' */
export function checkRollout(rollout: Rollout): void {
  const { canary, waves, failFast, settle } = rollout;
  for (const share of [...(canary === undefined ? [] : [canary]), ...waves]) {
    const isRight =
      share.kind === 'hosts'
        ? Number.isInteger(share.hosts) && share.hosts >= 1
        : share.percent > 0 && share.percent <= 100;
    if (!isRight) throw fail('bad-request', 'a wave needs at least one host', 'give numbers of hosts, or 0% to 100%');
  }
  if (failFast !== undefined && !(failFast >= 0 && failFast <= 100)) {
    throw fail('bad-request', `a failure rate of ${failFast} % cannot be`, 'give 0 to 100');
  }
  if (rollout.abortOn?.some(({ limit }) => !(limit >= 0)) === true) {
    throw fail('bad-request', 'a limit of health is below zero', 'give 0 or more');
  }
  if (!(settle >= 0 && Number.isFinite(settle))) {
    throw fail('bad-request', `a pause of ${settle} ms cannot be`, 'give it in seconds');
  }
}

function hasFailed(run: HostRun): boolean {
  return run.state === 'failed' || run.state === 'lost';
}
