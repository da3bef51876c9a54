// One pull at a time into a directory; a lock whose process is gone counts for nothing.
import { fail } from '../../proto/failure.js';
import type { Owners } from '../jobs/owner.js';
import type { PullDirectory } from './pull-directory.js';

export const LOCK = '.pull.lock';

export interface DirectoryLock {
  release(): Promise<void>;
}

const mostLockBytes = 4096;

/** @throws FailureError 'conflict' while another pull writes there */
export async function lockDirectory(directory: PullDirectory, owners: Owners): Promise<DirectoryLock> {
  const owner = owners.claim();
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await directory.create(LOCK, owner)) {
      return {
        async release() {
          owners.release(owner);
          await directory.remove(LOCK);
        },
      };
    }
    const holder = (await directory.read(LOCK, mostLockBytes))?.toString('utf8') ?? '';
    // When a process on another machine was last seen nobody knows: it counts as alive only on this one.
    if (owners.isAlive(holder, Number.POSITIVE_INFINITY)) break;
    await directory.remove(LOCK);
  }
  owners.release(owner);
  throw fail('conflict', `another pull writes into ${directory.root}`, 'wait for it, or choose another directory');
}
