// The same work for many hosts, some at a time; and work that waits its turn.
import PQueue from 'p-queue';

/**
 * Resolves when `work` is done for every item. Expected failures are values of `work`; a rejection is a defect or a broken store:
 * it aborts the signal of what still runs, nothing further starts, and the first one is thrown after all have ended.
 *
 * @param turn resolves when an item may begin: until then it takes no place
 */
export async function fanOut<T, R>(
  items: readonly T[],
  maxParallel: number,
  work: (item: T, abandoned: AbortSignal) => Promise<R>,
  turn?: (item: T) => Promise<void>,
): Promise<R[]> {
  const queue = new PQueue({ concurrency: maxParallel });
  const abandoned = new AbortController();
  const begin = (item: T) =>
    queue.add(async () => {
      abandoned.signal.throwIfAborted();
      try {
        return await work(item, abandoned.signal);
      } catch (error) {
        abandoned.abort(error);
        throw error;
      }
    });
  const outcomes = await Promise.allSettled(
    items.map((item) => (turn === undefined ? begin(item) : turn(item).then(() => begin(item)))),
  );
  if (abandoned.signal.aborted) throw abandoned.signal.reason;
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

export interface TaskQueue {
  /** Settles as `work` does, when its turn has come. */
  add<T>(work: () => Promise<T>): Promise<T>;
}

/** At most so many at a time, in the order in which they came. */
export function taskQueue(concurrency: number): TaskQueue {
  const queue = new PQueue({ concurrency });
  return { add: (work) => queue.add(work) };
}
