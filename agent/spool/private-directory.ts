// Make a directory for this user alone, with its parents. Node 20's own recursive mkdir never returns below /proc.
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { hasCode } from './file-error.js';

/** @throws the system's error when a part of the path is no directory or cannot be made */
export async function makePrivateDirectory(directory: string): Promise<void> {
  const path = resolve(directory);
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (hasCode(error, 'EEXIST') && (await stat(path)).isDirectory()) return;
    if (!hasCode(error, 'ENOENT') || dirname(path) === path || (await isDirectory(dirname(path)))) throw error;
    await makePrivateDirectory(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
