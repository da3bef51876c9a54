// How many bytes a directory's files hold, and when a file was written last.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from './file-error.js';

/** Sum of file sizes below `directory`; what vanishes meanwhile counts nothing. */
export async function directorySize(directory: string): Promise<number> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    const sizes = entries.map(async (entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? directorySize(path) : fileSize(path);
    });
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}

/** Milliseconds since 1970 UTC; undefined when there is no such file. */
export async function changeTime(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}
