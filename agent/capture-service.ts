// The agent: captures on this host, on request. What the wire calls; see proto/agent-api.ts.
import type { AgentApi, StartCapture } from '../proto/agent-api.js';
import type {
  ArtifactPart,
  CaptureEvent,
  CaptureInfo,
  CaptureSpec,
  CaptureState,
  HostDescription,
  PreflightResult,
  ProcessInfo,
  ProcessSelector,
} from '../proto/capture.js';
import { fail } from '../proto/failure.js';
import { CaptureStop } from './capture/capture-stop.js';
import { checkSpec } from './capture/check-spec.js';
import { runCapture } from './capture-run.js';
import { describeHost, diskProblems } from './host/describe.js';
import type { Machine } from './host/machine.js';
import { preflight } from './host/preflight.js';
import { findProcesses } from './host/processes.js';
import { checkArtifactName, findArtifact, readArtifact } from './spool/artifact.js';
import { canonicalSpec } from './spool/capture-meta.js';
import type { Spool, StopRequest } from './spool/spool.js';

export interface CaptureLimits {
  /** Captures of one kind at a time. */
  readonly perKind: number;
  /** Captures at a time. */
  readonly total: number;
}

export const DEFAULT_LIMITS: CaptureLimits = { perKind: 1, total: 2 };

export interface CaptureServiceOptions {
  readonly machine: Machine;
  readonly spool: Spool;
  readonly stateDirectory: string;
  /** Name to answer with; '' for the host's own. */
  readonly name: string;
  readonly limits: CaptureLimits;
  /** Told of a capture that could not even write its end: for the agent's own log. */
  readonly onDefect: (captureId: string, error: unknown) => void;
}

interface RunningCapture {
  readonly stop: CaptureStop;
  readonly done: Promise<void>;
}

export class CaptureService implements AgentApi {
  readonly #options: CaptureServiceOptions;
  readonly #running = new Map<string, RunningCapture>();

  constructor(options: CaptureServiceOptions) {
    this.#options = options;
  }

  /** Captures that run in this process. */
  get runningCount(): number {
    return this.#running.size;
  }

  async describe(signal: AbortSignal): Promise<HostDescription> {
    const { machine, name, stateDirectory, spool } = this.#options;
    const running = (await spool.list()).filter((info) => info.state !== 'done');
    const runningCaptures = running.map((info) => info.captureId);
    return describeHost({ machine, name, stateDirectory, runningCaptures, signal });
  }

  async listProcesses(selector: ProcessSelector): Promise<readonly ProcessInfo[]> {
    const { files, ownPid } = this.#options.machine;
    return findProcesses(files, selector, ownPid);
  }

  preflight(spec: CaptureSpec, signal: AbortSignal): Promise<PreflightResult> {
    const { machine, stateDirectory } = this.#options;
    return preflight(machine, spec, stateDirectory, signal);
  }

  async startCapture({ captureId, spec, requester }: StartCapture): Promise<{ readonly isNew: boolean }> {
    const { machine, spool, onDefect } = this.#options;
    checkSpec(spec);
    await this.#requireDisk();
    const request = { captureId, kind: spec.kind, spec: canonicalSpec(spec), requester: requester.slice(0, 256) };
    const capture = await spool.create(request, (running) => this.#admit(spec, running));
    if (capture === undefined) return { isNew: false };
    const stop = new CaptureStop();
    const done = runCapture({ machine, spool, capture, spec, stop })
      .catch((error: unknown) => onDefect(captureId, error))
      .finally(() => this.#running.delete(captureId));
    this.#running.set(captureId, { stop, done });
    return { isNew: true };
  }

  followCapture(captureId: string, fromSequence: number, signal: AbortSignal): AsyncIterable<CaptureEvent> {
    return this.#options.spool.follow(captureId, fromSequence, signal);
  }

  /** `perf-script.txt` (raw stacks as text) is made when first asked for, of the perf.data that the capture kept. */
  async *fetchArtifact(
    captureId: string,
    name: string,
    offset: number,
    signal: AbortSignal,
  ): AsyncGenerator<ArtifactPart> {
    const { spool, machine } = this.#options;
    checkArtifactName(name);
    const state = await spool.state(captureId);
    const directory = spool.artifacts(captureId);
    let artifact = await findArtifact(directory, name);
    if (artifact === undefined && state === 'done' && name === 'perf-script.txt') {
      const { makeRawStacks } = await import('./capture/raw-stacks.js');
      artifact = await makeRawStacks(machine, directory, spool.reserve, signal);
    }
    if (artifact === undefined) {
      const remedy = state === 'done' ? 'capture with --keep-raw' : 'wait until the capture is done';
      throw fail('not-found', `capture ${captureId} has no artifact ${name}`, remedy);
    }
    yield* readArtifact(directory, artifact, offset, signal);
  }

  async stopCapture(captureId: string, discard: boolean): Promise<CaptureState> {
    const { spool } = this.#options;
    const request: StopRequest = discard ? 'discard' : 'keep';
    const state = await spool.state(captureId);
    if (state === 'done') return state;
    const running = this.#running.get(captureId);
    if (running === undefined) await spool.requestStop(captureId, request);
    else running.stop.request(request);
    return state;
  }

  listCaptures(): Promise<readonly CaptureInfo[]> {
    return this.#options.spool.list();
  }

  releaseCapture(captureId: string): Promise<boolean> {
    return this.#options.spool.release(captureId);
  }

  /** Resolves when no capture runs in this process any more. */
  async whenIdle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  /** End all captures of this process early, keeping what there is. */
  async stopAll(): Promise<void> {
    for (const { stop } of this.#running.values()) stop.request('keep');
    await this.whenIdle();
  }

  /** A capture must not fill the disk of the host it observes. */
  async #requireDisk(): Promise<void> {
    const fatal = (await diskProblems(this.#options.stateDirectory)).find((problem) => problem.isFatal);
    if (fatal !== undefined) throw fail('exhausted', fatal.message, fatal.remedy);
  }

  /** Reading a file observes nothing: it is bound by the total only. */
  #admit(spec: CaptureSpec, running: readonly CaptureInfo[]): void {
    const { perKind, total } = this.#options.limits;
    const ids = (list: readonly CaptureInfo[]) => list.map((info) => info.captureId).join(', ');
    const remedy = 'wait until it is done, or stop it';
    const alike = running.filter((info) => info.kind === spec.kind);
    if (spec.kind !== 'file' && alike.length >= perKind) {
      throw fail('refused', `this host runs a ${spec.kind} capture already: ${ids(alike)}`, remedy);
    }
    if (running.length >= total)
      throw fail('refused', `this host runs ${running.length} captures already: ${ids(running)}`, remedy);
  }
}
