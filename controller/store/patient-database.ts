// The same database for what must not fail because it is away for a while: running jobs, whose captures go on meanwhile, and requests,
// which somebody waits for.
import type { Milliseconds } from '../../proto/capture.js';
import type { Failure } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import type { SqlDatabase } from './sql-database.js';
import { StoreAway } from './store-away.js';

export interface PatientDatabase {
  /** Its `guard` tries again: what it runs has to come to the same when it is done twice. */
  readonly database: SqlDatabase;
  /** For how long in all operations have waited for the store so far. */
  away(): Milliseconds;
}

/** How long an operation of a job is tried again. */
const patienceOfJobs: Milliseconds = 120_000;
const firstPause: Milliseconds = 100;
const longestPause: Milliseconds = 2_000;
const tellInterval: Milliseconds = 60_000;

/** Of its own for each wait: many wait at a time. */
const never = () => new AbortController().signal;

export interface Patience {
  /** How long an operation is tried again. Default: two minutes, as for jobs. */
  readonly patience?: Milliseconds;
  /** Told what is waited for, now and again. */
  readonly onWait?: (failure: Failure) => void;
}

export function patientDatabase(
  database: SqlDatabase,
  clock: Clock,
  { patience = patienceOfJobs, onWait = () => undefined }: Patience = {},
): PatientDatabase {
  let total: Milliseconds = 0;
  /** Since when operations fail; undefined while none does. */
  let since: Milliseconds | undefined;
  /** Up to then it is known whether they did. */
  let known: Milliseconds = Number.NEGATIVE_INFINITY;
  let told: Milliseconds = Number.NEGATIVE_INFINITY;
  const away = () => total + (since === undefined ? 0 : clock.monotonic() - since);

  function wait(failure: Failure, begun: Milliseconds): void {
    // Where the disk is full one operation fails and another one does not: no time counts twice.
    since ??= Math.max(begun, known);
    const now = clock.monotonic();
    if (now - told < tellInterval) return;
    told = now;
    onWait(failure);
  }

  return {
    away,
    database: {
      ...database,
      async guard(doing, work) {
        const begun = clock.monotonic();
        for (let pause = firstPause; ; pause = Math.min(longestPause, pause * 2)) {
          try {
            const result = await database.guard(doing, work);
            total = away();
            if (since !== undefined) known = clock.monotonic();
            since = undefined;
            return result;
          } catch (error) {
            if (!(error instanceof StoreAway)) throw error;
            wait(error.failure, begun);
            if (clock.monotonic() - begun >= patience) throw error;
            await clock.sleep(pause, never());
          }
        }
      },
    },
  };
}
