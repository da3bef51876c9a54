// Work with a time limit, told apart from work that somebody cancelled.
import type { Milliseconds } from '../../proto/capture.js';
import { type FailureError, fail } from '../../proto/failure.js';
import type { Clock } from '../clock.js';

/** Run `work`; its signal aborts when `signal` does or after `limit`. @throws FailureError 'deadline' in the latter case */
export async function withDeadline<T>(
  clock: Clock,
  limit: Milliseconds,
  signal: AbortSignal,
  doing: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const finished = new AbortController();
  const late = new AbortController();
  const timer = clock.sleep(limit, finished.signal).then((how) => {
    if (how === 'elapsed') late.abort();
  });
  try {
    return await work(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    throw late.signal.aborted && !signal.aborted ? tooLate(doing, limit, error) : error;
  } finally {
    finished.abort();
    await timer;
  }
}

function tooLate(doing: string, limit: Milliseconds, cause: unknown): FailureError {
  return fail('deadline', `${doing}: no answer within ${limit} ms`, 'look at the load of that host', cause);
}
