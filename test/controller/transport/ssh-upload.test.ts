// The script that takes the agent on a host, run by a real shell: what it leaves when whoever sends goes away in the middle.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { uploadScript } from '../../../controller/transport/ssh/remote-script.js';

const content = randomBytes(300_000);
const compressed = gzipSync(content);
const file = { name: 'agent-x.cjs', sha256: createHash('sha256').update(content).digest('hex'), isExecutable: false };
let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'perftrawl-upload-'));
});
afterEach(() => rm(home, { recursive: true }));

/** What lies in the directory of the agent after `bytes` were sent. */
async function send(bytes: Uint8Array, isHeard: boolean): Promise<string[]> {
  const env = { PATH: process.env.PATH, HOME: home };
  const shell = spawn('sh', ['-c', uploadScript('mark', file, false)], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = once(shell, 'exit');
  if (isHeard) shell.stdout.resume();
  // Nobody reads its answer any more: writing one ends it by SIGPIPE.
  else shell.stdout.once('data', () => shell.stdout.destroy()).once('close', () => shell.stdin.end(bytes));
  if (isHeard) shell.stdin.end(bytes);
  await ended;
  return readdir(join(home, '.cache', 'perftrawl'));
}

it('keeps what arrived whole', async () => {
  expect(await send(compressed, true)).toEqual([file.name]);
  expect((await readFile(join(home, '.cache', 'perftrawl', file.name))).equals(content)).toBe(true);
});

it.each([
  ['heard', true],
  ['gone', false],
])('leaves nothing of half a file, its sender being %s', async (_how, isHeard) => {
  expect(await send(compressed.subarray(0, compressed.length / 2), isHeard)).toEqual([]);
});

it.each([
  ['heard', true],
  ['gone', false],
])('leaves nothing of another file, its sender being %s', async (_how, isHeard) => {
  expect(await send(gzipSync(randomBytes(1000)), isHeard)).toEqual([]);
});
