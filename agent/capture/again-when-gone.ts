// Processes may end between being found and being opened by a tool: those that are left are found again.
import type { Target } from '../../proto/capture.js';
import { FailureError, fail } from '../../proto/failure.js';
import type { Machine } from '../host/machine.js';
import { exists } from '../host/processes.js';

/** Where processes come and go, each attempt may meet one that has just ended. */
const MAX_ATTEMPTS = 8;

/**
 * Does `work` again when what it looks for has ended.
 * @param mayOthersDo work looks for those that are there then: not so where each of them was asked for by its number
 */
export async function againWhenGone<T>(mayOthersDo: boolean, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const isGone = error instanceof FailureError && error.failure.code === 'not-found';
      if (!isGone || !mayOthersDo || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** The target without the processes and threads that have ended. @throws FailureError 'not-found' when none is left */
export function stillThere<T extends Target>({ files }: Machine, target: T): T {
  const living = (ids: readonly number[], what: string): readonly number[] => {
    const found = ids.filter((id) => exists(files, id));
    if (found.length === 0) throw fail('not-found', `the ${what} have ended`);
    return found;
  };
  switch (target.kind) {
    case 'pids':
      return { ...target, pids: living(target.pids, 'processes') };
    case 'tids':
      return { ...target, tids: living(target.tids, 'threads') };
    default:
      return target;
  }
}
