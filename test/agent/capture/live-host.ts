// A real agent service on this machine for tests, with workloads to observe; everything below one temporary directory.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BudgetPolicy } from '../../../agent/capture/budget-limits.js';
import { CaptureService, DEFAULT_LIMITS } from '../../../agent/capture-service.js';
import type { Admission } from '../../../agent/host/admission.js';
import { localMachine, type MachineOptions } from '../../../agent/host/machine.js';
import { defaultPolicy } from '../../../agent/policy/policy.js';
import { Spool } from '../../../agent/spool/spool.js';
import type { Profile } from '../../../profile/profile.js';
import type { AgentApi } from '../../../proto/agent-api.js';
import type { CaptureEvent, CaptureEventBody, CaptureSpec, RecordSpec } from '../../../proto/capture.js';
import { decodeProfile } from '../../../proto/profile-codec.js';
import { build, type RunningWorkload } from '../../oracle/record-workload.js';
import { UNRESTRAINED } from './unrestrained.js';

export const never = new AbortController().signal;

export class LiveHost {
  readonly directory: string;
  readonly cpuCount = cpus().length;
  readonly #children: ChildProcess[] = [];
  readonly #services: CaptureService[] = [];

  static async create(): Promise<LiveHost> {
    return new LiveHost(await mkdtemp(join(tmpdir(), 'perftrawl-agent-')));
  }

  private constructor(directory: string) {
    this.directory = directory;
  }

  get state(): string {
    return join(this.directory, 'state');
  }

  async service(
    machine: Partial<MachineOptions> = {},
    budget: BudgetPolicy = UNRESTRAINED.budget,
    admission: Admission = UNRESTRAINED.admission,
  ): Promise<CaptureService> {
    const spool = await Spool.open({ directory: this.state, limit: 1e9, now: Date.now });
    const service = new CaptureService({
      machine: localMachine({ path: process.env.PATH ?? '', ...machine }),
      spool,
      stateDirectory: this.state,
      policy: defaultPolicy(false),
      name: 'test-host',
      limits: DEFAULT_LIMITS,
      budget,
      admission,
      onDefect: (_captureId, error) => {
        throw error;
      },
    });
    this.#services.push(service);
    return service;
  }

  /** Build a workload and run it until it ends or the host is disposed; gives its pid. */
  async startWorkload(name: RunningWorkload, ...args: string[]): Promise<number> {
    const [program = '', ...before] = await build(name, this.directory);
    return this.start([program, ...before, ...args]);
  }

  async start([program = '', ...args]: readonly string[]): Promise<number> {
    const child = spawn(program, args, { cwd: this.directory, stdio: 'ignore' });
    this.#children.push(child);
    await once(child, 'spawn');
    if (child.pid === undefined) throw new Error(`${program} has no pid`);
    return child.pid;
  }

  async dispose(): Promise<void> {
    for (const service of this.#services) await service.stopAll();
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Page faults of one process with frame pointers, every one of them. */
export function faultsOf(pid: number, change: Partial<RecordSpec> = {}): RecordSpec {
  return {
    kind: 'record',
    target: { kind: 'pids', pids: [pid] },
    duration: 1000,
    events: [{ name: 'page-faults' }],
    rate: { period: 1 },
    callGraph: { mode: 'fp' },
    detail: { split: 'comm', keepTimestamps: false, lines: false },
    keepRaw: false,
    ...change,
  };
}

/** Start a capture and take its log to the end. */
export async function capture(api: AgentApi, captureId: string, spec: CaptureSpec): Promise<CaptureEvent[]> {
  await api.startCapture({ captureId, spec, requester: 'test' }, never);
  return followed(api, captureId);
}

export async function followed(api: AgentApi, captureId: string, from = 1): Promise<CaptureEvent[]> {
  const events: CaptureEvent[] = [];
  for await (const event of api.followCapture(captureId, from, never)) events.push(event);
  return events;
}

/** Follow until an event of `kind` comes. */
export async function waitFor(api: AgentApi, captureId: string, kind: CaptureEventBody['kind']): Promise<void> {
  for await (const { body } of api.followCapture(captureId, 1, never)) {
    if (body.kind === kind) return;
    if (body.kind === 'done') throw new Error(`capture ${captureId} ended before: ${JSON.stringify(body)}`);
  }
}

/** Follow until samples have come. */
export async function waitForSamples(api: AgentApi, captureId: string): Promise<void> {
  for await (const { body } of api.followCapture(captureId, 1, never)) {
    if (body.kind === 'progress' && body.samples > 0) return;
    if (body.kind === 'done') throw new Error(`capture ${captureId} ended before: ${JSON.stringify(body)}`);
  }
}

/** The only body of a kind. */
export function the<K extends CaptureEventBody['kind']>(
  events: readonly CaptureEvent[],
  kind: K,
): Extract<CaptureEventBody, { kind: K }> {
  const [body, ...more] = all(events, kind);
  if (body === undefined || more.length > 0) throw new Error(`${more.length + (body ? 1 : 0)} events of kind ${kind}`);
  return body;
}

export function all<K extends CaptureEventBody['kind']>(events: readonly CaptureEvent[], kind: K) {
  return events
    .map(({ body }) => body)
    .filter((body): body is Extract<CaptureEventBody, { kind: K }> => body.kind === kind);
}

export function profileOf(events: readonly CaptureEvent[]): Profile {
  return decodeProfile(all(events, 'profile-chunk').map(({ chunk }) => chunk));
}

/** Sum of a profile's column, by the name of its sample type. */
export function total(profile: Profile, type: string): number {
  const column = profile.sampleTypes.findIndex((sampleType) => sampleType.type === type);
  return (profile.samples.values[column] ?? []).reduce((sum, value) => sum + value, 0);
}

export async function fetched(api: AgentApi, captureId: string, name: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const { data } of api.fetchArtifact(captureId, name, 0, never)) parts.push(data);
  return Buffer.concat(parts);
}
