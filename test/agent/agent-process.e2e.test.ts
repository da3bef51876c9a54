// Agents as processes of their own: what survives the controller, the agent and the connection, and who may talk to them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initCa, issueCertificate } from '../../controller/ca/certificate-authority.js';
import { type AgentConnection, connectAgent } from '../../proto/agent-client.js';
import {
  faultsOf,
  followed,
  LiveHost,
  never,
  profileOf,
  the,
  total,
  waitFor,
  waitForSamples,
} from './capture/live-host.js';

let host: LiveHost;
let faulty: number;
let program: string;

beforeAll(async () => {
  host = await LiveHost.create();
  program = join(host.directory, 'agent', 'entry.mjs');
  await build({
    stdin: {
      contents: `import { runAgent } from './agent/bundle.ts'; process.exitCode = await runAgent(process.argv.slice(2), process);`,
      resolveDir: process.cwd(),
      sourcefile: 'entry.ts',
    },
    outdir: join(host.directory, 'agent'),
    entryNames: 'entry',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  faulty = await host.startWorkload('faults', '1000000000', '12', '50', '0', '4000');
});
afterAll(async () => {
  for (const agent of agents) if (agent.exitCode === null && agent.signalCode === null) agent.kill('SIGKILL');
  await host.dispose();
});

const agents: ChildProcess[] = [];

function startAgent(...args: string[]): ChildProcess {
  const agent = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  agents.push(agent);
  return agent;
}

interface StdioAgent extends AgentConnection {
  readonly process: ChildProcess;
  readonly exited: Promise<unknown[]>;
}

async function stdioAgent(state = host.state): Promise<StdioAgent> {
  const agent = startAgent('--stdio', '--state', state);
  const { stdin, stdout } = agent;
  if (stdin === null || stdout === null) throw new Error('no pipes');
  stdin.on('error', () => undefined);
  const connection = await connectAgent(async () => Duplex.from({ readable: stdout, writable: stdin }));
  return { ...connection, process: agent, exited: once(agent, 'exit') };
}

/** What an agent said until it ended, and its exit code. */
async function ended(agent: ChildProcess): Promise<{ code: unknown; stderr: string }> {
  let stderr = '';
  agent.stderr?.on('data', (text) => {
    stderr += String(text);
  });
  const [code] = await once(agent, 'close');
  return { code, stderr };
}

/** Resolves with the address once the agent listens. */
async function listening(agent: ChildProcess): Promise<string> {
  for await (const text of agent.stdout ?? []) {
    const address = /^listening on (.*)$/m.exec(String(text))?.[1];
    if (address !== undefined) return address;
  }
  throw new Error('the agent ended');
}

/** Command lines of perf processes that observe the workload. */
async function perfProcesses(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines
    .map((line) => line.replaceAll('\0', ' '))
    .filter((line) => line.includes('perf record') && line.includes(`--pid=${faulty}`));
}

async function untilNoPerf(): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if ((await perfProcesses()).length === 0) return;
    await sleep(100);
  }
  throw new Error(`perf still runs: ${(await perfProcesses()).join('\n')}`);
}

describe('when the controller goes away', () => {
  it('the capture goes on to its end, and the next agent serves it', async () => {
    const first = await stdioAgent();
    await first.api.startCapture(
      { captureId: 'orphan', spec: faultsOf(faulty, { duration: 2000 }), requester: 'test' },
      never,
    );
    await waitFor(first.api, 'orphan', 'progress');
    first.close();
    first.process.stdin?.end();

    const second = await stdioAgent();
    const events = await followed(second.api, 'orphan');
    expect(the(events, 'done').outcome).toBe('finished');
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
    expect(total(profileOf(events), 'page-faults')).toBeGreaterThan(0);
    expect(await first.exited).toEqual([0, null]);
    expect(await followed(second.api, 'orphan', 3)).toEqual(events.slice(2));
    second.close();
    second.process.stdin?.end();
    expect(await second.exited).toEqual([0, null]);
  });

  it('another agent can stop what the first one still runs', async () => {
    const first = await stdioAgent();
    const spec = faultsOf(faulty, { duration: 600_000 });
    await first.api.startCapture({ captureId: 'stopped-by-other', spec, requester: 'test' }, never);
    await waitFor(first.api, 'stopped-by-other', 'progress');
    const second = await stdioAgent();
    expect(await second.api.stopCapture('stopped-by-other', false, never)).toBe('running');
    const events = await followed(second.api, 'stopped-by-other');
    expect(the(events, 'done').outcome).toBe('stopped');
    first.close();
    second.close();
    first.process.stdin?.end();
    second.process.stdin?.end();
    await Promise.all([first.exited, second.exited]);
  });
});

describe('when the agent is killed', () => {
  it('perf ends by itself, and the capture is told to be lost', async () => {
    const first = await stdioAgent();
    await first.api.startCapture(
      { captureId: 'killed', spec: faultsOf(faulty, { duration: 3000 }), requester: 'test' },
      never,
    );
    await waitFor(first.api, 'killed', 'progress');
    // A round trip: nothing is left to be written to the stream when its other end dies.
    await first.api.listCaptures(never);
    // More than one while perf forks what it times the recording with.
    expect((await perfProcesses()).length).toBeGreaterThan(0);
    first.process.kill('SIGKILL');
    await first.exited;

    const second = await stdioAgent();
    expect(the(await followed(second.api, 'killed'), 'done')).toMatchObject({
      outcome: 'failed',
      failure: { code: 'lost', message: expect.stringContaining(String(first.process.pid)) },
    });
    await untilNoPerf();
    first.close();
    second.close();
    second.process.stdin?.end();
    await second.exited;
  });

  it('perf that writes to a file ends by itself as well', async () => {
    const first = await stdioAgent();
    const spec = faultsOf(faulty, {
      duration: 3000,
      callGraph: { mode: 'dwarf', stackBytes: 512 },
      rate: { period: 100 },
    });
    await first.api.startCapture({ captureId: 'killed-dwarf', spec, requester: 'test' }, never);
    await waitFor(first.api, 'killed-dwarf', 'progress');
    // A round trip: nothing is left to be written to the stream when its other end dies.
    await first.api.listCaptures(never);
    first.process.kill('SIGKILL');
    await first.exited;
    await untilNoPerf();
    first.close();
  });

  it('gently, captures end early with what there is', async () => {
    const socket = join(host.directory, 'gently.sock');
    const agent = startAgent('--socket', socket, '--state', host.state);
    await listening(agent);
    const { api, close } = await connectAgent(async () => net.connect(socket));
    await api.startCapture(
      { captureId: 'gently', spec: faultsOf(faulty, { duration: 600_000 }), requester: 'test' },
      never,
    );
    await waitForSamples(api, 'gently');
    agent.kill('SIGTERM');
    expect(await ended(agent)).toEqual({ code: 0, stderr: '' });
    close();
    const next = await stdioAgent();
    const events = await followed(next.api, 'gently');
    expect(the(events, 'done').outcome).toBe('stopped');
    expect(total(profileOf(events), 'page-faults')).toBeGreaterThan(0);
    next.close();
    next.process.stdin?.end();
    await next.exited;
  });
});

describe('a unix socket', () => {
  it('is for its owner only, and for one agent; what a killed one left is taken over', async () => {
    const socket = join(host.directory, 'agent.sock');
    const first = startAgent('--socket', socket, '--state', host.state);
    expect(await listening(first)).toBe(`unix:${socket}`);
    expect(((await stat(socket)).mode & 0o777).toString(8)).toBe('600');
    const second = await ended(startAgent('--socket', socket, '--state', host.state));
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('another process serves') });
    first.kill('SIGKILL');
    await once(first, 'exit');
    await access(socket);
    const third = startAgent('--socket', socket, '--state', host.state, '--name', 'db7');
    await listening(third);
    const { api, close } = await connectAgent(async () => net.connect(socket));
    expect((await api.describe(never)).hostname).toBe('db7');
    close();
    third.kill('SIGTERM');
    expect((await ended(third)).code).toBe(0);
  });
});

describe('TCP', () => {
  let address: { host: string; port: number };
  let ca: string;
  let agent: ChildProcess;
  const pem = async (name: string) => readFile(join(ca, name));

  beforeAll(async () => {
    ca = join(host.directory, 'ca');
    await initCa(ca, Date.now());
    await issueCertificate(ca, { name: 'db1', addresses: ['127.0.0.1'], role: 'agent', days: 1 }, Date.now());
    await issueCertificate(ca, { name: 'controller', addresses: [], role: 'controller', days: 1 }, Date.now());
    const files = ['--cert', join(ca, 'db1.crt'), '--key', join(ca, 'db1.key'), '--ca', join(ca, 'ca.crt')];
    agent = startAgent('--listen', '127.0.0.1:0', '--state', host.state, ...files);
    const [name = '', port] = (await listening(agent)).split(':');
    address = { host: name, port: Number(port) };
  });
  afterAll(async () => {
    agent.kill('SIGTERM');
    await once(agent, 'exit');
  });

  /** `served`, or why not. */
  async function attempt(options: tls.ConnectionOptions): Promise<string> {
    const socket = tls.connect({ ...address, ca: await pem('ca.crt'), ALPNProtocols: ['h2'], ...options });
    const { api, close } = await connectAgent(async () => socket);
    const failed = once(socket, 'error').then(([error]) => `refused: ${error.code ?? error.message}`);
    const served = api.listCaptures(never).then(
      () => 'served',
      (error: unknown) => `refused: ${String(error)}`,
    );
    const result = await Promise.race([failed, served]);
    close();
    socket.destroy();
    return result;
  }

  it('serves controllers that have a certificate of the CA', async () => {
    expect(await attempt({ cert: await pem('controller.crt'), key: await pem('controller.key') })).toBe('served');
  });

  it('refuses clients without one, with an agent`s, with one of another CA, and TLS 1.2', async () => {
    const other = join(host.directory, 'other-ca');
    await initCa(other, Date.now());
    await issueCertificate(other, { name: 'controller', addresses: [], role: 'controller', days: 1 }, Date.now());
    const stranger = {
      cert: await readFile(join(other, 'controller.crt')),
      key: await readFile(join(other, 'controller.key')),
    };
    const known = { cert: await pem('controller.crt'), key: await pem('controller.key') };
    expect(await attempt({})).toMatch(/^refused/);
    expect(await attempt({ cert: await pem('db1.crt'), key: await pem('db1.key') })).toMatch(/^refused/);
    expect(await attempt(stranger)).toMatch(/^refused/);
    expect(await attempt({ ...known, maxVersion: 'TLSv1.2' })).toMatch(/^refused.*(?:VERSION|PROTOCOL)/);
    expect(await attempt(known)).toBe('served');
  });

  it('never answers in plain text', async () => {
    const socket = net.connect(address);
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    let answer = '';
    socket.on('data', (text) => {
      answer += String(text);
    });
    socket.on('error', () => undefined);
    await once(socket, 'close');
    expect(answer).not.toContain('SETTINGS');
    expect(answer.length).toBeLessThan(32);
  });
});

describe('the command line', () => {
  it.each([
    [[], /exactly one of/],
    [['--stdio', '--socket', '/tmp/x'], /exactly one of/],
    [['--listen', '127.0.0.1:7411'], /--cert, --key and --ca/],
    [['--listen', 'nonsense', '--cert', 'a', '--key', 'b', '--ca', 'c'], /HOST:PORT/],
    [['--socket', '/tmp/x', '--cert', 'a'], /belong to --listen/],
    [['--stdio', '--spool-limit', '-1'], /whole number|argument/],
    [['--wat'], /--wat/],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await ended(startAgent(...args));
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('says what certificates are missing', async () => {
    const files = ['--cert', '/no/such.crt', '--key', '/no/such.key', '--ca', '/no/such-ca.crt'];
    const { code, stderr } = await ended(startAgent('--listen', '127.0.0.1:0', '--state', host.state, ...files));
    expect([code, stderr]).toEqual([1, expect.stringContaining('no file /no/such')]);
  });

  it('refuses a state directory that is none', async () => {
    const file = join(host.directory, 'a-file');
    await writeFile(file, '');
    const { code, stderr } = await ended(startAgent('--stdio', '--state', file));
    expect([code, stderr]).toEqual([1, expect.stringContaining(file)]);
  });

  it('explains itself', async () => {
    const agent = startAgent('--help');
    let help = '';
    agent.stdout?.on('data', (text) => {
      help += String(text);
    });
    expect(await ended(agent)).toEqual({ code: 0, stderr: '' });
    expect(help).toMatch(/Examples/);
  });
});

it('tells the version of the package', async () => {
  const manifest: unknown = JSON.parse(await readFile('package.json', 'utf8'));
  const agent = await stdioAgent();
  const { agentVersion } = await agent.api.describe(never);
  expect(manifest).toMatchObject({ version: agentVersion });
  agent.close();
  agent.process.stdin?.end();
  await agent.exited;
});
