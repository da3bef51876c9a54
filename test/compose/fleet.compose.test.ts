// docker-compose.yml as a user meets it: one command brings up the fleet; it captures, on request and by schedule; a controller dies and
// the other goes on; `down -v` leaves nothing behind.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostRun, Job } from '../../controller/api.js';
import { makeBaseImages } from './base-images.js';
import { ComposeFleet, happens, root } from './compose-fleet.js';
import { ContainerEngine } from './container-engine.js';

interface Report {
  readonly job: Job;
  readonly hosts: readonly HostRun[];
}

const agents = ['agent-1', 'agent-2', 'agent-3'];
const controllers = ['controller-1', 'controller-2'];
const longRunning = ['postgres', ...controllers, ...agents, 'workload'];
/** Numbers of capabilities(7). */
const AGENT_CAPABILITIES = { IPC_LOCK: 14, SYS_PTRACE: 19, SYS_ADMIN: 21, SYSLOG: 34 };
const RECORD = ['record', '-e', 'page-faults', '-c', '1', '--on', 'role=demo', '--comm', 'touch-memory', '--for', '2s'];

const say = (text: string) => process.stderr.write(`compose: ${text}\n`);
let engine: ContainerEngine;
let fleet: ComposeFleet;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'perftrawl-compose-'));
  engine = await ContainerEngine.start(join(home, 'engine'));
  const images = await timed('base images', () => makeBaseImages(engine, say));
  fleet = new ComposeFleet(engine, images);
  await timed('docker-compose up --build -d', () => fleet.up());
});

afterAll(async () => {
  await engine?.stop();
  await rm(home, { recursive: true, force: true });
});

it('comes up by one command: the steps have ended well, all else is healthy', async () => {
  for (const service of longRunning) await fleet.healthy(service);
  const containers = await fleet.containers();
  expect([...containers.keys()].sort()).toEqual([...longRunning, 'setup', 'tokens'].sort());
  for (const step of ['setup', 'tokens']) {
    expect(containers.get(step)?.State, step).toMatchObject({ Status: 'exited', ExitCode: 0 });
  }
});

it('has no more rights than it needs, and no secrets where they do not belong', async () => {
  const containers = await fleet.containers();
  for (const service of longRunning) {
    const status = await readFile(`/proc/${containers.get(service)?.State.Pid}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
    const isAgent = agents.includes(service);
    expect(bitsOf(field('CapBnd')), service).toEqual(isAgent ? Object.values(AGENT_CAPABILITIES) : []);
    expect(field('NoNewPrivs'), service).toBe('1');
    expect(field('Uid').startsWith('0\t'), `${service} runs as root`).toBe(isAgent);
  }
  const password = await fleet.compose(['exec', '-T', 'postgres', 'cat', '/run/database/password']);
  expect(password).toMatch(/^[\w-]{43}$/);
  const told = JSON.stringify([...containers.values()].map(({ Config }) => Config));
  expect(told).not.toContain(password);
  expect(await fleet.compose(['logs', '--no-color'])).not.toContain(password);
  // Whoever has the key of the CA can command every agent: it is where agents cannot read it.
  expect(await fleet.compose(['exec', '-T', 'agent-1', 'ls', '/run/perftrawl'])).toBe('enroll-token\n');
});

it('has three agents at both controllers', async () => {
  for (const controller of controllers) {
    const { hosts } = await fleet.json<{ hosts: { name: string; labels: object }[] }>(controller, 'hosts');
    expect(hosts.map(({ name }) => name).sort()).toEqual(agents);
    for (const { labels } of hosts) expect(labels).toMatchObject({ role: 'demo', fleet: 'compose' });
  }
});

it.each(controllers)('captures on all of them through %s, with the functions of the workload', async (controller) => {
  await recordThrough(controller);
});

it('captures for somebody elsewhere who has nothing but a token', async () => {
  const { token } = await fleet.json<{ token: string }>('controller-1', 'users', 'add', 'alice', '--role', 'operator');
  const own = join(home, 'alice');
  const { status, stdout, stderr } = await engine.runInNetwork(
    process.execPath,
    [join(root, 'bin', 'perftrawl'), ...RECORD, '--json'],
    {
      timeout: 90_000,
      env: {
        ...{ PATH: process.env.PATH, HOME: own, PERFTRAWL_DATA: own, PERFTRAWL_CONFIG: own },
        ...{ PERFTRAWL_SERVER: 'https://localhost:7450', PERFTRAWL_TOKEN: token },
      },
    },
  );
  expect(status, stderr).toBe(0);
  const { job } = JSON.parse(stdout) as Report;
  expect(job.state).toBe('succeeded');
});

it('captures by itself, on schedule', async () => {
  await fleet.json('controller-1', 'schedule', 'add', 'often', '--every', '3s', '--', ...RECORD);
  const fired = async () => {
    const { jobs } = await fleet.json<{ jobs: Job[] }>('controller-2', 'jobs', 'ls', '--schedule', 'often');
    return jobs.some(({ state }) => state === 'succeeded');
  };
  expect(await happens(fired)).toBe(true);
  await fleet.json('controller-1', 'schedule', 'rm', 'often');
});

it('knows its agents again when they have been restarted', async () => {
  const identity = () => fleet.compose(['exec', '-T', 'agent-1', 'cat', '/var/lib/perftrawl/agent/identity/agent.crt']);
  const before = await identity();
  await fleet.compose(['restart', 'agent-1']);
  await fleet.healthy('agent-1');
  expect(await identity()).toBe(before);
  await recordThrough('controller-1');
});

it('takes a host back whose identity was lost, as docs/docker.md says', async () => {
  await fleet.json('controller-1', 'hosts', 'forget', 'agent-1');
  await fleet.compose(['rm', '--stop', '--force', 'agent-1']);
  await engine.docker(['volume', 'rm', fleet.volume('agent-1-state')]);
  await fleet.upAgain();
  await fleet.healthy('agent-1');
  await recordThrough('controller-2');
});

it('goes on when a controller is killed, and takes it back', async () => {
  await engine.docker(['kill', (await fleet.container('controller-1')).Id]);
  await recordThrough('controller-2');
  for (const agent of agents) await fleet.healthy(agent);

  await fleet.upAgain();
  await fleet.healthy('controller-1');
  await recordThrough('controller-1');
});

it('makes nothing anew when it is brought up again', async () => {
  const kept = () => fleet.compose(['exec', '-T', 'controller-1', 'sha256sum', ...files]);
  const files = ['ca/ca.crt', 'ca/controller-1.crt', 'pgpass', 'admin-token'].map((name) => `/etc/perftrawl/${name}`);
  const before = await kept();
  await fleet.compose(['down']);
  await fleet.upAgain();
  for (const service of longRunning) await fleet.healthy(service);
  expect(await kept()).toBe(before);
  const { jobs } = await fleet.json<{ jobs: Job[] }>('controller-2', 'jobs', 'ls');
  expect(jobs.length).toBeGreaterThan(3);
});

it('leaves nothing behind', async () => {
  await fleet.compose(['down', '-v']);
  expect(await engine.docker(['ps', '--all', '--quiet'])).toBe('');
  expect(await engine.docker(['volume', 'ls', '--quiet'])).toBe('');
  const networks = await engine.docker(['network', 'ls', '--format', '{{.Name}}']);
  expect(networks.split('\n').filter(Boolean).sort()).toEqual(['bridge', 'host', 'none']);
});

/** A capture of page faults on the whole fleet. An agent may just be on its way back to a controller. */
async function recordThrough(controller: string): Promise<void> {
  let report: Report | undefined;
  const succeeds = async () => {
    const { stdout, stderr } = await fleet.perftrawl(controller, ...RECORD, '--json');
    if (!stdout.startsWith('{')) throw new Error(stderr);
    report = JSON.parse(stdout) as Report;
    return report.hosts?.every(({ state }) => state === 'succeeded') ?? false;
  };
  expect(await happens(succeeds), JSON.stringify(report)).toBe(true);
  expect(report?.hosts.map(({ host }) => host).sort()).toEqual(agents);
  const { stdout } = await fleet.perftrawl(controller, 'export', report?.job.id ?? '', '--format', 'folded');
  for (const name of ['load_table', 'build_hash', 'copy_rows']) {
    expect(stdout).toMatch(new RegExp(`^touch-memory;.*main;serve_query;${name};touch_page \\d+$`, 'm'));
  }
}

/** @param mask hexadecimal */
function bitsOf(mask: string): number[] {
  const value = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((value >> BigInt(bit)) & 1n) === 1n);
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = Date.now();
  const result = await work();
  say(`${what}: ${((Date.now() - start) / 1000).toFixed(0)} s`);
  return result;
}
