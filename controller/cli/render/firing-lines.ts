// The firings of a watch, for people: which host, when, why, and which job has what was recorded.
import { FailureError } from '../../../proto/failure.js';
import type { App, HostRun, Job, JobState, TakenFiring } from '../../api.js';
import { causeText } from '../../jobs/firing-text.js';
import { printable } from '../../views/printable.js';
import { failureText } from './failure-text.js';
import { momentText } from './time-text.js';

/** For `--json`: a firing, and how far the job is that has what it recorded. */
export interface ToldFiring extends TakenFiring {
  readonly host: string;
  readonly cause: TakenFiring['cause'];
  readonly causeText: string;
  /** Absent where there is no such job, or no more. */
  readonly jobState?: JobState;
}

/** Of all hosts in the order of time; empty for what is no watch. */
export async function firingsOf(app: App, job: Job, runs: readonly HostRun[]): Promise<readonly ToldFiring[]> {
  if (job.request.spec.kind !== 'watch') return [];
  const told: ToldFiring[] = [];
  for (const { host, firings = [] } of runs) {
    for (const firing of firings) {
      const jobState = firing.jobId === undefined ? undefined : await stateOf(app, firing.jobId);
      told.push({
        host,
        ...firing,
        causeText: causeText(firing.cause),
        ...(jobState === undefined ? {} : { jobState }),
      });
    }
  }
  return told.sort((a, b) => a.time - b.time);
}

/** `web1: firing 1: page-faults/s > 5000 for 3 intervals (…): job 1nf0c2kx7qa`. */
export function firingLine(host: string, { number, cause, capture, jobId, lookBackJobId }: TakenFiring): string {
  const outcome = capture.ok
    ? jobId === undefined
      ? 'it records'
      : `job ${jobId} has it`
    : failureText(capture.failure);
  const before = lookBackJobId === undefined ? '' : `, job ${lookBackJobId} the time before`;
  return printable(`${host}: firing ${number}: ${causeText(cause)}: ${outcome}${before}`);
}

/** Two lines each: what happened, and who has what was recorded. */
export function firingLines(firings: readonly ToldFiring[]): string[] {
  return firings.flatMap(({ host, number, time, capture, jobId, jobState, lookBackJobId, causeText: why }) => {
    const recorded = capture.ok
      ? `recorded by job ${jobId} (${jobState ?? 'deleted'})`
      : `nothing recorded: ${failureText(capture.failure)}`;
    return [
      printable(`${host} firing ${number}, ${momentText(time)} UTC there: ${why}`),
      `  ${printable(recorded)}`,
      ...(lookBackJobId === undefined ? [] : [`  the time before is in job ${printable(lookBackJobId)}`]),
    ];
  });
}

async function stateOf(app: App, jobId: string): Promise<JobState | undefined> {
  try {
    return (await app.job(jobId)).state;
  } catch (error) {
    if (error instanceof FailureError && error.failure.code === 'not-found') return undefined;
    throw error;
  }
}
