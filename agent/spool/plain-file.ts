// A small file by which one process of a state directory asks another one for something: read without trusting what lies there.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hasCode } from './file-error.js';

export type PlainFile =
  | { readonly kind: 'read'; readonly bytes: Buffer }
  | { readonly kind: 'missing' }
  /** `why`: `it is a link`, and the like. */
  | { readonly kind: 'unfit'; readonly why: string };

/**
 * Neither waits (for a writer of a FIFO) nor follows links, whatever is there; what is of another user than this one and root is unfit.
 * @param most bytes; a longer one is unfit
 */
export async function readPlainFile(path: string, most: number): Promise<PlainFile> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return { kind: 'missing' };
    if (hasCode(error, 'ELOOP')) return { kind: 'unfit', why: 'it is a link' };
    if (hasCode(error, 'ENXIO')) return { kind: 'unfit', why: 'it is no plain file' };
    if (hasCode(error, 'EACCES', 'EPERM')) return { kind: 'unfit', why: 'it may not be read' };
    throw error;
  }
  try {
    const stats = await file.stat();
    const { uid, size } = stats;
    if (!stats.isFile()) return { kind: 'unfit', why: 'it is no plain file' };
    if (uid !== 0 && uid !== process.geteuid?.()) return { kind: 'unfit', why: `it is of user ${uid}` };
    // It may grow meanwhile.
    const bytes = Buffer.alloc(Math.min(size, most) + 1);
    let read = 0;
    for (let last = -1; last !== 0 && read < bytes.length; read += last) {
      last = (await file.read(bytes, read, bytes.length - read, read)).bytesRead;
    }
    if (read > most) return { kind: 'unfit', why: `it has more than ${most} bytes` };
    return { kind: 'read', bytes: bytes.subarray(0, read) };
  } finally {
    await file.close();
  }
}
