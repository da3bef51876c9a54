// Running jobs whose controller is gone are taken over here, and come to the same end.
import type { Milliseconds } from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import type { LocalApp } from '../app.js';
import type { Clock } from '../clock.js';
import { StoreAway } from '../store/store-away.js';
import type { JobRunner } from './job-runner.js';
import type { ServerLog } from './server-log.js';

export interface OrphanedJobsOptions {
  readonly app: Pick<LocalApp, 'orphans' | 'run'>;
  readonly runner: Pick<JobRunner, 'start' | 'hasRoom'>;
  readonly clock: Clock;
  readonly log: ServerLog;
}

/** How often they are looked for. */
const poll: Milliseconds = 1000;
/** A job whose owner is gone: after the store was away, all its owners need a moment to say that they live. */
const ownerPatience: Milliseconds = 5_000;
/** One server takes up a job so often at most: what fails each time is for a person to see (`jobs resume`). */
const mostAttempts = 5;

interface Sighting {
  readonly owner: string;
  /** Since when it has been seen without a break, of the monotonic clock. */
  readonly since: Milliseconds;
}

/** Until `signal` aborts. */
export async function takeOverOrphans(options: OrphanedJobsOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  const attempts = new Map<string, number>();
  let seen: ReadonlyMap<string, Sighting> = new Map();
  let told = '';
  while ((await clock.sleep(poll, signal)) === 'elapsed') {
    try {
      const now = clock.monotonic();
      const found = await options.app.orphans();
      if (found.length === 0) told = '';
      seen = new Map(found.map(({ id, owner }) => [id, sightingOf(seen.get(id), owner, now)]));
      for (const [id, { owner, since }] of seen) {
        const isDue = now - since >= ownerPatience;
        const before = attempts.get(id) ?? 0;
        if (!isDue || before >= mostAttempts || signal.aborted || !options.runner.hasRoom) continue;
        const forgive = () => attempts.delete(id);
        if (await isAttempt(id, owner, forgive, options)) attempts.set(id, before + 1);
      }
      for (const id of attempts.keys()) if (attempts.size > 10_000) attempts.delete(id);
    } catch (error) {
      // What was seen before the store was away says nothing of who lives now.
      seen = new Map();
      const failure = toFailure(error);
      if (failure.message !== told) log({ level: 'error', event: 'jobs-not-read', failure });
      told = failure.message;
    }
  }
}

function sightingOf(before: Sighting | undefined, owner: string, now: Milliseconds): Sighting {
  return before?.owner === owner ? before : { owner, since: now };
}

/**
 * Take it up; false when another server was faster.
 * @param forgive the attempt failed for want of a store, or of room there: it is worth as many more as that takes
 * @throws StoreAway before it has begun
 */
async function isAttempt(
  id: string,
  owner: string,
  forgive: () => void,
  { app, runner, log }: OrphanedJobsOptions,
): Promise<boolean> {
  try {
    await runner.start(id, async (options) => {
      try {
        return await app.run(id, options);
      } catch (error) {
        if (error instanceof StoreAway) forgive();
        throw error;
      }
    });
    log({ level: 'warning', event: 'job-taken-over', job: id, from: owner });
    return true;
  } catch (error) {
    if (error instanceof StoreAway) throw error;
    const failure = toFailure(error);
    const isTaken = failure.code === 'conflict';
    log({ level: isTaken ? 'info' : 'error', event: 'job-not-taken-over', job: id, failure });
    return !isTaken;
  }
}
