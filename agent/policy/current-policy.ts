// The policy as it is now: its file is looked at before each capture, and read again when it has changed.
import { type Stats, statSync } from 'node:fs';
import { type Failure, fail, toFailure } from '../../proto/failure.js';
import { loadPolicy } from './load-policy.js';
import { POLICY_FILE, type Policy } from './policy.js';

export interface CurrentPolicy {
  /**
   * @throws FailureError with the reason when the file changed into one that cannot be used: then nothing is allowed until it is
   * mended. What runs already goes on.
   */
  get(): Promise<Policy>;
}

/** @param file '' for the usual one @throws FailureError as loadPolicy */
export async function openPolicy(file: string, isOnNetwork: boolean): Promise<CurrentPolicy> {
  const path = file === '' ? POLICY_FILE : file;
  let seen = stampOf(path);
  let policy = await loadPolicy(file, isOnNetwork);
  let failure: Failure | undefined;
  const look = async (): Promise<void> => {
    const stamp = stampOf(path);
    if (stamp === seen) return;
    try {
      policy = await loadPolicy(file, isOnNetwork);
      failure = undefined;
    } catch (error) {
      failure = toFailure(error);
    }
    seen = stamp;
  };
  // One look at a time, so that nobody is told the old policy while the new one is being read.
  let looking = Promise.resolve();
  return {
    async get() {
      looking = looking.then(look);
      await looking;
      if (failure === undefined) return policy;
      const { message, remedy } = failure;
      const what = 'the policy of this host was changed and cannot be used, so nothing is allowed';
      throw fail('refused', `${what}: ${message}`, remedy);
    },
  };
}

/** A policy by itself does not change. */
export function asCurrent(policy: Policy | CurrentPolicy): CurrentPolicy {
  return 'get' in policy ? policy : { get: async () => policy };
}

/** Differs when the file does; that it cannot be seen differs from that it is not there. */
function stampOf(path: string): string {
  try {
    const stats: Stats | undefined = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return 'absent';
    const { ino, dev, size, mtimeMs, ctimeMs, uid, mode } = stats;
    return [ino, dev, size, mtimeMs, ctimeMs, uid, mode].join(' ');
  } catch (error) {
    return `unseen: ${String(error)}`;
  }
}
