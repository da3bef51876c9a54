// Directories of the controller are made for their owner alone, or refused with a reason.
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makePrivateDirectory } from '../../controller/directories.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-directories-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

it('makes what is missing, and is content with what is there', async () => {
  const deep = join(directory, 'a', 'b', 'c');
  makePrivateDirectory(deep);
  makePrivateDirectory(deep);
  for (const made of [deep, join(directory, 'a')]) expect((await stat(made)).mode & 0o777).toBe(0o700);
});

it('refuses a file in the way', async () => {
  const file = join(directory, 'file');
  await writeFile(file, '');
  expect(() => makePrivateDirectory(file)).toThrow(/EEXIST/);
  expect(() => makePrivateDirectory(join(file, 'x'))).toThrow(/ENOTDIR/);
});

// mkdir with `recursive` of Node 20 tries for ever there.
it('ends where nothing can be made though the parent is there', () => {
  expect(() => makePrivateDirectory('/proc/x/y')).toThrow(/ENOENT/);
});
