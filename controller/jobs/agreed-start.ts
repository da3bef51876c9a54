// When a host is to begin, so that it begins together with the others: the agreed moment, in the time of its own clock.
import type { Milliseconds } from '../../proto/capture.js';
import { FailureError, fail } from '../../proto/failure.js';
import type { Host, HostRun, HostStart, JobRequest } from '../api.js';
import type { Clock } from '../clock.js';
import type { Agents } from '../fleet/host-pool.js';
import { askingRetries } from '../transport/retry.js';
import { withDeadline } from './deadline.js';
import { checkHost, clockDrift } from './host-check.js';
import type { Rendezvous } from './rendezvous.js';

/** As long as agents wait. */
export const LONGEST_LEAD: Milliseconds = 10 * 60_000;

/** @throws FailureError 'bad-request' */
export function checkSync({ sync, spec }: JobRequest): void {
  if (sync === undefined) return;
  if (!(sync.lead >= 0 && sync.lead <= LONGEST_LEAD)) {
    throw fail('bad-request', `a start ${sync.lead} ms ahead cannot be`, 'give 0 to 10 minutes');
  }
  if (spec.kind === 'file') throw fail('bad-request', 'reading a file has no moment at which it begins');
}

/**
 * Measure the host's clock, then wait for the others.
 * @param patience for the host to answer
 * @throws FailureError when the host cannot be reached, or `signal` aborts
 */
export async function agreeOnStart(
  meeting: Rendezvous,
  host: Host,
  { agents, clock, patience }: { readonly agents: Agents; readonly clock: Clock; readonly patience: Milliseconds },
  signal: AbortSignal,
): Promise<HostStart> {
  try {
    const doing = `asking ${host.name} for the time`;
    const check = await withDeadline(clock, patience, signal, doing, (limited) =>
      agents.ask(host, askingRetries, limited, (api) => checkHost(api, clock, limited)),
    );
    const { clockOffset, clockUncertainty } = check;
    return { kind: 'agreed', moment: await meeting.meet(host.name, signal), clockOffset, clockUncertainty };
  } catch (error) {
    // An agent that answers, and has no such call.
    if (!(error instanceof FailureError) || error.failure.code !== 'internal') throw error;
    return { kind: 'alone', why: `its clock could not be asked: ${error.failure.message}` };
  }
}

/** What the agent is told: the moment in the time of its clock. */
export function startAt(start: HostStart | undefined): { readonly startAt?: number } {
  return start?.kind === 'agreed' ? { startAt: start.moment + start.clockOffset } : {};
}

/** How hosts that agreed on one moment really began. */
export interface CommonStart {
  /** Of the controller's clock, milliseconds since 1970 UTC. */
  readonly moment: number;
  /** Those that began, and whose clocks stood still. */
  readonly hosts: number;
  /** Between the first and the last of them. */
  readonly spread: Milliseconds;
  /** `spread` is right to so much. */
  readonly uncertainty: Milliseconds;
  /** The last one. */
  readonly last: { readonly host: string; readonly late: Milliseconds };
  /** Hosts that began at another time, or nobody knows when, and why. */
  readonly apart: readonly { readonly host: string; readonly why: string }[];
}

/** One for each moment that was agreed on. */
export function commonStarts(runs: readonly HostRun[]): CommonStart[] {
  const byMoment = new Map<number, HostRun[]>();
  for (const run of runs) {
    if (run.start?.kind !== 'agreed') continue;
    byMoment.set(run.start.moment, [...(byMoment.get(run.start.moment) ?? []), run]);
  }
  return [...byMoment].sort(([a], [b]) => a - b).flatMap(([moment, together]) => commonStart(moment, together));
}

function commonStart(moment: number, runs: readonly HostRun[]): CommonStart[] {
  const apart: { host: string; why: string }[] = [];
  const begun: { host: string; time: number; uncertainty: Milliseconds; late: Milliseconds }[] = [];
  for (const run of runs) {
    const { host } = run;
    const began = beginOf(run);
    if (typeof began === 'string') apart.push({ host, why: began });
    else if (began !== undefined) begun.push({ host, ...began });
  }
  if (begun.length === 0 && apart.length === 0) return [];
  const times = begun.map(({ time }) => time);
  const last = begun.reduce((a, b) => (b.late > a.late ? b : a), { host: '', late: 0 });
  // Whichever two they are, the hosts that began first and last are no less sure than the two that are least so.
  const [worst = 0, second = 0] = begun.map(({ uncertainty }) => uncertainty).sort((a, b) => b - a);
  return [
    {
      ...{ moment, apart, hosts: begun.length },
      spread: begun.length === 0 ? 0 : Math.max(...times) - Math.min(...times),
      uncertainty: begun.length < 2 ? 0 : worst + second,
      last: { host: last.host, late: last.late },
    },
  ];
}

/** When it began by the controller's clock; a text says why that is not known, undefined that it has not begun. */
function beginOf({ start, checks, captureState, state }: HostRun) {
  if (start?.kind !== 'agreed') return undefined;
  const { told, clockOffset, clockUncertainty, moment } = start;
  if (told === undefined) {
    const hasBegun = captureState === 'running' || captureState === 'symbolizing' || state === 'succeeded';
    return hasBegun ? 'it did not wait: its agent is older than that' : undefined;
  }
  const { before } = checks ?? {};
  const first = { clockOffset, clockUncertainty };
  if (before !== undefined && clockDrift(first, before) !== 0) return 'its clock was moved while it waited';
  const best = before !== undefined && before.clockUncertainty < clockUncertainty ? before : first;
  const time = told.time - best.clockOffset;
  return { time, uncertainty: best.clockUncertainty, late: Math.max(0, time - moment) };
}
