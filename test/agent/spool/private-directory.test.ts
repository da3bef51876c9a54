// Directories are made with their parents, for this user alone; what cannot be made is an error, never a hang.
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makePrivateDirectory } from '../../../agent/spool/private-directory.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perftrawl-test-'));
});
afterEach(() => rm(root, { recursive: true }));

it('makes the parents too, and does nothing where all is there', async () => {
  const path = join(root, 'a', 'b', 'c');
  await makePrivateDirectory(path);
  await makePrivateDirectory(path);
  expect((await stat(join(root, 'a', 'b'))).mode & 0o777).toBe(0o700);
});

it('fails below a file, and below /proc, where nothing can be made', async () => {
  await writeFile(join(root, 'file'), '');
  await expect(makePrivateDirectory(join(root, 'file', 'x'))).rejects.toThrow(/ENOTDIR|EEXIST/);
  await expect(makePrivateDirectory(join(root, 'file'))).rejects.toThrow(/EEXIST/);
  await expect(makePrivateDirectory('/proc/x/y')).rejects.toThrow(/ENOENT/);
});
