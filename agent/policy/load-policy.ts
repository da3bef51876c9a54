// The policy of an agent that starts: its file, or what holds without one.
import { statSync } from 'node:fs';
import { fail } from '../../proto/failure.js';
import { defaultPolicy, POLICY_FILE, type Policy } from './policy.js';

/**
 * @param file '' for the usual place, where none need be
 * @throws FailureError `not-found` for a file that was named, `permission` when it cannot be seen, else as readPolicyFile
 */
export async function loadPolicy(file: string, isOnNetwork: boolean): Promise<Policy> {
  const path = file === '' ? POLICY_FILE : file;
  const absent = defaultPolicy(isOnNetwork, path);
  // The reader brings a YAML parser along, which an agent without a file need not hold.
  if (file === '' && !isThere(path)) return absent;
  const { readPolicyFile } = await import('./policy-file.js');
  const policy = await readPolicyFile(path, absent.stap, absent.rules);
  if (policy !== undefined) return policy;
  throw fail('not-found', `there is no policy file ${path}`, 'correct --policy');
}

/** What cannot be seen must not count as absent: it may forbid something. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw fail('permission', `cannot see whether there is a policy: ${why}`, `make ${path} readable`, error);
  }
}
