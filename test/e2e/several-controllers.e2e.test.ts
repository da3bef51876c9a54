// Two servers on one PostgreSQL, agents that dial both: one server is killed in the middle of its jobs, the other brings them to the same end.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostRun, Job } from '../../controller/api.js';
import type { WrittenEntry } from '../../controller/audit/audit-entry.js';
import { type PostgresServer, postgresServer } from '../controller/store/postgres-server.js';
import { Fleet, outputOf } from './fleet.js';

const names = ['db1', 'db2'];
const minutes = 60_000;
let postgres: PostgresServer;
let fleet: Fleet;
let store: string;
let token: string;
const servers: Record<string, Served> = {};
const spare: ChildProcess[] = [];

interface Served {
  readonly process: ChildProcess;
  readonly url: string;
  readonly agents: string;
  readonly log: string[];
}

/** @param isFarAway in a pid namespace of its own: the other server can judge it by its silence only, as on another machine */
async function serve(name: string, isFarAway: boolean, agentsPort = 0): Promise<void> {
  const args = ['serve', '--listen', '127.0.0.1:0', '--agents', `127.0.0.1:${agentsPort}`, '--name', 'localhost'];
  const own = { PERFTRAWL_STORE: store, PERFTRAWL_DATA: join(fleet.directory, name) };
  const child = isFarAway ? farAway(args, own) : fleet.start(args, own);
  if (child.stdout === null || child.stderr === null) throw new Error('its output is not piped');
  const log: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line));
  const lines = createInterface({ input: child.stdout });
  const found = { url: '', agents: '' };
  for await (const line of lines) {
    found.url ||= /^serving on (https:\S+)$/.exec(line)?.[1].replace('127.0.0.1', 'localhost') ?? '';
    found.agents = /^agents dial in at (\S+)$/.exec(line)?.[1] ?? '';
    if (found.agents !== '') break;
  }
  if (found.agents === '') throw new Error(`${name} does not serve: ${log.join('\n')}`);
  servers[name] = { process: child, ...found, log };
}

function farAway(args: readonly string[], own: Record<string, string>): ChildProcess {
  const [program, script, ...rest] = fleet.argv(args);
  const isolated = ['--pid', '--fork', '--kill-child', '--mount-proc', program, script, ...rest];
  const child = spawn('unshare', isolated, {
    cwd: fleet.directory,
    env: fleet.environment(own),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  spare.push(child);
  return child;
}

beforeAll(async () => {
  postgres = await postgresServer();
  store = await postgres.newStore();
  fleet = await Fleet.create();
  await succeed('ca', 'init');
  for (const name of names) await succeed('ca', 'issue', name, '--role', 'dial-in-agent');
  await fleet.writeInventory(names.map((name) => ({ name, address: 'dial-in', labels: { role: 'db' } })));
  await serve('near', false);
  await serve('far', true);
  token = (await succeed('users', 'add', 'ada', '--role', 'admin')).trim();
  const dial = `${servers.near.agents},${servers.far.agents}`;
  const ca = join(fleet.directory, 'config', 'perftrawl', 'ca');
  for (const name of names) {
    const files = ['--cert', join(ca, `${name}.crt`), '--key', join(ca, `${name}.key`), '--ca', join(ca, 'ca.crt')];
    const state = join(fleet.directory, 'state', name);
    fleet.start([
      'agent',
      '--dial',
      dial,
      '--name',
      name,
      '--state',
      state,
      '--max-captures',
      '20',
      '--max-per-kind',
      '20',
      ...files,
    ]);
  }
  for (const server of Object.values(servers)) {
    await until(() => areThere(server), 'agents dial in');
  }
}, 5 * minutes);
afterAll(async () => {
  for (const child of spare) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await fleet?.dispose();
  await postgres?.close();
});

it(
  'any of them can run a job, on the same hosts, for the same users',
  async () => {
    for (const [at, server] of Object.values(servers).entries()) {
      const { job } = await by(server).json<{ job: Job }>(stat('1s', `first ${at}`));
      expect(job.state).toBe('succeeded');
    }
    const lists = [];
    for (const server of Object.values(servers))
      lists.push((await by(server).json<{ jobs: Job[] }>(['jobs', 'ls'])).jobs.map(({ id }) => id));
    expect(lists[0]).toHaveLength(2);
    expect(lists[1]).toEqual(lists[0]);
  },
  3 * minutes,
);

it(
  'a job that one runs is stopped, and another cancelled, by way of the other',
  async () => {
    const { near, far } = servers;
    for (const [note, how, state] of [
      ['to be stopped', 'stop', 'succeeded'],
      ['to be cancelled', 'cancel', 'cancelled'],
    ] as const) {
      const ended = outputOf(by(near).start(stat('60s', note)));
      const job = await running(note);
      expect(await by(far).post(`/v1/jobs/${job.id}/${how}`)).toMatchObject({ job: { id: job.id } });
      await until(async () => (await jobOf(note))?.state === state, `the job ends as ${state}`);
      await ended;
    }
  },
  3 * minutes,
);

it(
  'takes over what one of them ran when it was killed, and each host run ends once',
  async () => {
    const { near, far } = servers;
    const notes = ['long', 'longer', 'longest'];
    const clients = notes.map((note, at) => by(far).start(stat(`${8 + 6 * at}s`, note)));
    for (const note of notes) await running(note);
    // Both take jobs from the queue that they share.
    const schema = new URL(store).searchParams.get('schema');
    const owners = await postgres.query(`select owner from ${schema}.jobs where state = 'running'`);
    const ofFar = owners.filter(({ owner }) => String(owner).split('|')[1] !== String(near.process.pid));
    expect(ofFar.length).toBeGreaterThan(0);
    const agentsPort = Number(far.agents.split(':')[1]);
    const killed = once(far.process, 'exit');
    far.process.kill('SIGKILL');
    await killed;
    for (const client of clients) client.kill('SIGKILL');
    // Whoever is left takes jobs as before.
    expect((await by(near).json<{ job: Job }>(stat('1s', 'meanwhile'))).job.state).toBe('succeeded');
    await until(async () => {
      const jobs = await Promise.all(notes.map(jobOf));
      return jobs.every((job) => job?.ended !== 0);
    }, 'the jobs end');
    expect(near.log.filter((line) => line.includes('"job-taken-over"'))).toHaveLength(ofFar.length);
    for (const note of notes) {
      const job = await jobOf(note);
      expect(job?.state, note).toBe('succeeded');
      const runs = await runsOf(job?.id ?? '');
      expect(runs.map(({ host, state }) => [host, state])).toEqual(names.map((name) => [name, 'succeeded']));
      const { series } = await by(near).get<{ series: { points: unknown[] } }>(`/v1/jobs/${job?.id}/series`);
      expect(series.points.length).toBeGreaterThan(5);
    }
    // Back again, it sees what became of them, and works.
    await serve('far', true, agentsPort);
    await until(() => areThere(servers.far), 'agents dial in again');
    expect((await by(servers.far).json<{ job: Job }>(stat('1s', 'back'))).job.state).toBe('succeeded');

    const { entries } = await json<{ entries: WrittenEntry[] }>('audit', '--limit', '1000');
    for (const note of [...notes, 'meanwhile', 'back']) {
      const id = (await jobOf(note))?.id;
      const ended = entries.filter(({ what, jobId }) => what === 'host-run-ended' && jobId === id);
      expect(ended.flatMap(({ hosts: of }) => of ?? []).sort(), note).toEqual(names);
      expect(entries.filter(({ what, jobId }) => what === 'job-ended' && jobId === id)).toHaveLength(1);
    }
    const { controller } = await json<{ controller: { problems: string[] } }>('audit', 'verify');
    expect(controller.problems).toEqual([]);
    const { hosts: logs } = await by(near).json<{ hosts: { entries: { event: string; captureId?: string }[] }[] }>([
      'audit',
      'hosts',
      '--on',
      'role=db',
      '--limit',
      '1000',
    ]);
    for (const { entries: own } of logs) {
      const ends = own.filter(({ event }) => event === 'ended').map(({ captureId }) => captureId);
      expect(new Set(ends).size).toBe(ends.length);
      expect(ends.length).toBeGreaterThanOrEqual(9);
    }
  },
  5 * minutes,
);

const stat = (duration: string, note: string) => [
  'stat',
  '-e',
  'page-faults',
  '-I',
  '500',
  '--on',
  'role=db',
  '--for',
  duration,
  '--note',
  note,
  '--grace',
  '90s',
];

/** As ada, from elsewhere. */
function by({ url }: Served) {
  const own = { PERFTRAWL_TOKEN: token, PERFTRAWL_DATA: join(fleet.directory, 'elsewhere') };
  const ask = async (path: string, ...more: string[]) => {
    const login = ['--cacert', join(fleet.caDirectory, 'ca.crt'), '-H', `Authorization: Bearer ${token}`];
    const { stdout } = await outputOf(spawn('curl', ['-sS', ...login, ...more, `${url}${path}`]));
    return JSON.parse(stdout);
  };
  return {
    start: (args: readonly string[]) => fleet.start([...args, '--server', url, '--json'], own),
    async json<T>(args: readonly string[]): Promise<T> {
      const { code, stdout, stderr } = await outputOf(fleet.start([...args, '--server', url, '--json'], own));
      expect(code, `${args.join(' ')}: ${stderr}${stdout}`).toBe(0);
      return JSON.parse(stdout) as T;
    },
    post: <T>(path: string, body?: unknown) => {
      const sent = body === undefined ? [] : ['-H', 'content-type: application/json', '-d', JSON.stringify(body)];
      return ask(path, '-X', 'POST', ...sent) as Promise<T>;
    },
    get: <T>(path: string) => ask(path) as Promise<T>,
  };
}

/** Whether each agent answers by way of this server. */
async function areThere(server: Served): Promise<boolean> {
  const { answers } = await by(server).post<{ answers?: { ok: boolean }[] }>('/v1/hosts/describe', { hosts: names });
  return answers?.length === names.length && answers.every(({ ok }) => ok);
}

/** By the store itself. */
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await outputOf(fleet.start([...args, '--json'], { PERFTRAWL_STORE: store }));
  expect(code, `${args.join(' ')}: ${stderr}${stdout}`).toBe(0);
  return JSON.parse(stdout) as T;
}

async function jobOf(note: string): Promise<Job | undefined> {
  const { jobs } = await by(servers.near).get<{ jobs: Job[] }>('/v1/jobs?limit=100');
  return jobs.find(({ request }) => request.note === note);
}

async function runsOf(id: string): Promise<readonly HostRun[]> {
  return (await by(servers.near).get<{ runs: HostRun[] }>(`/v1/jobs/${id}/host-runs`)).runs;
}

/** Waits until the job with this note runs on all hosts. */
async function running(note: string): Promise<Job> {
  let found: Job | undefined;
  await until(async () => {
    found = await jobOf(note);
    return found !== undefined && (await runsOf(found.id)).every(({ state }) => state === 'running');
  }, `'${note}' runs`);
  return found ?? expect.fail('no job');
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (let attempt = 0; attempt < 240; attempt++) {
    if (await holds()) return;
    await sleep(500);
  }
  throw new Error(
    `not within two minutes: ${what}; ${Object.values(servers).map(({ log }) => log.slice(-20).join('\n'))}`,
  );
}

async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await outputOf(fleet.start(args, { PERFTRAWL_STORE: store }));
  expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
}
