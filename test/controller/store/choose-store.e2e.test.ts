// The command chooses its store by option or environment, and shows nobody the password of one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD, type PostgresServer, postgresServer } from './postgres-server.js';

const program = join(import.meta.dirname, '../../../bin/perftrawl');
let server: PostgresServer;
let home: string;
beforeAll(async () => {
  server = await postgresServer();
  home = await mkdtemp(join(tmpdir(), 'perftrawl-store-'));
});
afterAll(async () => {
  await server.close();
  await rm(home, { recursive: true });
});

function start(args: readonly string[], env: Record<string, string> = {}) {
  const surroundings = {
    ...process.env,
    HOME: home,
    PERFTRAWL_DATA: join(home, 'data'),
    PERFTRAWL_CONFIG: home,
    ...env,
  };
  const child = spawn(process.execPath, [program, ...args], { env: surroundings, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  return { child, ended: once(child, 'close').then(([code]) => ({ code: Number(code), ...output })) };
}
const perftrawl = (args: readonly string[], env?: Record<string, string>) => start(args, env).ended;

it('keeps jobs where --store and PERFTRAWL_STORE say, and makes no file of SQLite then', async () => {
  const [one, other] = [await server.newStore(), await server.newStore()];
  const jobs = await perftrawl(['--json', 'jobs', 'ls'], { PERFTRAWL_STORE: one });
  expect({ ...jobs, stdout: JSON.parse(jobs.stdout) }).toMatchObject({ code: 0, stderr: '' });
  const added = await perftrawl(['users', 'add', 'alice', '--role', 'viewer', '--no-token'], { PERFTRAWL_STORE: one });
  expect(added.code).toBe(0);
  const names = async (...args: Parameters<typeof perftrawl>) => (await perftrawl(...args)).stdout;
  expect(await names(['users', 'ls'], { PERFTRAWL_STORE: one })).toContain('alice');
  expect(await names(['--store', one, 'users', 'ls'], { PERFTRAWL_STORE: other })).toContain('alice');
  expect(await names(['users', 'ls'], { PERFTRAWL_STORE: other })).not.toContain('alice');
  expect(await names(['users', 'ls'], { PERFTRAWL_STORE: '' })).not.toContain('alice');
  expect((await readdir(join(home, 'data'))).filter((name) => name.endsWith('.db'))).toEqual(['perftrawl.db']);
  const file = join(home, 'elsewhere.db');
  await perftrawl(['--store', `sqlite:${file}`, 'users', 'ls']);
  expect((await readFile(file)).subarray(0, 15).toString()).toBe('SQLite format 3');
});

it('ends with a code and a remedy, and never with a password', async () => {
  const wrong = server.url('test', `${PASSWORD}x`);
  const cases = [
    [wrong, 7, 'password authentication failed'],
    [wrong.replace('/test', '/test?nonsense=1'), 2, "no parameter 'nonsense'"],
    [wrong.replace(/@.*/, '@127.0.0.1:1/d'), 5, 'ECONNREFUSED'],
    ['mysql://u:geheim@h/d', 2, 'names no store'],
  ] as const;
  for (const [store, code, text] of cases) {
    const ended = await perftrawl(['--store', store, 'jobs', 'ls']);
    expect(ended).toMatchObject({ code, stderr: expect.stringContaining(text), stdout: '' });
    expect(ended.stderr).not.toMatch(/geheim|%BC/i);
  }
});

it('has no password in the list of processes', async () => {
  // Takes connections and says nothing: the command waits for it.
  const silent = createServer();
  const connected = new Promise<Socket>((resolve) => silent.once('connection', resolve));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const { child, ended } = start(['--store', `postgres://u:geheim@127.0.0.1:${port}/d`, 'jobs', 'ls']);
  const socket = await connected;
  const line = await readFile(`/proc/${child.pid}/cmdline`, 'latin1');
  socket.destroy();
  silent.close();
  expect(line).toContain('perftrawl');
  expect(line).not.toContain('geheim');
  expect((await ended).code).toBe(5);
});
