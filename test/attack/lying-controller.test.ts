// A controller that misuses an agent: the built agent on a loopback port, with the right certificates and the wrong intentions.
import { readdir, readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { Client } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityFilesIn, readIdentity } from '../../controller/transport/identity.js';
import { tlsTransport } from '../../controller/transport/tls.js';
import { type AgentConnection, connectAgent } from '../../proto/agent-client.js';
import type { CaptureSpec, RecordSpec } from '../../proto/capture.js';
import { StreamCredentials } from '../../proto/duplex.js';
import { type Failure, FailureError, toFailure } from '../../proto/failure.js';
import { placeholderTarget } from '../../proto/placeholder-socket.js';
import { captureAgentService as service } from '../../proto/service.js';
import { RECORD, STAP } from '../controller/specs.js';
import { type Agent, Fleet } from '../e2e/fleet.js';
import { peakMemoryOf } from './attacked-job.js';

const { signal } = new AbortController();
let fleet: Fleet;
let agent: Agent;
let connection: AgentConnection;
let before: number;
let scripts = 0;

beforeAll(async () => {
  fleet = await Fleet.create();
  await fleet.makeCertificates('db1');
  agent = await fleet.startAgent('db1');
  connection = await connectAgent(open);
  await connection.api.describe(signal);
  before = peakMemoryOf(agent.process.pid);
});
afterAll(async () => {
  connection.close();
  await fleet.dispose();
});

function open(): Promise<Duplex> {
  const transport = tlsTransport({
    readIdentity: () => readIdentity(identityFilesIn(fleet.caDirectory, 'controller')),
    connectTimeout: 20_000,
  });
  const address = { transport: 'tls', host: '127.0.0.1', port: agent.port } as const;
  return transport.open({ name: 'db1', labels: {}, address }, signal);
}

const start = (spec: CaptureSpec, captureId = 'job.db1') =>
  connection.api.startCapture(
    { captureId, spec: spec.kind === 'file' ? spec : { ...spec, evenIfBusy: true }, requester: 'me' },
    signal,
  );
const failureOf = async (call: Promise<unknown>): Promise<Failure> => {
  try {
    await call;
  } catch (error) {
    return toFailure(error);
  }
  throw new Error('it was not refused');
};
const record = (change: Partial<RecordSpec>): RecordSpec => ({ ...RECORD, ...change });
const events = (...names: string[]) => record({ events: names.map((name) => ({ name })) });

describe('words that are no names', () => {
  it.each([
    '; rm -rf /',
    '$(reboot)',
    '`reboot`',
    '-o/etc/passwd',
    '--output=/etc/passwd',
    'cycles\n-a',
    'page-faults\0x',
    'page-faults -o /etc/passwd',
    '',
    ' ',
    'x'.repeat(100_000),
    '\x1b[2J',
  ])('an event called %j is refused', async (name) => {
    const { code, message } = await failureOf(start(events(name)));
    expect(code).toBe('bad-request');
    expect(message.length).toBeLessThan(3000);
  });

  it.each(['../../etc', '/etc/passwd', '.hidden', '-rf', 'a/b', 'a\0b', '', 'x'.repeat(129), 'a b', 'ä'])(
    'a capture called %j is refused',
    async (captureId) => {
      expect((await failureOf(start(RECORD, captureId))).code).toBe('bad-request');
    },
  );

  it.each(['../meta.json', '/etc/shadow', '..', '.', 'a/../../b', '-', '', 'perf.data\0'])(
    'an artifact called %j is refused',
    async (name) => {
      const { code } = await failureOf(drain(connection.api.fetchArtifact('job.db1', name, 0, signal)));
      expect(code).toBe('bad-request');
    },
  );

  it.each<[string, RecordSpec]>([
    ['a cgroup above the root', record({ target: { kind: 'cgroup', path: '../../../etc' } })],
    ['a cgroup that is an option', record({ target: { kind: 'cgroup', path: '-o/etc/passwd' } })],
    ['CPUs that are an option', record({ target: { kind: 'system', cpus: '0 -o /etc/passwd' } })],
    ['a process number that is none', record({ target: { kind: 'pids', pids: [-1] } })],
    ['no process at all', record({ target: { kind: 'pids', pids: [] } })],
    ['a filter that is an option', record({ events: [{ name: 'sched:sched_switch', filter: '-o/etc/passwd\0' }] })],
    ['no end', record({ duration: Number.POSITIVE_INFINITY })],
    ['an end before its beginning', record({ duration: -1 })],
    ['a year', record({ duration: 365 * 86_400_000 })],
    ['a hundred thousand events', events(...new Array<string>(100_000).fill('page-faults'))],
    [
      'a hundred thousand processes',
      record({ target: { kind: 'pids', pids: Array.from({ length: 100_000 }, (_, i) => i + 5_000_000) } }),
    ],
    ['half of memory as a buffer', record({ mmapPages: 2 ** 30 })],
    ['copied stacks of a gigabyte', record({ callGraph: { mode: 'dwarf', stackBytes: 2 ** 30 } })],
  ])('a capture with %s is refused', async (_what, spec) => {
    const { code, message } = await failureOf(start(spec));
    expect(code).toMatch(/bad-request|not-found|refused/);
    expect(message.length).toBeLessThan(3000);
  });

  it.each<[string, CaptureSpec]>([
    ['of a script with another name', { ...STAP, script: { from: 'catalogue', name: '../../x', parameters: {} } }],
    [
      'with parameters that are options',
      { ...STAP, script: { from: 'catalogue', name: 'pagefault-latency', parameters: { '-D': 'x' } } },
    ],
    [
      "of a script of one's own",
      { ...STAP, script: { from: 'request', name: 'x.stp', text: 'probe begin {}', arguments: ['-g'], isGuru: true } },
    ],
    ['with a command', { ...STAP, command: ['/bin/sh', '-c', 'reboot'] }],
  ])('a capture %s is refused', async (_what, spec) => {
    const id = `script-${scripts++}`;
    const { code } = await failureOf(start(spec, id).then(() => done(id)));
    expect(code).toMatch(/bad-request|refused|not-found|tool-missing|permission/);
  });

  it('a file that is none is refused, and endless ones end', async () => {
    for (const [id, path] of [
      ['f1', '/dev/zero'],
      ['f2', '/proc/kcore\0'],
      ['f3', '../../etc/shadow'],
    ]) {
      const spec: CaptureSpec = { kind: 'file', path, format: 'detect', detail: RECORD.detail };
      const failure = await failureOf(start(spec, id).then(() => done(id)));
      expect(failure.code).toMatch(/bad-request|bad-data|not-found|permission/);
    }
  });
});

describe('too much', () => {
  it('patterns that take for ever are stopped', async () => {
    const { code, message } = await failureOf(
      connection.api.listProcesses({ cmdline: '^(([a-z0-9/. -])+.)+[A-Z]([a-z])+$' }, signal),
    );
    expect({ code, message }).toEqual({ code: 'bad-request', message: expect.stringContaining('takes too long') });
    expect((await failureOf(connection.api.listProcesses({ cmdline: '(' }, signal))).code).toBe('bad-request');
    expect((await failureOf(connection.api.listProcesses({ cmdline: 'a'.repeat(1 << 20) }, signal))).code).toBe(
      'bad-request',
    );
  });

  it('five thousand lists of processes are answered', async () => {
    for (let round = 0; round < 50; round++) {
      const lists = await Promise.all(
        Array.from({ length: 100 }, () => connection.api.listProcesses({ comms: ['nobody'] }, signal)),
      );
      expect(lists.every((list) => list.length === 0)).toBe(true);
    }
  });

  it('of a flood of captures as many run as the agent takes', async () => {
    const spec = record({ duration: 60_000 });
    const attempts = await Promise.allSettled(Array.from({ length: 200 }, (_, i) => start(spec, `flood-${i}`)));
    const refusals = attempts.flatMap((attempt) => (attempt.status === 'rejected' ? [toFailure(attempt.reason)] : []));
    const running = (await connection.api.listCaptures(signal)).filter(({ state }) => state !== 'done');
    expect(running.length).toBeLessThanOrEqual(1);
    // One may have ended early, so that another one found room.
    expect(refusals.length).toBeGreaterThan(180);
    expect(refusals.filter(({ code }) => !/busy|refused|exhausted/.test(code))).toEqual([]);
    for (const { captureId } of await connection.api.listCaptures(signal)) {
      await connection.api.stopCapture(captureId, true, signal);
      await done(captureId).catch(() => undefined);
      await connection.api.releaseCapture(captureId, signal);
    }
  });

  it('uploads of modules are refused, or never become more than one part', async () => {
    const upload = { sha256: 'a'.repeat(64), size: 64 << 20, offset: 0, data: Buffer.alloc(1000) };
    for (const change of [
      { size: 2 ** 40 },
      { sha256: '../../x' },
      { offset: 2 ** 40 },
      { size: -1 },
      { data: Buffer.alloc(1 << 20) },
    ]) {
      expect((await failureOf(connection.api.putModule({ ...upload, ...change }, signal))).code).toMatch(
        /bad-request|refused/,
      );
    }
    for (let i = 0; i < 40; i++) {
      const sha256 = i.toString(16).padStart(64, '0');
      await connection.api
        .putModule({ ...upload, sha256 }, signal)
        .catch((error: unknown) => expect(toFailure(error).code).toMatch(/refused|exhausted/));
    }
    const parts = (await readdir(agent.stateDirectory, { recursive: true })).filter((name) => name.endsWith('.part'));
    expect(parts.length).toBeLessThan(20);
  });

  it.each([
    ['a message of 5 MiB', Buffer.alloc(5 << 20), /larger than max/],
    ['no message', Buffer.from('ffffffffffffffffffff', 'hex'), /deserializing/],
    ['a million fields', Buffer.alloc(2_000_000, Buffer.from([0x12, 0])), /./],
  ])('%s is refused', async (_what, bytes, words) => {
    const client = new Client(await placeholderTarget(), new StreamCredentials(open), {
      'grpc.default_authority': 'localhost',
    });
    const same = (buffer: Buffer) => buffer;
    const error = await new Promise<Error | null>((resolve) => {
      client.makeUnaryRequest(service.startCapture.path, same, same, bytes, (problem) => resolve(problem));
    });
    client.close();
    expect(error?.message).toMatch(words);
  });

  it('hundreds of connections that say nothing leave room for one that does', async () => {
    const idle = Array.from({ length: 300 }, () => {
      const socket = tls.connect({
        host: '127.0.0.1',
        port: agent.port,
        rejectUnauthorized: false,
        ALPNProtocols: ['h2'],
      });
      return socket.on('error', () => undefined);
    });
    expect((await connection.api.describe(signal)).hostname).toBe('db1');
    for (const socket of idle) socket.destroy();
  });
});

describe('afterwards', () => {
  it('the agent works, has taken little memory, and has nothing left over', async () => {
    await start(record({ duration: 200, events: [{ name: 'page-faults' }] }), 'afterwards');
    expect(await done('afterwards')).toBe('finished');
    await connection.api.releaseCapture('afterwards', signal);
    for (const { captureId } of await connection.api.listCaptures(signal))
      await connection.api.releaseCapture(captureId, signal);
    expect(await connection.api.listCaptures(signal)).toEqual([]);
    expect(peakMemoryOf(agent.process.pid) - before).toBeLessThan(400);
    expect(await childrenOf(agent.process.pid)).toEqual([]);
  });
});

/** The outcome of a capture. @throws FailureError what it failed with */
async function done(captureId: string): Promise<string> {
  for await (const { body } of connection.api.followCapture(captureId, 1, signal)) {
    if (body.kind !== 'done') continue;
    if (body.failure !== undefined) throw new FailureError(body.failure);
    return body.outcome;
  }
  return 'cut';
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _part of stream);
}

async function childrenOf(pid: number | undefined): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter((word) => word !== '');
}
