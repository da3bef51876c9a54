// Where jobs are asked for, taken up, ended and deleted: each of them by one process at a time, whoever that is.
import type { AgentApi } from '../../proto/agent-api.js';
import { type FailureError, fail, toFailure } from '../../proto/failure.js';
import type { Answer, App, Host, HostRun, Job, JobRequest, RepeatableRequest, RunOptions } from '../api.js';
import { type ApprovalRule, scriptsToRead } from '../approval/approval.js';
import type { ControlStore, Ownership, StoredJob } from '../store/control-store.js';
import type { JobQueueStore } from '../store/job-queue-store.js';
import { fanOut } from './fan-out.js';
import { newJobId } from './job-id.js';
import { checkRequest, findJob, listJobs, toJob } from './job-lookup.js';
import { isEnded, type JobRunTools, runJob } from './job-run.js';
import { newRun } from './new-run.js';
import type { Owners } from './owner.js';
import { nextTurn, type QueueLimits, queuePlaces } from './queue-policy.js';

export interface JobDeskOptions {
  /** Of jobs that run: their stores wait for a database that is away. */
  readonly tools: JobRunTools;
  /** Of requests, which are told at once when it is away. */
  readonly control: ControlStore;
  readonly queue: JobQueueStore;
  readonly owners: Owners;
  readonly approve: ApprovalRule;
  /** Of a server, which starts jobs when their turn has come; undefined: whoever asks for a job runs it at once. */
  readonly limits: QueueLimits | undefined;
  /** Answers of hosts, each within its time. */
  readonly ask: <T>(
    hosts: readonly Host[],
    doing: string,
    signal: AbortSignal,
    question: (api: AgentApi, signal: AbortSignal, host: Host) => Promise<T>,
  ) => Promise<readonly Answer<T>[]>;
}

/** How often a job that another process cancels is looked at, in milliseconds. */
const cancelPoll = 200;
/** Hosts that are told at the same time. */
const toldAtOnce = 32;
/** More jobs run at a time on no store. */
const mostRunning = 10_000;
/** Jobs that may wait for their turn. */
const mostQueued = 10_000;

export class JobDesk implements Pick<App, 'submit' | 'run' | 'resume' | 'cancel' | 'job' | 'jobs' | 'deleteJob'> {
  readonly #options: JobDeskOptions;
  /** Owners that were written down for jobs which are about to be run here. */
  readonly #held = new Set<string>();

  constructor(options: JobDeskOptions) {
    this.#options = options;
  }

  /**
   * Write a job down; `run` starts it, or a server when its turn has come.
   * @param repeatable gives the job that it has made before, when it has
   */
  async submit(request: JobRequest, repeatable?: RepeatableRequest): Promise<Job> {
    const { owners, control, limits } = this.#options;
    if (limits !== undefined) await this.#checkRoom();
    const { job, runs } = this.newJob(request, limits === undefined ? 'running' : 'queued');
    const owner = job.state === 'running' ? owners.claim() : '';
    let { id } = job;
    try {
      if (repeatable === undefined) await control.createJob({ ...job, owner }, runs);
      else id = await control.createJobOnce({ ...job, owner }, runs, repeatable);
    } catch (error) {
      owners.release(owner);
      throw error;
    }
    if (id !== job.id) owners.release(owner);
    else if (owner !== '') this.#held.add(owner);
    return this.job(id);
  }

  /** What came of a request that may have been made before. @throws FailureError 'conflict' when its key was used for another one */
  async submitted(repeatable: RepeatableRequest): Promise<Job | undefined> {
    const id = await this.#options.control.jobOfRequest(repeatable);
    return id === undefined ? undefined : this.job(id);
  }

  /** A job that is not written down yet. @param then its state, unless it has to be approved @throws FailureError 'bad-request' */
  newJob(
    request: JobRequest,
    then: 'queued' | 'running',
  ): { readonly job: StoredJob; readonly runs: readonly HostRun[] } {
    const { tools, approve } = this.#options;
    checkRequest(request);
    const created = tools.clock.now();
    const id = newJobId(created, tools.random);
    const waits = scriptsToRead(request.spec, approve).length > 0;
    const state = waits ? 'awaiting-approval' : then;
    const job: StoredJob = {
      ...{ id, request, state, created, started: state === 'running' ? created : 0, ended: 0 },
      ...{ owner: '', ownerSilence: 0, isCancelRequested: false },
    };
    return { job, runs: request.hosts.map((host) => newRun(id, host)) };
  }

  /** The job whose turn it is, for `run`; undefined when there is none. */
  async takeTurn(): Promise<string | undefined> {
    const { queue, owners, tools, limits = { mostHosts: 0 } } = this.#options;
    const owner = owners.claim();
    this.#held.add(owner);
    let id: string | undefined;
    try {
      const now = tools.clock.now();
      id = await queue.take(owner, now, (state) => nextTurn(state, limits, now));
      return id;
    } finally {
      if (id === undefined) this.#letGo(owner);
    }
  }

  async run(id: string, options: RunOptions): Promise<Job> {
    const { tools, control, owners } = this.#options;
    const job = await findJob(control, id);
    const owner = await this.#take(job);
    try {
      await runJob(job, owner, options, tools);
    } finally {
      owners.release(owner);
    }
    const ended = await this.job(job.id);
    options.onEvent({ kind: 'job', job: ended });
    return ended;
  }

  resume(id: string, options: RunOptions): Promise<Job> {
    return this.run(id, options);
  }

  async cancel(id: string, signal: AbortSignal): Promise<Job> {
    const { tools, control, owners, ask } = this.#options;
    const { clock } = tools;
    const job = await findJob(control, id);
    if (isOver(job)) return toJob(job, owners);
    if (job.state === 'awaiting-approval') await control.cancelAwaiting(job.id);
    await control.requestCancel(job.id);
    const runs = (await control.hostRuns(job.id)).filter((run) => !isEnded(run) && run.state !== 'waiting');
    const captureOf = new Map(runs.map((run) => [run.host, run.captureId]));
    const hosts = job.request.hosts.filter((host) => captureOf.has(host.name));
    // Whether an agent could be told shows in the state of its host run, which the owner of the job writes.
    await ask(hosts, 'cancelling the capture on', signal, (api, limited, host) =>
      api.stopCapture(captureOf.get(host.name) ?? '', true, limited),
    );
    for (;;) {
      const now = await findJob(control, job.id);
      if (isOver(now)) return toJob(now, owners);
      if (now.state === 'queued' || this.#held.has(now.owner) || !owners.isAlive(now.owner, now.ownerSilence)) {
        try {
          return await this.run(job.id, { signal, onEvent: () => undefined });
        } catch (error) {
          // A server took it from the queue to end it, or somebody else did.
          if (toFailure(error).code !== 'conflict') throw error;
        }
      }
      if ((await clock.sleep(cancelPoll, signal)) === 'aborted') {
        throw fail('deadline', `job ${job.id} is being cancelled by the process that runs it, and has not ended yet`);
      }
    }
  }

  async job(id: string): Promise<Job> {
    const { control, owners } = this.#options;
    const [job] = await this.#placed([toJob(await findJob(control, id), owners)]);
    return job;
  }

  async jobs(filter: Parameters<App['jobs']>[0]): Promise<readonly Job[]> {
    const { control, owners } = this.#options;
    return this.#placed(await listJobs(control, owners, filter));
  }

  async deleteJob(jobId: string): Promise<void> {
    const { tools, control, owners } = this.#options;
    const { samples, releases } = tools;
    const job = await findJob(control, jobId);
    const { state } = toJob(job, owners);
    if (state === 'running' || state === 'queued') {
      throw fail('conflict', `job ${job.id} is ${state}`, `cancel it first: perftrawl jobs cancel ${job.id}`);
    }
    const runs = new Map((await control.hostRuns(job.id)).map((run) => [run.host, run]));
    await fanOut(job.request.hosts, toldAtOnce, async (host) => {
      const run = runs.get(host.name);
      if (run === undefined) return;
      // Of one that has ended only artifacts are left; what an interrupted job began nobody will fetch.
      const isHeld = isEnded(run) ? run.artifacts.length > 0 : run.state !== 'waiting';
      if (isHeld) await releases.drop(host, run);
    });
    await samples.deleteJob(job.id);
    await control.deleteJob(job.id);
  }

  /** Running jobs whose owners are gone. */
  async orphans(): Promise<readonly Ownership[]> {
    const { control, owners } = this.#options;
    const running = await control.ownerships(mostRunning);
    return running.filter(({ owner, ownerSilence }) => !this.#held.has(owner) && !owners.isAlive(owner, ownerSilence));
  }

  /** Nothing is held any more: whoever comes next may take up what was asked for here and not run. */
  close(): void {
    for (const owner of this.#held) this.#letGo(owner);
  }

  async #take(job: StoredJob): Promise<string> {
    const { owners, tools, control } = this.#options;
    if (job.state === 'awaiting-approval') {
      const remedy = `somebody else has to read it: perftrawl jobs approve ${job.id}`;
      throw fail('refused', `job ${job.id} waits for approval`, remedy);
    }
    if (isOver(job)) throw fail('conflict', `job ${job.id} has ended: it ${stateText(job)}`);
    if (!this.#held.has(job.owner) && owners.isAlive(job.owner, job.ownerSilence)) {
      throw fail('conflict', `job ${job.id} is run by another process`, 'wait for it, or cancel it');
    }
    const owner = owners.claim();
    if (!(await control.claimJob(job.id, job.owner, owner, tools.clock.now()))) {
      owners.release(owner);
      throw fail('conflict', `job ${job.id} was just taken up by another process`, 'wait for it, or cancel it');
    }
    this.#letGo(job.owner);
    return owner;
  }

  #letGo(owner: string): void {
    this.#held.delete(owner);
    this.#options.owners.release(owner);
  }

  async #checkRoom(): Promise<void> {
    const { queued } = await this.#options.queue.state();
    if (queued.length >= mostQueued) throw fullQueue(queued.length);
  }

  async #placed(jobs: readonly Job[]): Promise<Job[]> {
    if (jobs.every(({ state }) => state !== 'queued')) return [...jobs];
    const { queue, tools, limits = { mostHosts: 0 } } = this.#options;
    const places = queuePlaces(await queue.state(), limits, tools.clock.now());
    return jobs.map((job) => {
      const place = job.state === 'queued' ? places.get(job.id) : undefined;
      return place === undefined ? job : { ...job, queue: place };
    });
  }
}

function fullQueue(jobs: number): FailureError {
  return fail('exhausted', `${jobs} jobs wait for their turn already`, 'ask again later, or cancel some of them');
}

function isOver({ state }: StoredJob): boolean {
  return state !== 'awaiting-approval' && state !== 'queued' && state !== 'running';
}

function stateText(job: StoredJob): string {
  return job.state === 'cancelled' ? 'was cancelled' : `${job.state === 'partial' ? 'partly ' : ''}${job.state}`;
}
