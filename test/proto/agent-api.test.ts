// The service over a real stream: every call arrives as it was made, failures keep their code and remedy, slow readers hold the sender back.

import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { Server } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentApi } from '../../proto/agent-api.js';
import { type AgentConnection, connectAgent } from '../../proto/agent-client.js';
import { addAgentService, SERVER_OPTIONS } from '../../proto/agent-server.js';
import type {
  CaptureEvent,
  CaptureSpec,
  HostDescription,
  ModulePart,
  ModuleRequest,
  ScriptInfo,
} from '../../proto/capture.js';
import { serveStream } from '../../proto/duplex.js';
import { fail } from '../../proto/failure.js';
import type { HealthReading } from '../../proto/host-health.js';
import { MAX_MODULE_PART_BYTES } from '../../proto/stap-codec.js';

const spec: CaptureSpec = {
  kind: 'record',
  target: { kind: 'processes', selector: { comms: ['postgres', 'a b'], cmdline: '^pg.*' } },
  duration: 1500,
  events: [{ name: 'page-faults' }, { name: 'sched:sched_switch', filter: 'prev_prio > 100' }],
  rate: { frequency: 99 },
  callGraph: { mode: 'dwarf', stackBytes: 8192 },
  mmapPages: 2048,
  detail: { split: 'tid', keepTimestamps: true, lines: true },
  keepRaw: true,
};

const host: HostDescription = {
  hostname: 'db1',
  kernelRelease: '6.1.0',
  kernelBuildId: 'ab12',
  architecture: 'x86_64',
  cpuCount: 2,
  memoryBytes: 2 ** 34,
  osName: 'Debian GNU/Linux 12',
  agentVersion: '0.1.0',
  tools: [{ name: 'perf', version: '6.1.187', path: '/usr/bin/perf' }],
  perfEventParanoid: -1,
  kptrRestrict: 0,
  isRoot: true,
  clock: 1_700_000_000_123.5,
  runningCaptures: ['a', 'b'],
  usableEvents: ['page-faults'],
  unusableEvents: ['cycles'],
  problems: [{ code: 'no-pmu', message: 'no cycles', remedy: '', isFatal: false }],
};

const script: ScriptInfo = {
  name: 'pagefault-latency',
  summary: 'how long',
  doc: '',
  parameters: [],
  variants: [
    { name: 'kprobe', doc: '', needs: ['kprobe:handle_mm_fault'], sha256: 'cd'.repeat(32), text: 'probe x {}' },
  ],
  testedOn: [],
  cost: '',
};

const request: ModuleRequest = {
  spec: {
    kind: 'stap',
    target: { kind: 'system' },
    duration: 1000,
    interval: 500,
    script: { from: 'catalogue', name: script.name, parameters: {} },
    overheadPercent: 10,
    keepRaw: false,
  },
  plan: {
    script: script.name,
    variant: 'kprobe',
    scriptSha256: 'cd'.repeat(32),
    kernelRelease: '6.1.0',
    kernelBuildId: 'ef'.repeat(20),
    machine: 'x86_64',
    canCompile: true,
    canRun: false,
  },
};

const healthReading: HealthReading = {
  ...{ clock: 1_700_000_000_000.5, monotonic: 12.25 },
  health: {
    ...{
      cpuCount: 4,
      load1: 1.5,
      memoryTotalBytes: 8e9,
      memoryAvailableBytes: 2e9,
      diskFreeBytes: 3e12,
      inodesFree: 0,
    },
    ...{ pressure: { cpu: 1.5, memory: 0, io: 99 }, uptime: 12_345, bootId: 'b007' },
  },
};

/** An agent that answers with what it was asked. */
function echoAgent(seen: unknown[]): AgentApi {
  return {
    readHealth: async () => healthReading,
    async *readAudit({ fromSequence, since }) {
      yield { lines: [], head: { sequence: 9, hash: 'ab' } };
      yield { lines: [`from ${fromSequence}`, `since ${since}`] };
    },
    describe: () => answerDescribe(),
    listProcesses: async (selector) => [{ pid: 7, comm: selector.comms?.[0] ?? '', cmdline: 'x', cgroup: '/', uid: 0 }],
    preflight: async (asked) => {
      seen.push(asked);
      throw fail('tool-missing', 'perf is not installed', 'apt-get install linux-perf');
    },
    startCapture: async (request) => {
      seen.push(request);
      return { isNew: true };
    },
    async *followCapture(captureId, fromSequence) {
      const end = captureId === 'endless' ? Number.POSITIVE_INFINITY : fromSequence + 300;
      for (let sequence = fromSequence; sequence < end; sequence++) {
        yield { sequence, time: 5, body: { kind: 'state', state: 'running', detail: captureId.repeat(2000) } };
        seen.push(sequence);
      }
    },
    async *fetchArtifact(_id, name, offset) {
      yield { data: Buffer.from(`${name}@${offset}`) };
      throw fail('not-found', 'gone half-way');
    },
    stopCapture: async () => 'done',
    listCaptures: async () => [
      { captureId: 'c', kind: 'stat', state: 'running', started: 1, lastSequence: 2, spooledBytes: 3 },
    ],
    releaseCapture: async () => false,
    listScripts: async () => [script],
    async *buildModule(request) {
      seen.push(request);
      yield { data: Buffer.alloc(MAX_MODULE_PART_BYTES, 7) };
      yield { data: Buffer.from('end'), end: { sha256: 'ab'.repeat(32), size: MAX_MODULE_PART_BYTES + 3 } };
    },
    triggerCapture: async ({ captureId, who, reason, requestId }) => {
      if (captureId === 'tired') throw fail('refused', 'it cools down', 'ask again in 9 s');
      const capture = { ok: true as const, captureId: `${captureId}.t3` };
      return { number: 3, time: 1.5, cause: { kind: 'asked', who, reason: `${reason} ${requestId}` }, capture };
    },
    putModule: async (upload) => {
      seen.push(upload);
      return upload.offset + upload.data.length;
    },
  };
}

let directory: string;
let connection: AgentConnection;
let seen: unknown[];
let listener: net.Server;
let opened: number;
let answerDescribe: () => Promise<HostDescription>;
const signal = new AbortController().signal;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-test-'));
  seen = [];
  opened = 0;
  answerDescribe = async () => host;
  const server = new Server(SERVER_OPTIONS);
  addAgentService(server, echoAgent(seen));
  listener = net.createServer((socket) => void serveStream(server, socket));
  await new Promise<void>((resolve) => listener.listen(join(directory, 's'), resolve));
  connection = await connectAgent(async () => {
    opened++;
    return net.connect(join(directory, 's'));
  });
});

afterEach(async () => {
  connection.close();
  listener.close();
  await rm(directory, { recursive: true });
});

describe('the agent service', () => {
  it('carries a description and a selector there and back', async () => {
    expect(await connection.api.describe(signal)).toEqual(host);
    const [process] = await connection.api.listProcesses({ comms: ['postgres'] }, signal);
    expect(process.comm).toBe('postgres');
    expect(await connection.api.listCaptures(signal)).toHaveLength(1);
    expect(opened).toBe(1);
  });

  it('carries what time it is and how the host is doing', async () => {
    expect(await connection.api.readHealth(signal)).toEqual(healthReading);
  });

  it('carries who fires a watch and why, and what came of it', async () => {
    const request = { captureId: 'w', who: 'alice', reason: 'slow', requestId: 'r1' };
    expect(await connection.api.triggerCapture(request, signal)).toEqual({
      ...{ number: 3, time: 1.5, cause: { kind: 'asked', who: 'alice', reason: 'slow r1' } },
      capture: { ok: true, captureId: 'w.t3' },
    });
    await expect(connection.api.triggerCapture({ ...request, captureId: 'tired' }, signal)).rejects.toMatchObject({
      failure: { code: 'refused', remedy: 'ask again in 9 s' },
    });
  });

  it('carries a spec as it was made', async () => {
    await connection.api.startCapture({ captureId: 'c1', spec, requester: 'me' }, signal);
    await connection.api.startCapture(
      { captureId: 'c2', spec, requester: 'me', startAt: 1_700_000_000_000.25 },
      signal,
    );
    expect(seen).toEqual([
      { captureId: 'c1', spec, requester: 'me' },
      { captureId: 'c2', spec, requester: 'me', startAt: 1_700_000_000_000.25 },
    ]);
  });

  it('carries the catalogue, a module to compile, and a module in parts', async () => {
    expect(await connection.api.listScripts(signal)).toEqual([script]);
    const parts: ModulePart[] = [];
    for await (const part of connection.api.buildModule(request, signal)) parts.push(part);
    expect(parts.map(({ data }) => data.length)).toEqual([MAX_MODULE_PART_BYTES, 3]);
    expect(parts[0].end).toBeUndefined();
    expect(parts[1].end).toEqual({ sha256: 'ab'.repeat(32), size: MAX_MODULE_PART_BYTES + 3 });
    const upload = { sha256: 'ab'.repeat(32), size: 9, offset: 4, data: new Uint8Array([1, 2, 3, 4, 5]) };
    expect(await connection.api.putModule(upload, signal)).toBe(9);
    expect(seen[0]).toEqual(request);
    expect(seen[1]).toMatchObject({ ...upload, data: Buffer.from(upload.data) });
  });

  it('keeps code, message and remedy of a failure', async () => {
    const rejected = connection.api.preflight(spec, signal);
    await expect(rejected).rejects.toMatchObject({
      failure: { code: 'tool-missing', message: 'perf is not installed', remedy: 'apt-get install linux-perf' },
    });
  });

  it('streams events from a sequence number on', async () => {
    const events: CaptureEvent[] = [];
    for await (const event of connection.api.followCapture('abc', 5, signal)) events.push(event);
    expect(events).toHaveLength(300);
    expect(events[0].sequence).toBe(5);
  });

  it('stops the producer when the reader leaves', async () => {
    for await (const event of connection.api.followCapture('abc', 1, signal)) if (event.sequence === 3) break;
    await connection.api.describe(signal);
    expect(seen.length).toBeLessThan(300);
  });

  it('delivers what a stream had before it failed', async () => {
    const parts: string[] = [];
    const read = async () => {
      for await (const part of connection.api.fetchArtifact('c', 'perf.data', 7, signal))
        parts.push(Buffer.from(part.data).toString());
    };
    await expect(read()).rejects.toMatchObject({ failure: { code: 'not-found', message: 'gone half-way' } });
    expect(parts).toEqual(['perf.data@7']);
  });

  it('fails with the reason that the stream could not be opened', async () => {
    const broken = await connectAgent(async () => {
      throw fail('untrusted', 'the certificate is for db2', 'issue one for db1');
    });
    await expect(broken.api.describe(signal)).rejects.toMatchObject({
      failure: { code: 'untrusted', remedy: 'issue one for db1' },
    });
    broken.close();
  });

  it('survives a stream that breaks while a write is under way, and says why it broke', async () => {
    let isWritten: (stream: Duplex) => void = () => undefined;
    const written = new Promise<Duplex>((resolve) => {
      isWritten = resolve;
    });
    const stuck = await connectAgent(async () => {
      const stream = new Duplex({ read: () => undefined, write: () => isWritten(stream) });
      return stream;
    });
    const described = expect(stuck.api.describe(signal)).rejects.toMatchObject({
      failure: { code: 'unreachable', message: 'the agent was killed by SIGKILL' },
    });
    (await written).destroy(fail('unreachable', 'the agent was killed by SIGKILL'));
    await described;
    stuck.close();
  });

  it('says at once that the other end is no agent, on a stream that is no socket', async () => {
    const confused = await connectAgent(async () => {
      const stream: Duplex = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
      stream.push('bash: perftrawl: command not found\r\n'.repeat(10));
      return stream;
    });
    await expect(confused.api.describe(signal)).rejects.toMatchObject({ failure: { code: 'unreachable' } });
    confused.close();
  });

  it('ends the calls under way when it is closed, and begins no others', async () => {
    const asked = new Promise<void>((resolve) => {
      answerDescribe = () => {
        resolve();
        return new Promise(() => undefined);
      };
    });
    const described = connection.api.describe(signal);
    const events = connection.api.followCapture('endless', 1, signal)[Symbol.asyncIterator]();
    await Promise.all([asked, events.next()]);
    const cancelled = { failure: { code: 'cancelled' } };
    const ended = Promise.all([
      expect(described).rejects.toMatchObject(cancelled),
      expect(readAll(events)).rejects.toMatchObject(cancelled),
    ]);
    connection.close();
    await ended;
    await expect(connection.api.listCaptures(signal)).rejects.toMatchObject(cancelled);
    await expect(connection.api.followCapture('abc', 1, signal)[Symbol.asyncIterator]().next()).rejects.toMatchObject(
      cancelled,
    );
  });

  it('ends a call that is aborted', async () => {
    const abort = new AbortController();
    abort.abort();
    await expect(connection.api.describe(abort.signal)).rejects.toMatchObject({ failure: { code: 'cancelled' } });
  });
});

async function readAll(events: AsyncIterator<CaptureEvent>): Promise<void> {
  while (!(await events.next()).done);
}
