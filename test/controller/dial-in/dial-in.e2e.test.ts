// Two agents of the real command that dial in, a real capture on both, and a controller that is killed in the middle of it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp, type LocalApp } from '../../../controller/app.js';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import type { CertificateRole } from '../../../proto/certificate-role.js';
import { bundleProgram, type Program } from '../bundle-program.js';

const perftrawl = fileURLToPath(new URL('../../../bin/perftrawl', import.meta.url));
const names = ['db1', 'db2'];
const { signal } = new AbortController();

let directory: string;
let listen: string;
let program: Program;
let app: LocalApp | undefined;
const children: ChildProcess[] = [];
const log: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-dial-in-'));
  listen = `127.0.0.1:${await freePort()}`;
  program = await bundleProgram('controller-main.ts');
  const ca = join(directory, 'ca');
  await initCa(ca, Date.now());
  const issue = (name: string, role: CertificateRole) =>
    issueCertificate(ca, { name, addresses: ['127.0.0.1'], role, days: 1 }, Date.now());
  await issue('server', 'server');
  for (const name of names) {
    await issue(name, 'dial-in-agent');
    const identity = join(directory, name, 'identity');
    await mkdir(identity, { recursive: true, mode: 0o700 });
    await cp(join(ca, 'ca.crt'), join(identity, 'ca.crt'));
    for (const ending of ['crt', 'key']) await cp(join(ca, `${name}.${ending}`), join(identity, `agent.${ending}`));
  }
  await writeFile(
    join(directory, 'inventory.yaml'),
    `hosts:\n${names.map((name) => `  - { name: ${name}, labels: { role: db }, address: dial-in }\n`).join('')}`,
  );
});

afterAll(async () => {
  await app?.close();
  for (const child of children) if (child.exitCode === null && child.signalCode === null) await ended(child, 'SIGKILL');
  await program.remove();
  await rm(directory, { recursive: true });
});

describe('agents that dial in', () => {
  it('capture, and bring their results to the controller that takes up the job of a killed one', async () => {
    const workload = start(process.execPath, '-e', 'for (;;) Buffer.alloc(1 << 22, 1)');
    const agents = names.map((name) =>
      start(
        ...[process.execPath, perftrawl, 'agent', '--dial', listen],
        ...['--state', join(directory, name), '--name', name, '--budget', 'none'],
      ),
    );
    const said = agents.map(linesOf);
    const options = {
      dataDir: join(directory, 'data'),
      configDir: directory,
      agentCommand: [process.execPath, perftrawl, 'agent'],
    };
    const request = {
      ...{ selectorText: 'role=db', requester: 'test', maxParallel: 2, grace: 120_000, note: '' },
      spec: {
        kind: 'record',
        target: { kind: 'pids', pids: [workload.pid] },
        duration: 15_000,
        events: [{ name: 'page-faults' }],
        callGraph: { mode: 'fp' },
        detail: { split: 'comm', keepTimestamps: false, lines: false },
        keepRaw: false,
      },
    };
    const first = start(
      ...[process.execPath, program.file],
      JSON.stringify({ app: { ...options, dialIn: { listen } }, request }),
    );
    const id = await untilRunning(first);
    await ended(first, 'SIGKILL');

    app = await createApp({ ...options, dialIn: { listen, log: (line) => log.push(line) } });
    const job = await app.resume(id, { signal, onEvent: () => undefined });
    const runs = await app.hostRuns(id);
    expect(runs.map(({ host, state, failure }) => ({ host, state, failure }))).toEqual(
      names.map((host) => ({ host, state: 'succeeded', failure: undefined })),
    );
    expect(job.state).toBe('succeeded');
    for (const host of names) {
      const profile = await app.profile(id, host);
      expect(profile?.duration).toBeGreaterThan(14_000);
      expect(profile?.samples.values[1].reduce((sum, weight) => sum + weight, 0)).toBeGreaterThan(0);
    }
    const connected = app.dialIn?.connected().map(({ host }) => host);
    expect(connected?.toSorted()).toEqual(names);
    const described = await app.describe(app.hosts('role=db'), signal);
    expect(described.map((answer) => answer.ok)).toEqual([true, true]);
    // Each agent was there once for either controller, and is the same process all the time.
    for (const [i, lines] of said.entries()) {
      expect(lines.filter((line) => line.includes(`which knows this host as ${names[i]}`)).length).toBeGreaterThan(1);
      expect(agents[i].exitCode).toBeNull();
      expect(await ended(agents[i], 'SIGTERM')).toBe(0);
    }
  });

  it('say what is missing when the host has no certificate', async () => {
    const agent = start(process.execPath, perftrawl, 'agent', '--dial', listen, '--state', join(directory, 'empty'));
    const lines = linesOf(agent);
    const [code] = await once(agent, 'close');
    expect(code).toBe(1);
    expect(lines.join('\n')).toMatch(/no certificate to dial in with[\s\S]*perftrawl agent enroll/);
  });
});

function start(command: string, ...args: string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

function linesOf(child: ChildProcess): readonly string[] {
  const lines: string[] = [];
  if (child.stderr === null) throw new Error('no stderr');
  createInterface(child.stderr).on('line', (line) => lines.push(line));
  return lines;
}

/** Resolves with the job's id when it runs on both hosts. */
async function untilRunning(controller: ChildProcess): Promise<string> {
  const missing = new Set(names.map((name) => `${name} running`));
  let id = '';
  if (controller.stdout === null) throw new Error('no stdout');
  for await (const line of createInterface(controller.stdout)) {
    if (line.startsWith('submitted ')) id = line.slice('submitted '.length);
    missing.delete(line);
    if (missing.size === 0) return id;
  }
  throw new Error(`the controller ended before ${[...missing].join(' and ')}`);
}

async function ended(child: ChildProcess, how: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exited = once(child, 'exit');
  child.kill(how);
  const [code] = await exited;
  return code;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(address)));
    });
  });
}
