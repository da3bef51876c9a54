// The agent: captures on this host, on request. What the wire calls; see proto/agent-api.ts.
import { join } from 'node:path';
import type { AgentApi, StartCapture, TriggerCapture } from '../proto/agent-api.js';
import type { AgentAuditPart, AgentAuditQuery } from '../proto/agent-audit.js';
import { canonicalSpec } from '../proto/canonical-spec.js';
import type {
  ArtifactPart,
  CaptureEvent,
  CaptureInfo,
  CaptureKind,
  CaptureSpec,
  CaptureState,
  Firing,
  HostDescription,
  KitSpec,
  ModulePart,
  ModuleRequest,
  ModuleUpload,
  PreflightResult,
  Problem,
  ProcessInfo,
  ProcessSelector,
  RecordSpec,
  ScriptInfo,
} from '../proto/capture.js';
import { fail, toFailure } from '../proto/failure.js';
import type { HealthReading } from '../proto/host-health.js';
import { readAudit } from './audit/audit-reader.js';
import type { Auditor } from './audit/auditor.js';
import { CaptureStop } from './capture/capture-stop.js';
import { checkSpec } from './capture/check-spec.js';
import { StartGate } from './capture/start-gate.js';
import { runCapture } from './capture-run.js';
import { type Admission, admissionProblems, DEFAULT_ADMISSION } from './host/admission.js';
import { describeHost, diskProblems } from './host/describe.js';
import { readHealth } from './host/health.js';
import type { Machine } from './host/machine.js';
import { preflight } from './host/preflight.js';
import { findProcesses } from './host/processes.js';
import { asCurrent, type CurrentPolicy } from './policy/current-policy.js';
import { checkModulePolicy, checkScriptPolicy, type Policy } from './policy/policy.js';
import { requireAllowed } from './policy/require-allowed.js';
import { admissionOf, budgetPolicy, type StartedWith } from './policy/restraint.js';
import { checkArtifactName, findArtifact, readArtifact } from './spool/artifact.js';
import type { Spool, StopRequest } from './spool/spool.js';
import type { RingDump } from './watch/look-back.js';
import type { StartedCapture } from './watch/watch-run.js';

export interface CaptureLimits {
  /** Captures of one kind at a time. */
  readonly perKind: number;
  /** Captures at a time. */
  readonly total: number;
}

export const DEFAULT_LIMITS: CaptureLimits = { perKind: 1, total: 2 };

export interface CaptureServiceOptions extends StartedWith {
  readonly machine: Machine;
  readonly spool: Spool;
  readonly stateDirectory: string;
  /** Name to answer with; '' for the host's own. */
  readonly name: string;
  readonly limits: CaptureLimits;
  readonly policy: Policy | CurrentPolicy;
  /** Who asked what, and what came of it; absent: nothing is written down. */
  readonly audit?: Auditor;
  /** Told of a capture that could not even write its end: for the agent's own log. */
  readonly onDefect: (captureId: string, error: unknown) => void;
}

interface StartedBy {
  readonly watchId?: string;
  readonly dump?: RingDump | undefined;
}

interface RunningCapture {
  readonly kinds: readonly CaptureKind[];
  readonly stop: CaptureStop;
  readonly done: Promise<void>;
}

export class CaptureService implements AgentApi {
  readonly #options: CaptureServiceOptions;
  readonly #policy: CurrentPolicy;
  readonly #running = new Map<string, RunningCapture>();

  constructor(options: CaptureServiceOptions) {
    this.#options = options;
    this.#policy = asCurrent(options.policy);
  }

  /** Captures that run in this process. */
  get runningCount(): number {
    return this.#running.size;
  }

  async describe(signal: AbortSignal): Promise<HostDescription> {
    const { machine, name, stateDirectory, spool } = this.#options;
    let admission = DEFAULT_ADMISSION;
    const problems: Problem[] = [];
    try {
      admission = admissionOf(this.#options, await this.#policy.get());
    } catch (error) {
      // The host can be described all the same.
      problems.push({ ...toFailure(error), isFatal: true });
    }
    const running = (await spool.list()).filter((info) => info.state !== 'done');
    const runningCaptures = running.map((info) => info.captureId);
    const host = await describeHost({ machine, name, stateDirectory, admission, runningCaptures, signal });
    return { ...host, problems: [...host.problems, ...problems] };
  }

  async listProcesses(selector: ProcessSelector): Promise<readonly ProcessInfo[]> {
    const { files, ownPid } = this.#options.machine;
    return findProcesses(files, selector, ownPid);
  }

  async preflight(spec: CaptureSpec, signal: AbortSignal): Promise<PreflightResult> {
    const { machine, stateDirectory } = this.#options;
    const policy = await this.#policy.get();
    const admission = admissionOf(this.#options, policy);
    return preflight(machine, spec, { stateDirectory, policy, admission }, signal);
  }

  async startCapture(request: StartCapture): Promise<{ readonly isNew: boolean }> {
    const { audit } = this.#options;
    let policy: Policy | undefined;
    try {
      policy = await this.#policy.get();
      return { isNew: (await this.#start(request, policy)) !== undefined };
    } catch (error) {
      await audit?.refused({ ...request, policy }, error);
      throw error;
    }
  }

  /** For a watch that fires: as if whoever asked for the watch had asked for this one now. */
  async #startFor(
    watch: StartCapture,
    captureId: string,
    spec: RecordSpec,
    dump: RingDump | undefined,
  ): Promise<StartedCapture> {
    const { startAt: _past, ...asked } = watch;
    const request = { ...asked, captureId, spec };
    let policy: Policy | undefined;
    try {
      policy = await this.#policy.get();
      const started = await this.#start(request, policy, { watchId: watch.captureId, dump });
      if (started === undefined) throw fail('conflict', `capture ${captureId} is on this host already`);
      return started;
    } catch (error) {
      await this.#options.audit?.refused({ ...request, policy }, error);
      throw error;
    }
  }

  /** undefined when it was started before. @param by the watch that starts it, and what that has recorded already */
  async #start(start: StartCapture, policy: Policy, by: StartedBy = {}): Promise<StartedCapture | undefined> {
    const { captureId, spec, requester } = start;
    const { machine, spool, onDefect, stateDirectory, audit } = this.#options;
    checkSpec(spec);
    if (spec.kind === 'watch') checkWatchId(captureId);
    const gate = gateOf(start, machine.now());
    requireAllowed(machine, policy, spec, requester);
    await this.#requireDisk();
    // What is recorded already costs the host nothing more but its names.
    const observes = spec.kind !== 'file' && by.dump === undefined;
    if (observes) await this.#requireHealth(admissionOf(this.#options, policy), spec.evenIfBusy === true);
    const request = { captureId, kind: spec.kind, spec: canonicalSpec(spec), requester: requester.slice(0, 256) };
    const capture = await spool.create(request, (running) => this.#admit(spec, policy, running, by));
    if (capture === undefined) return undefined;
    const stop = new CaptureStop();
    // What cannot be written down must not run: it is registered already, and ends before it begins.
    const unwritten = await audit?.started({ ...start, policy }).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (unwritten !== undefined) stop.request('discard');
    const settings = { policy, budget: budgetPolicy(this.#options, policy), stateDirectory };
    const startOther = (id: string, other: RecordSpec, dump?: RingDump) => this.#startFor(start, id, other, dump);
    const done = runCapture({ machine, spool, capture, spec, stop, settings, gate, start: startOther, dump: by.dump })
      .then((end) => audit?.ended(captureId, end))
      .catch((error: unknown) => onDefect(captureId, error))
      .finally(() => this.#running.delete(captureId));
    this.#running.set(captureId, { stop, done, kinds: partsOf(spec).map((part) => part.kind) });
    if (unwritten === undefined) return { done, stop: () => stop.request('keep') };
    await done;
    await spool.release(captureId);
    throw unwritten;
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
    const { spool, audit } = this.#options;
    const request: StopRequest = discard ? 'discard' : 'keep';
    const state = await spool.state(captureId);
    if (state === 'done') return state;
    await audit?.stopAsked(captureId, discard);
    const running = this.#running.get(captureId);
    if (running === undefined) await spool.requestStop(captureId, request);
    else running.stop.request(request);
    return state;
  }

  /** Whichever process of this state directory runs the watch. */
  async triggerCapture(request: TriggerCapture): Promise<Firing> {
    const { spool, audit } = this.#options;
    const { captureId, who, reason } = request;
    const state = await spool.state(captureId);
    const kind = (await spool.meta(captureId))?.kind;
    if (kind !== 'watch') throw fail('bad-request', `${captureId} is a ${kind} capture, no watch`, 'start a watch');
    if (state === 'done') throw fail('refused', `the watch ${captureId} has ended`, 'start another one');
    await audit?.triggerAsked(captureId, who, reason);
    return (await import('./watch/trigger-inbox.js')).askToFire(spool.work(captureId), request);
  }

  listCaptures(): Promise<readonly CaptureInfo[]> {
    return this.#options.spool.list();
  }

  releaseCapture(captureId: string): Promise<boolean> {
    return this.#options.spool.release(captureId);
  }

  async listScripts(): Promise<readonly ScriptInfo[]> {
    const { catalogue, scriptInfo } = await import('./stap/catalogue.js');
    return catalogue().map(scriptInfo);
  }

  async *buildModule(request: ModuleRequest, signal: AbortSignal): AsyncGenerator<ModulePart> {
    const { machine, stateDirectory } = this.#options;
    checkSpec(request.spec);
    checkScriptPolicy(await this.#policy.get(), request.spec);
    await this.#requireDisk();
    const { buildModule } = await import('./stap/build-module.js');
    yield* buildModule(machine, stateDirectory, request, signal);
  }

  async putModule(upload: ModuleUpload): Promise<number> {
    const { stateDirectory } = this.#options;
    checkModulePolicy(await this.#policy.get());
    await this.#requireDisk();
    const { putModule } = await import('./stap/module-upload.js');
    return putModule(stateDirectory, upload);
  }

  readAudit(query: AgentAuditQuery): AsyncIterable<AgentAuditPart> {
    return readAudit(join(this.#options.stateDirectory, 'audit'), query);
  }

  async readHealth(): Promise<HealthReading> {
    const { machine, stateDirectory } = this.#options;
    const health = await readHealth(machine.files, machine.cpuCount, stateDirectory);
    return { health, monotonic: performance.now(), clock: machine.now() };
  }

  /** Unload the modules that an agent left which was killed together with its staprun. @returns those that stay, each with the reason */
  async unloadLeftovers(): Promise<readonly string[]> {
    const { machine } = this.#options;
    if (!(machine.files.text('/proc/modules') ?? '').includes('perftrawl_')) return [];
    const { isLeftover, unloadModules } = await import('./stap/leftover-modules.js');
    return (await unloadModules(machine, (module) => isLeftover(machine.files, module))).remaining;
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

  /** @throws FailureError `refused`, with the reading, the limit and what to do */
  async #requireHealth(admission: Admission, isForced: boolean): Promise<void> {
    const { machine, stateDirectory } = this.#options;
    const health = await readHealth(machine.files, machine.cpuCount, stateDirectory);
    const [problem] = admissionProblems(health, admission, isForced);
    if (problem !== undefined)
      throw fail('refused', `this host takes no captures now: ${problem.message}`, problem.remedy);
  }

  /**
   * Reading a file observes nothing: it is bound by the total only. A kit is one capture, and one of each kind of its parts. A watch takes
   * the place of what it starts.
   */
  #admit(spec: CaptureSpec, policy: Policy, all: readonly CaptureInfo[], { watchId, dump }: StartedBy): void {
    if (dump !== undefined) return;
    const { limits } = this.#options;
    const running = all.filter(({ captureId }) => watchId === undefined || !isOfWatch(captureId, watchId));
    const { concurrent } = policy.rules;
    const perKind = Math.min(limits.perKind, concurrent.perKind);
    const total = Math.min(limits.total, concurrent.total);
    const ids = (list: readonly CaptureInfo[]) => list.map((info) => info.captureId).join(', ');
    const remedy = 'wait until it is done, or stop it';
    for (const { kind } of partsOf(spec)) {
      const alike = running.filter((info) => this.#kindsOf(info).includes(kind));
      if (kind !== 'file' && alike.length >= perKind) {
        throw fail('busy', `this host runs a ${kind} capture already: ${ids(alike)}`, remedy);
      }
    }
    if (running.length >= total)
      throw fail('busy', `this host runs ${running.length} captures already: ${ids(running)}`, remedy);
  }

  /** Of a kit that another process runs it is not known which parts it has. */
  #kindsOf({ captureId, kind }: CaptureInfo): readonly CaptureKind[] {
    if (kind !== 'kit') return [kind];
    return this.#running.get(captureId)?.kinds ?? ['record', 'stat', 'stap'];
  }
}

/** @throws FailureError `bad-request` */
function gateOf({ startAt, spec }: StartCapture, now: number): StartGate | undefined {
  if (startAt === undefined) return undefined;
  if (spec.kind === 'file') {
    throw fail('bad-request', 'a file is read, and has no moment at which it begins', 'leave the start away');
  }
  return new StartGate(startAt, now);
}

/** The watch itself, or what it has started. */
function isOfWatch(captureId: string, watchId: string): boolean {
  return captureId === watchId || captureId.startsWith(`${watchId}.`);
}

/** What it starts has longer ids. @throws FailureError `bad-request` */
function checkWatchId(captureId: string): void {
  if (captureId.length <= 120) return;
  throw fail('bad-request', 'the id of a watch has at most 120 characters', 'use a shorter one');
}

/** The captures that really run. */
function partsOf(spec: CaptureSpec): readonly Exclude<CaptureSpec, KitSpec>[] {
  return spec.kind === 'kit' ? spec.parts : [spec];
}
