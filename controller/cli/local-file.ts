// Files of this machine that a person names on the command line: opened without ever waiting for somebody at the other end of a pipe.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { fail } from '../../proto/failure.js';

/** Open a regular file for reading. @throws FailureError `not-found`, `permission`, or `bad-request` for what is no regular file */
export async function openLocalFile(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') throw fail('not-found', `there is no file ${path}`, '', error);
    const why = error instanceof Error ? error.message : String(error);
    throw fail(code === 'EACCES' ? 'permission' : 'bad-request', `cannot read ${path}: ${why}`, '', error);
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw fail('bad-request', `${path} is no regular file`, 'copy what it gives into a file, and name that');
}

/** The first `limit` bytes of a regular file, and one more where there are more. @throws FailureError as openLocalFile */
export async function readLocalFile(path: string, limit: number): Promise<Uint8Array> {
  const file = await openLocalFile(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(limit + 1), 0, limit + 1, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
