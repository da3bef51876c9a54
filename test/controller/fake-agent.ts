// An agent whose captures are scripts: what the controller sees is real gRPC; what is captured is written in the test.

import type { Profile } from '../../profile/profile.js';
import type { AgentApi, StartCapture, TriggerCapture } from '../../proto/agent-api.js';
import type { AgentAuditPart } from '../../proto/agent-audit.js';
import type {
  ArtifactPart,
  CaptureEvent,
  CaptureEventBody,
  CaptureInfo,
  CaptureState,
  Firing,
  HostDescription,
  ModulePart,
  ModuleRequest,
  ModuleUpload,
  PreflightResult,
  ProcessInfo,
  ScriptInfo,
} from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import type { HealthReading, HostHealth } from '../../proto/host-health.js';
import { encodeProfile } from '../../proto/profile-codec.js';

/** One capture of a FakeAgent, as its script sees it. */
export interface FakeCapture {
  readonly request: StartCapture;
  /** Append to the log. */
  emit(...bodies: readonly CaptureEventBody[]): void;
  /** Append an event with any number, to break the rules. */
  emitRaw(event: CaptureEvent): void;
  /** Resolves when somebody stops the capture: with whether it is to be discarded. */
  readonly stopped: Promise<boolean>;
}

export type Script = (capture: FakeCapture) => Promise<void>;

interface Running {
  readonly request: StartCapture;
  readonly events: CaptureEvent[];
  isOver: boolean;
  readonly stop: (discard: boolean) => void;
  wake: () => void;
  changed: Promise<void>;
}

export class FakeAgent implements AgentApi {
  /** `start ID`, `follow ID from N`, `stop ID`, `discard ID`, `release ID`, in order. */
  readonly calls: string[] = [];
  auditParts: readonly AgentAuditPart[] = [{ lines: [] }];
  /** What captures were started with, in order. */
  readonly requests: StartCapture[] = [];
  /** Break the connection after this many more events: each follow stream ends with an error then. */
  breakAfter = Number.POSITIVE_INFINITY;
  readonly artifacts = new Map<string, { readonly data: Uint8Array; readonly sha256: string }>();
  /** What it says about captures beforehand. */
  preflightResult: PreflightResult = { problems: [], commandLines: ['perf record'], processes: [] };
  /** Ahead of the real clock, in milliseconds. */
  clockOffset = 0;
  /** One per reading; the last one stays. */
  healths: HostHealth[] = [];
  stapVersion = '4.8/0.188';
  /** What it compiles; each call is noted as `build RELEASE`. */
  build: (request: ModuleRequest) => AsyncIterable<ModulePart> = () => {
    throw fail('tool-missing', 'stap is not installed');
  };
  /** Modules that were put here, as far as they came. */
  readonly modules = new Map<string, Buffer>();
  readonly #script: Script;
  readonly #captures = new Map<string, Running>();

  constructor(script: Script) {
    this.#script = script;
  }

  async describe(): Promise<HostDescription> {
    return { ...aHost, tools: [...aHost.tools, { name: 'stap', version: this.stapVersion, path: '/usr/bin/stap' }] };
  }

  async listProcesses(): Promise<readonly ProcessInfo[]> {
    return [{ pid: 7, comm: 'app', cmdline: 'app --serve', cgroup: '/', uid: 0 }];
  }

  async preflight(): Promise<PreflightResult> {
    return this.preflightResult;
  }

  async startCapture(request: StartCapture): Promise<{ readonly isNew: boolean }> {
    this.calls.push(`start ${request.captureId}`);
    this.requests.push(request);
    if (this.#captures.has(request.captureId)) return { isNew: false };
    let stop: (discard: boolean) => void = () => undefined;
    const stopped = new Promise<boolean>((resolve) => {
      stop = resolve;
    });
    const running: Running = {
      request,
      events: [],
      isOver: false,
      stop,
      wake: () => undefined,
      changed: Promise.resolve(),
    };
    arm(running);
    this.#captures.set(request.captureId, running);
    const emitRaw = (event: CaptureEvent) => {
      running.events.push(event);
      if (event.body.kind === 'done') running.isOver = true;
      notify(running);
    };
    const emit = (...bodies: readonly CaptureEventBody[]) => {
      for (const body of bodies) emitRaw({ sequence: running.events.length + 1, time: 1, body });
    };
    void this.#script({ request, emit, emitRaw, stopped });
    return { isNew: true };
  }

  /** A capture that nobody asked for, as a watch starts them; it is done. */
  begin(captureId: string, ...bodies: readonly CaptureEventBody[]): void {
    const events = bodies.map((body, index) => ({ sequence: index + 1, time: 1, body }));
    const none = {
      captureId,
      spec: { kind: 'file', path: '', format: 'detect', detail: NO_DETAIL } as const,
      requester: '',
    };
    const running: Running = {
      ...{
        request: none,
        events,
        isOver: true,
        stop: () => undefined,
        wake: () => undefined,
        changed: Promise.resolve(),
      },
    };
    arm(running);
    this.#captures.set(captureId, running);
  }

  async *followCapture(captureId: string, fromSequence: number, signal: AbortSignal): AsyncGenerator<CaptureEvent> {
    this.calls.push(`follow ${captureId} from ${fromSequence}`);
    const running = this.#find(captureId);
    for (let at = fromSequence - 1; ; ) {
      signal.throwIfAborted();
      while (at < running.events.length) {
        if (this.breakAfter-- <= 0) throw fail('unreachable', 'the connection broke');
        yield running.events[at++];
      }
      if (running.isOver) return;
      await Promise.race([running.changed, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
    }
  }

  async *fetchArtifact(_captureId: string, name: string, offset: number): AsyncGenerator<ArtifactPart> {
    const found = this.artifacts.get(name);
    if (found === undefined) throw fail('not-found', `no artifact ${name}`);
    const { data, sha256 } = found;
    const half = offset + Math.floor((data.length - offset) / 2);
    yield { data: data.subarray(offset, half) };
    if (this.breakAfter-- <= 0) {
      this.breakAfter = Number.POSITIVE_INFINITY;
      throw fail('unreachable', 'the connection broke');
    }
    yield { data: data.subarray(half), end: { sha256, size: data.length } };
  }

  async stopCapture(captureId: string, discard: boolean): Promise<CaptureState> {
    this.calls.push(`${discard ? 'discard' : 'stop'} ${captureId}`);
    this.#find(captureId).stop(discard);
    return 'running';
  }

  /** What comes of asking a watch to fire; each call is noted as `trigger ID for WHO: REASON`. */
  trigger: (request: TriggerCapture) => Promise<Firing> = async () => {
    throw fail('refused', 'the watch has ended');
  };

  async triggerCapture(request: TriggerCapture): Promise<Firing> {
    this.calls.push(`trigger ${request.captureId} for ${request.who}: ${request.reason}`);
    return this.trigger(request);
  }

  async listScripts(): Promise<readonly ScriptInfo[]> {
    return [aScript];
  }

  async *buildModule(request: ModuleRequest): AsyncGenerator<ModulePart> {
    this.calls.push(`build ${request.plan.kernelRelease}`);
    yield* this.build(request);
  }

  async putModule({ sha256, offset, data }: ModuleUpload): Promise<number> {
    const there = this.modules.get(sha256) ?? Buffer.alloc(0);
    if (data.length === 0) return there.length;
    this.calls.push(`put ${offset}+${data.length}`);
    if (this.breakAfter-- <= 0) {
      this.breakAfter = Number.POSITIVE_INFINITY;
      throw fail('unreachable', 'the connection broke');
    }
    this.modules.set(sha256, Buffer.concat([there.subarray(0, offset), data]));
    return offset + data.length;
  }

  async listCaptures(): Promise<readonly CaptureInfo[]> {
    return [];
  }

  async releaseCapture(captureId: string): Promise<boolean> {
    this.calls.push(`release ${captureId}`);
    return this.#captures.delete(captureId);
  }

  async *readAudit(): AsyncGenerator<AgentAuditPart> {
    yield* this.auditParts;
  }

  async readHealth(): Promise<HealthReading> {
    const health = this.healths.length > 1 ? this.healths.shift() : this.healths[0];
    return { clock: Date.now() + this.clockOffset, monotonic: 1, health: health ?? aHealth };
  }

  #find(captureId: string): Running {
    const running = this.#captures.get(captureId);
    if (running === undefined) throw fail('not-found', `there is no capture ${captureId}`);
    return running;
  }
}

const NO_DETAIL = { split: 'comm', keepTimestamps: false, lines: false } as const;

function arm(running: Running): void {
  running.changed = new Promise((resolve) => {
    running.wake = resolve;
  });
}

function notify(running: Running): void {
  const { wake } = running;
  arm(running);
  wake();
}

/** The log of a capture that brings a profile. */
export function profileLog(profile: Profile): CaptureEventBody[] {
  return [
    { kind: 'state', state: 'running', detail: '' },
    { kind: 'progress', elapsed: 100, samples: 5, bytes: 500, lost: 0 },
    { kind: 'state', state: 'symbolizing', detail: '' },
    ...[...encodeProfile(profile)].map((chunk): CaptureEventBody => ({ kind: 'profile-chunk', chunk })),
    { kind: 'losses', losses: [...profile.losses] },
    { kind: 'cost', cost: aCost },
    finished,
  ];
}

export const finished: CaptureEventBody = {
  kind: 'done',
  outcome: 'finished',
  commandLines: ['perf record -e page-faults'],
};

const aCost = { toolCpu: 10, agentCpu: 20, peakMemoryBytes: 1e6, recordedBytes: 500, spooledBytes: 100, wall: 110 };

const aScript: ScriptInfo = {
  name: 'pagefault-latency',
  summary: 'how long page faults take, by type',
  doc: 'Each fault is timed.',
  parameters: [{ name: 'by', type: 'text', default: 'type', unit: '', doc: 'what to tell apart' }],
  variants: [
    { name: 'kprobe', doc: 'needs no debuginfo', needs: ['kprobe:handle_mm_fault'], sha256: 'a', text: '# x\n' },
  ],
  testedOn: ['6.1.0'],
  cost: '1 us per fault',
};

export const aHealth: HostHealth = {
  ...{ cpuCount: 2, load1: 1, memoryTotalBytes: 8e9, memoryAvailableBytes: 4e9, diskFreeBytes: 1e12 },
  ...{ pressure: { cpu: 1, memory: 0.5, io: 2 }, inodesFree: 1e6, uptime: 5000, bootId: 'b007' },
};

const aHost: HostDescription = {
  hostname: 'fake',
  kernelRelease: '6.1.0',
  kernelBuildId: 'abc123',
  architecture: 'x86_64',
  cpuCount: 2,
  memoryBytes: 2 ** 34,
  osName: 'Debian GNU/Linux 12',
  agentVersion: '0.1.0',
  tools: [],
  perfEventParanoid: 2,
  kptrRestrict: 0,
  isRoot: true,
  clock: 1,
  runningCaptures: [],
  usableEvents: ['page-faults'],
  unusableEvents: [],
  problems: [],
};
