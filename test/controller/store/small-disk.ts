// A disk of some MiB for tests, which is a tmpfs, and something else that takes all the room on it.
import { execFile } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface SmallDisk {
  /** All the room that is left. */
  fill(): Promise<void>;
  makeRoom(): Promise<void>;
  /** Nothing may have a file open there. */
  unmount(): Promise<void>;
}

/** @param directory is there, and is empty @param owner of its root */
export async function smallDisk(
  directory: string,
  bytes: number,
  { uid = 0, gid = 0 }: { readonly uid?: number; readonly gid?: number } = {},
): Promise<SmallDisk> {
  const run = promisify(execFile);
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700,uid=${uid},gid=${gid}`, 'tmpfs', directory]);
  const ballast = join(directory, 'ballast');
  return {
    async fill() {
      const file = await open(ballast, 'w');
      try {
        for (const piece = Buffer.alloc(4096, 1); ; ) await file.write(piece);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      } finally {
        await file.close();
      }
    },
    makeRoom: () => rm(ballast),
    async unmount() {
      await run('umount', [directory]);
    },
  };
}
