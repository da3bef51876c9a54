// What killed processes leave in the temporary directory goes at the next start; nothing else does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sweepPlaceholders } from '../../proto/placeholder-socket.js';

let directory: string;
let dead: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-sweep-'));
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  dead = child.pid ?? 0;
  await once(child, 'exit');
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Makes a directory as a process of this pid would; gives its name. */
async function leftBy(pid: number, ending: string): Promise<string> {
  const name = `perftrawl-${pid}-${ending}`;
  await mkdir(join(directory, name));
  return name;
}

/** Listens in a directory, in a process that is killed: the socket's file stays. */
async function abandonSocket(name: string): Promise<void> {
  const source = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  const child = spawn(process.execPath, ['-e', source, join(directory, name, 'stream')], { stdio: 'ignore' });
  await once(child, 'exit');
}

it('removes what a killed process left, before and after it listened', async () => {
  const early = await leftBy(dead, 'aaaaaa');
  const late = await leftBy(dead, 'bbbbbb');
  await abandonSocket(late);
  expect((await sweepPlaceholders(directory)).sort()).toEqual([early, late]);
  expect(await readdir(directory)).toEqual([]);
});

it('leaves what is in use, also where the process is not in sight', async () => {
  await leftBy(process.pid, 'aaaaaa');
  const inUse = await leftBy(dead, 'bbbbbb');
  const server = net.createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(join(directory, inUse, 'stream'), resolve));
  expect(await sweepPlaceholders(directory)).toEqual([]);
  server.close();
});

it('leaves what it did not make: other names, links, files, more content, other users', async () => {
  for (const name of ['perftrawl-cli-aaaaaa', `perftrawl-${dead}-aaaaaa.bak`, 'elsewhere'])
    await mkdir(join(directory, name));
  await symlink(join(directory, 'elsewhere'), join(directory, `perftrawl-${dead}-cccccc`));
  await writeFile(join(directory, `perftrawl-${dead}-dddddd`), '');
  await writeFile(join(directory, await leftBy(dead, 'eeeeee'), 'precious'), '');
  await symlink('/etc/hostname', join(directory, await leftBy(dead, 'ffffff'), 'stream'));
  if (process.getuid?.() === 0) await chown(join(directory, await leftBy(dead, 'gggggg')), 12345, 12345);
  const before = await readdir(directory);
  expect(await sweepPlaceholders(directory)).toEqual([]);
  expect(await readdir(directory)).toEqual(before);
});

it('is content where it may not look', async () => {
  expect(await sweepPlaceholders(join(directory, 'none'))).toEqual([]);
});
