// `perftrawl serve` and its clients as processes: people with tokens, a real agent on this machine, real perf.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';

const program = join(import.meta.dirname, '../../../bin/perftrawl');
const minutes = 60_000;
let home: string;
let server: ChildProcess;
let url: string;
const tokens: Record<string, string> = {};
/** Called when the server says that a job has begun. */
let onJob: () => void = () => undefined;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param own the configuration and the data of whoever runs it */
function perftrawl(own: string, env: Record<string, string>, ...args: string[]): Promise<Ended> {
  const surroundings = { ...process.env, PERFTRAWL_DATA: own, PERFTRAWL_CONFIG: own, ...env };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env: surroundings, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

const onServer = (...args: string[]) => perftrawl(home, {}, ...args);
/** With nothing of his own but the token. */
const as = (user: string, ...args: string[]) =>
  perftrawl(join(home, user), { PERFTRAWL_SERVER: url, PERFTRAWL_TOKEN: tokens[user] ?? '' }, ...args);

async function serve(port: string): Promise<void> {
  const env = { ...process.env, PERFTRAWL_DATA: home, PERFTRAWL_CONFIG: home };
  const args = [program, 'serve', '--listen', `127.0.0.1:${port}`, '--approve', 'stap-own'];
  server = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  if (server.stdout === null || server.stderr === null) throw new Error('no streams');
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (text.includes('"job-started"')) onJob();
  });
  const [line] = await once(createInterface(server.stdout), 'line');
  url = /https:\S+/.exec(String(line))?.[0].replace('127.0.0.1', 'localhost') ?? expect.fail(`it said ${line}`);
}

async function stopServing(): Promise<void> {
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  expect((await ended)[0]).toBe(0);
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'perftrawl-serve-'));
  expect((await onServer('ca', 'init')).code).toBe(0);
  await serve('0');
  for (const [user, role] of [
    ['alice', 'operator'],
    ['bob', 'operator'],
    ['victor', 'viewer'],
  ]) {
    const added = await onServer('users', 'add', user, '--role', role);
    expect(added.code, added.stderr).toBe(0);
    tokens[user] = added.stdout.trim();
  }
}, 10 * minutes);
afterAll(async () => {
  if (server.exitCode === null) await stopServing();
  await rm(home, { recursive: true, force: true });
}, 5 * minutes);

const recording = ['record', '-e', 'cpu-clock', '-F', '49', '--for', '1s', '--even-if-busy', '--json'];

it('records for somebody elsewhere, who has but a token', { timeout: 10 * minutes }, async () => {
  const recorded = await as('alice', ...recording);
  expect(recorded.code, recorded.stderr).toBe(0);
  const [seenByAlice, seenOnServer] = [
    await as('alice', 'export', 'last', '--format', 'folded'),
    await onServer('export', 'last', '--format', 'folded'),
  ];
  expect(seenByAlice.code, seenByAlice.stderr).toBe(0);
  expect(seenByAlice.stdout).toBe(seenOnServer.stdout);
  expect(seenByAlice.stdout).not.toBe('');
  const { jobs } = JSON.parse((await as('victor', 'jobs', '--json')).stdout);
  expect(jobs[0].request.requester).toMatch(/^alice@/);
});

it('refuses a viewer who wants to record, and one with the token of another server', {
  timeout: 10 * minutes,
}, async () => {
  const refused = await as('victor', ...recording);
  expect(refused.code).toBe(7);
  expect(refused.stderr).toMatch(/victor is viewer, and POST \/v1\/jobs takes operator \(ask an admin/);
  tokens.eve = `${tokens.alice?.slice(0, -64)}${'0'.repeat(64)}`;
  const untrusting = await as('eve', 'jobs');
  expect(untrusting.code).toBe(5);
  expect(untrusting.stderr).toMatch(/its certificate is from another CA/);
  const plain = await perftrawl(
    home,
    { PERFTRAWL_SERVER: url.replace('https', 'http'), PERFTRAWL_TOKEN: tokens.alice ?? '' },
    'jobs',
  );
  expect(plain.stderr).toMatch(/is not encrypted/);
});

it('lets a script run when a second person has read it', { timeout: 15 * minutes }, async () => {
  const script = join(home, 'own.stp');
  await writeFile(script, 'probe timer.s(1) { println("one second") exit() }\n');
  const waiting = await as('alice', 'stap', script, '--for', '2s', '--even-if-busy');
  expect(waiting.code, waiting.stderr).toBe(7);
  expect(waiting.stderr).toMatch(/waits for approval/);
  const { approval } = JSON.parse((await as('bob', 'jobs', 'approve', 'last', '--json')).stdout);
  expect(approval.scripts[0].text).toContain('one second');
  const own = await as('alice', 'jobs', 'approve', 'last', '--sha256', approval.requestSha256);
  expect(own.code).toBe(7);
  expect(own.stderr).toMatch(/alice@\S+ asked for job \S+ and cannot approve it/);
  const approved = await as('bob', 'jobs', 'approve', 'last', '--sha256', approval.requestSha256, '--json');
  expect(approved.code, approved.stderr).toBe(0);
  expect(JSON.parse(approved.stdout).job.state).not.toBe('awaiting-approval');
  const decided = JSON.parse((await as('alice', 'jobs', 'approve', 'last', '--json')).stdout).approval.decision;
  expect(decided).toMatchObject({ kind: 'approved', who: expect.stringMatching(/^bob@/) });
});

it('knows a user by a token in a file that nobody else may read', { timeout: 10 * minutes }, async () => {
  const file = join(home, 'token');
  await writeFile(file, `${tokens.bob}\n`);
  await chmod(file, 0o644);
  const whoami = () => perftrawl(join(home, 'bob'), { PERFTRAWL_SERVER: url }, 'users', 'whoami', '--token-file', file);
  expect((await whoami()).code).toBe(7);
  await chmod(file, 0o600);
  expect((await whoami()).stdout).toBe('bob, operator, known by token\n');
  expect((await onServer('users', 'revoke', 'bob')).code).toBe(0);
  expect((await whoami()).stderr).toMatch(/the user bob was revoked/);
});

it('goes on with a job after it was stopped and started, and so does who follows it', {
  timeout: 15 * minutes,
}, async () => {
  const started = new Promise<void>((resolve) => {
    onJob = resolve;
  });
  const recorded = as('alice', ...recording.with(recording.indexOf('1s'), '15s'), '--note', 'restarted');
  await started;
  const { port } = new URL(url);
  await stopServing();
  await serve(port);
  const { code, stderr, stdout } = await recorded;
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout).job.request.note).toBe('restarted');
});
