// One job from its host runs to its merged result. It can be taken up at any point by another process and comes to the same end.
import { setMaxListeners } from 'node:events';
import type { Profile } from '../../profile/profile.js';
import type { RequestOrigin } from '../../proto/agent-audit.js';
import type { Milliseconds } from '../../proto/capture.js';
import { type Failure, fail } from '../../proto/failure.js';
import { type DecodeLimits, encodeProfile, ProfileDecoder } from '../../proto/profile-codec.js';
import type { Host, HostRun, JobEvent, RunOptions } from '../api.js';
import { type Clock, steadyClock } from '../clock.js';
import type { Agents } from '../fleet/host-pool.js';
import type { ControlStore, EndedJobState, StoredJob, StoredJobState } from '../store/control-store.js';
import { takenOver } from '../store/job-fence.js';
import type { SampleStore } from '../store/sample-store.js';
import { Aggregate, type Merged, wantedTypes } from './aggregate.js';
import type { CaptureResult, IntakeLimits } from './capture-intake.js';
import { fanOut } from './fan-out.js';
import { driveHostRun, type HostRunEnd } from './host-run.js';
import type { IntakeRoom } from './intake-room.js';
import type { ModuleCache } from './module-cache.js';
import { ModuleSupply } from './module-supply.js';
import type { PendingReleases } from './pending-releases.js';
import { Rendezvous } from './rendezvous.js';
import { planWaves, reasonToHalt } from './rollout-plan.js';
import { RunRecord } from './run-record.js';
import { spreadOffsets } from './spread.js';
import { WatchFirings } from './watch-firings.js';

export interface JobRunTools {
  readonly control: ControlStore;
  readonly samples: SampleStore;
  readonly agents: Agents;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: IntakeLimits;
  readonly room: IntakeRoom;
  readonly modules: ModuleCache;
  readonly releases: PendingReleases;
  /** Run a job of a firing to its end, unless somebody does so already. */
  readonly runFiring: (jobId: string, options: RunOptions) => Promise<void>;
  /** For how long in all the store has been away so far: captures do not lose that time. */
  readonly storeAway: () => Milliseconds;
  /** What agents are told of where a job comes from. */
  readonly originOf: (jobId: string) => Promise<RequestOrigin>;
}

/** How often the owner says that it lives and asks whether the job was cancelled, in milliseconds. */
const renewInterval = 500;

/**
 * Run what is left of a job that `owner` owns. Host failures are values of its host runs.
 * @throws FailureError when the stores fail, or 'conflict' when another process takes the job over; the job then can be resumed
 */
export async function runJob(
  job: StoredJob,
  owner: string,
  options: RunOptions,
  tools: JobRunTools,
): Promise<StoredJobState> {
  const { control, clock } = tools;
  // Its times are compared with each other, and with what the clocks of hosts said before.
  const steady = steadyClock(clock);
  const cancel = new AbortController();
  const stop = new AbortController();
  const abandon = new AbortController();
  const over = new AbortController();
  const renew = async (): Promise<void> => {
    const { isOwner, isCancelRequested, isStopRequested } = await control.renewJob(job.id, owner);
    if (!isOwner) abandon.abort(takenOver(job.id));
    if (isCancelRequested) cancel.abort();
    if (isStopRequested) stop.abort();
  };
  const watch = async (): Promise<void> => {
    do {
      await renew();
    } while (!abandon.signal.aborted && (await clock.sleep(renewInterval, over.signal)) === 'elapsed');
  };
  if (job.isCancelRequested) cancel.abort();
  const onAbandon = (): void => abandon.abort(options.abandon?.reason);
  if (options.abandon?.aborted) onAbandon();
  options.abandon?.addEventListener('abort', onAbandon, { once: true });
  const watching = watch().catch((error: unknown) => abandon.abort(error));
  try {
    const signals = {
      stop: AbortSignal.any([options.signal, stop.signal]),
      ...{ cancel: cancel.signal, abandon: abandon.signal },
    };
    const running = new JobRun(job, owner, options.onEvent, { ...tools, clock: steady }, signals);
    await running.run();
    // Agents may have been told of a cancellation before this process was.
    await renew();
    abandon.signal.throwIfAborted();
    const state = running.endState();
    if (!(await control.finishJob(job.id, owner, state, steady.now()))) {
      throw takenOver(job.id);
    }
    return state;
  } finally {
    over.abort();
    options.abandon?.removeEventListener('abort', onAbandon);
    await watching;
  }
}

/** Of a running job: keep what there is, discard it, or leave it to somebody else. */
interface JobSignals {
  readonly stop: AbortSignal;
  readonly cancel: AbortSignal;
  readonly abandon: AbortSignal;
}

class JobRun {
  readonly #job: StoredJob;
  readonly #owner: string;
  readonly #tools: JobRunTools;
  readonly #stop: AbortSignal;
  readonly #onEvent: (event: JobEvent) => void;
  readonly #cancel: AbortSignal;
  readonly #abandon: AbortSignal;
  readonly #aggregate: Aggregate;
  readonly #modules: ModuleSupply | undefined;
  readonly #records = new Map<string, RunRecord>();
  readonly #firings: WatchFirings;

  constructor(
    job: StoredJob,
    owner: string,
    onEvent: (event: JobEvent) => void,
    tools: JobRunTools,
    { stop, cancel, abandon }: JobSignals,
  ) {
    this.#job = job;
    this.#owner = owner;
    this.#tools = tools;
    this.#stop = stop;
    this.#onEvent = onEvent;
    this.#cancel = cancel;
    this.#abandon = abandon;
    // Every host of the job listens to them: many listeners are no leak.
    setMaxListeners(0, stop, cancel, abandon);
    this.#aggregate = new Aggregate(wantedTypes(job.request.spec));
    const { control, runFiring } = tools;
    const left = { signal: stop, abandon };
    this.#firings = new WatchFirings(job, {
      control,
      clock: tools.clock,
      run: (id) => runFiring(id, { ...left, onEvent: () => undefined }),
    });
    const { buildHost } = job.request;
    const { agents, clock, modules } = tools;
    const signal = AbortSignal.any([stop, cancel, abandon]);
    this.#modules =
      buildHost === undefined ? undefined : new ModuleSupply({ buildHost, cache: modules, agents, clock, signal });
  }

  async run(): Promise<void> {
    const { control, samples, clock } = this.#tools;
    const { id, request } = this.#job;
    for (const run of await control.hostRuns(id)) {
      this.#records.set(run.host, new RunRecord(run, control, this.#owner, clock, this.#onEvent));
      this.#firings.resume(run);
      if (run.state === 'succeeded') await addStored(this.#aggregate, samples, id, run.host, this.#tools.limits.decode);
    }
    const unfinished = request.hosts.filter((host) => !isEnded(this.#record(host.name).run));
    await this.#runWaves(new Set(unfinished));
    await this.#firings.settled(this.#abandon);
    await this.#settle();
    const runs = [...this.#records.values()].map((record) => record.run);
    const missing = runs.filter((run) => run.state !== 'succeeded').map((run) => run.host);
    const { profile, series, histograms } = this.#aggregate.finish(missing);
    const chunks = profile === undefined ? [] : [...encodeProfile(profile)];
    await samples.put({ jobId: id, host: undefined }, { chunks, series, histograms, text: [] }, this.#owner);
  }

  endState(): EndedJobState {
    const states = [...this.#records.values()].map((record) => record.run.state);
    if (states.every((state) => state === 'succeeded')) return 'succeeded';
    if (this.#cancel.aborted || states.every((state) => state === 'cancelled')) return 'cancelled';
    return states.includes('succeeded') ? 'partial' : 'failed';
  }

  async #runWaves(unfinished: ReadonlySet<Host>): Promise<void> {
    const { hosts, rollout } = this.#job.request;
    const waves = planWaves(hosts, rollout);
    const ended = AbortSignal.any([this.#stop, this.#cancel, this.#abandon]);
    let hasRun = false;
    for (const [index, wave] of waves.entries()) {
      const left = wave.filter((host) => unfinished.has(host));
      if (left.length === 0) continue;
      if (hasRun && rollout !== undefined && this.#reasonToHalt() === undefined) {
        await this.#tools.clock.sleep(rollout.settle, ended);
      }
      hasRun = true;
      if (waves.length > 1) this.#onEvent({ kind: 'wave', wave: index + 1, of: waves.length, hosts: wave.length });
      await this.#runWave(left, waves.length === 1);
    }
  }

  async #runWave(hosts: readonly Host[], isOnly: boolean): Promise<void> {
    const { sync, maxParallel, grace: patience } = this.#job.request;
    if (sync === undefined) {
      const turn = this.#turns(hosts, isOnly);
      await fanOut(hosts, maxParallel, (host, abandoned) => this.#startOrSkip(host, undefined, abandoned), turn);
      return;
    }
    const { clock } = this.#tools;
    const isToStart = ({ name }: Host) => ['waiting', 'connecting'].includes(this.#record(name).run.state);
    const meeting = new Rendezvous(
      hosts.filter(isToStart).map(({ name }) => name),
      { clock, patience, ...sync },
    );
    await fanOut(hosts, hosts.length, async (host, abandoned) => {
      try {
        await this.#startOrSkip(host, meeting, abandoned);
      } finally {
        meeting.leave(host.name);
      }
    });
  }

  /** When each host may start, where they are spread over time. What has begun already does not wait. */
  #turns(hosts: readonly Host[], isOnly: boolean): ((host: Host) => Promise<void>) | undefined {
    const { spread = 0 } = this.#job.request;
    if (spread === 0) return undefined;
    const { clock } = this.#tools;
    const begin = isOnly ? this.#job.started : clock.now();
    const offsets = spreadOffsets(
      hosts.map(({ name }) => name),
      spread,
    );
    const ended = AbortSignal.any([this.#stop, this.#cancel, this.#abandon]);
    return async ({ name }) => {
      if (this.#record(name).run.state !== 'waiting') return;
      await clock.sleep(Math.max(0, begin + (offsets.get(name) ?? 0) - clock.now()), ended);
    };
  }

  /** What has begun already, under this controller or the one before it, goes on. */
  async #startOrSkip(host: Host, meeting: Rendezvous | undefined, abandoned: AbortSignal): Promise<void> {
    const record = this.#record(host.name);
    const reason = record.run.state === 'waiting' && !this.#stop.aborted ? this.#reasonToHalt() : undefined;
    if (reason === undefined || this.#cancel.aborted) return this.#runHost(host, meeting, abandoned);
    const failure = fail('cancelled', reason, 'look at the hosts that failed, then start a job for the others').failure;
    await record.update({ state: 'skipped', failure, ended: this.#tools.clock.now() });
  }

  #reasonToHalt(): string | undefined {
    const { hosts, rollout } = this.#job.request;
    return reasonToHalt(
      rollout,
      hosts.map((host) => this.#record(host.name).run),
    );
  }

  async #runHost(host: Host, meeting: Rendezvous | undefined, abandoned: AbortSignal): Promise<void> {
    try {
      await this.#driveHost(host, meeting, abandoned);
    } finally {
      this.#tools.room.release(this.#record(host.name));
    }
  }

  async #driveHost(host: Host, meeting: Rendezvous | undefined, abandoned: AbortSignal): Promise<void> {
    const { agents, clock, random, limits, room } = this.#tools;
    const { id, request } = this.#job;
    const { spec, requester, grace } = request;
    const origin = await this.#tools.originOf(id);
    const record = this.#record(host.name);
    const abandon = AbortSignal.any([this.#abandon, abandoned]);
    const end = await driveHostRun({
      ...{ host, spec, requester, origin, grace, record, agents, clock, random, limits, room, abandon },
      ...{ stop: this.#stop, cancel: this.#cancel, modules: this.#modules, meeting },
      takesUp: request.firing !== undefined,
      onFiring: (firing) => this.#firings.take(host, record, firing),
      storeAway: this.#tools.storeAway,
    });
    abandon.throwIfAborted();
    if (end.kind === 'failure') {
      if (end.printed !== undefined) {
        const key = { jobId: this.#job.id, host: host.name };
        await this.#tools.samples.put(key, { chunks: [], series: undefined, ...end.printed }, this.#owner);
      }
      await this.#fail(host, record, end.state, end.failure, end.facts);
      // Nothing of it is wanted, and where it is done the agent may delete its log. An agent out of reach is told when it is back.
      if (end.failure.code !== 'lost' && end.facts.sequence > 0) await this.#release(host, record.run);
      return;
    }
    await this.#keep(host, record, end.result, end.facts);
  }

  /** The result first, then the state: whoever resumes the job in between stores the same result once more. */
  async #keep(host: Host, record: RunRecord, result: CaptureResult, facts: HostRunEnd['facts']): Promise<void> {
    const { chunks, profile, series, histograms, text } = result;
    const key = { jobId: this.#job.id, host: host.name };
    await this.#tools.samples.put(key, { chunks, profile, series, histograms, text }, this.#owner);
    const addition = this.#aggregate.add(host.name, result);
    if (addition.kind === 'held') await record.update({ ...facts, state: 'fetching' });
    else if (addition.kind === 'merged') await this.#succeed(host, record, facts);
    else {
      await this.#fail(host, record, 'failed', addition.failure, facts);
      await this.#release(host, record.run);
    }
  }

  async #settle(): Promise<void> {
    const { id, request } = this.#job;
    const { samples, limits } = this.#tools;
    const load = (host: string) => loadResult(samples, id, host, limits.decode);
    const { merged, refused } = await this.#aggregate.settle(load);
    const hostOf = (name: string) => request.hosts.filter((host) => host.name === name);
    for (const host of merged.flatMap(hostOf)) {
      const record = this.#record(host.name);
      if (record.run.state !== 'succeeded') await this.#succeed(host, record, record.run);
    }
    for (const { host: name, failure } of refused) {
      const record = this.#record(name);
      for (const host of hostOf(name)) {
        await this.#fail(host, record, 'failed', failure, record.run);
        await this.#release(host, record.run);
      }
    }
  }

  async #succeed(host: Host, record: RunRecord, facts: HostRunEnd['facts']): Promise<void> {
    await this.#noteHeld(host, record.run, facts);
    const ended = this.#tools.clock.now();
    await record.update({ ...factsOf(facts), state: 'succeeded', captureState: 'done', ended });
    await this.#release(host, record.run);
  }

  async #fail(
    host: Host,
    record: RunRecord,
    state: 'failed' | 'lost' | 'cancelled',
    failure: Failure,
    facts: HostRunEnd['facts'],
  ): Promise<void> {
    if (mayBeHeld(record.run, failure)) await this.#noteHeld(host, record.run, facts);
    const ended = this.#tools.clock.now();
    await record.update({ ...factsOf(facts), state, failure, ended });
  }

  /** Artifacts stay at the agent until the job is deleted. */
  async #noteHeld(host: Host, run: HostRun, { artifacts }: HostRunEnd['facts']): Promise<void> {
    if (artifacts.length === 0) await this.#tools.releases.note(host, run);
  }

  async #release(host: Host, { captureId, artifacts }: HostRun): Promise<void> {
    if (artifacts.length === 0) await this.#tools.releases.release(host, captureId);
  }

  #record(host: string): RunRecord {
    const record = this.#records.get(host);
    if (record === undefined) throw fail('bad-data', `job ${this.#job.id} has no host run for ${host}`);
    return record;
  }
}

/** Whether a run that fails may have left a capture at its agent: one that never answered may have begun it all the same. */
function mayBeHeld({ state }: HostRun, failure: Failure | undefined): boolean {
  if (state !== 'connecting') return state !== 'waiting';
  return failure === undefined || ['unreachable', 'deadline', 'cancelled', 'lost'].includes(failure.code);
}

/** A host run as it was before it went on has more than its facts. */
function factsOf({ sequence, losses, cost, artifacts, commandLines, parts }: HostRunEnd['facts']): HostRunEnd['facts'] {
  return { sequence, losses, cost, artifacts, commandLines, parts };
}

/** What a host run left in the store. @throws FailureError 'bad-data' when that is nothing, or damaged */
export async function loadResult(
  samples: SampleStore,
  jobId: string,
  host: string,
  limits: DecodeLimits,
): Promise<Merged> {
  const profile = await findStored(samples, jobId, host, limits);
  const series = await samples.series({ jobId, host });
  const histograms = await samples.histograms({ jobId, host });
  if (profile === undefined && series === undefined && histograms === undefined) {
    throw fail('bad-data', `the store has lost the result of ${host} of job ${jobId}`);
  }
  return { profile, series, histograms };
}

/** A stored profile, decoded and checked anew; undefined when there is none. @throws FailureError 'bad-data' */
export async function findStored(
  samples: SampleStore,
  jobId: string,
  host: string | undefined,
  limits: DecodeLimits,
): Promise<Profile | undefined> {
  const decoder = new ProfileDecoder(limits);
  let isEmpty = true;
  for await (const chunk of samples.chunks({ jobId, host })) {
    decoder.push(chunk);
    isEmpty = false;
  }
  return isEmpty ? undefined : decoder.finish();
}

/** Add what a host run that has succeeded left in the store. */
export async function addStored(
  aggregate: Aggregate,
  samples: SampleStore,
  jobId: string,
  host: string,
  limits: DecodeLimits,
): Promise<void> {
  aggregate.add(host, await loadResult(samples, jobId, host, limits), true);
}

export function isEnded(run: Pick<HostRun, 'state'>): boolean {
  switch (run.state) {
    case 'waiting':
    case 'connecting':
    case 'running':
    case 'fetching':
      return false;
    case 'succeeded':
    case 'failed':
    case 'lost':
    case 'cancelled':
    case 'skipped':
      return true;
  }
}
