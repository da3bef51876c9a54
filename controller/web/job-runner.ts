// The jobs that this server runs: started for whoever asked, followed by anyone, left to the next server when this one stops.
import { fail, toFailure } from '../../proto/failure.js';
import type { App, Job, JobEvent, RunOptions } from '../api.js';
import { JobFeed } from './job-feed.js';
import type { ServerLog } from './server-log.js';

export interface JobRunnerOptions {
  readonly app: Pick<App, 'resume' | 'jobs'>;
  readonly log: ServerLog;
  /** Most jobs at a time. */
  readonly mostJobs: number;
  /** Numbers from 0 up to, not including, 1. */
  readonly random: () => number;
  /** Told of all that happens in the jobs that run here. */
  readonly onEvent?: (event: JobEvent) => void;
}

interface Running {
  readonly feed: JobFeed;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Feeds of jobs that have ended, for followers who come right after. */
const endedFeeds = 16;

export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #running = new Map<string, Running>();
  readonly #ended = new Map<string, JobFeed>();
  readonly #abandon = new AbortController();
  #wake: () => void = () => undefined;
  #changed: Promise<void> = Promise.resolve();

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    this.#arm();
  }

  /** Resolves when the next job begins or ends. */
  get changed(): Promise<void> {
    return this.#changed;
  }

  /** Whether one more job may be started now. */
  get hasRoom(): boolean {
    return !this.#abandon.signal.aborted && this.#running.size < this.#options.mostJobs;
  }

  /**
   * Run a job to its end, whether somebody looks or not. Resolves once it has begun.
   *
   * @param how `run` or `resume` of the app of whoever asked
   * @throws what that rejects with before the job has begun; FailureError 'exhausted' when no more jobs may be started now
   */
  async start(jobId: string, how: (options: RunOptions) => Promise<Job>): Promise<void> {
    if (this.#running.has(jobId)) return;
    this.#checkRoom();
    const { log, random, onEvent = () => undefined } = this.#options;
    const feed = new JobFeed(Math.floor(random() * 2 ** 48).toString(36));
    const stop = new AbortController();
    const begun = feed.changed;
    const run = how({
      ...{ signal: stop.signal, abandon: this.#abandon.signal },
      onEvent(event) {
        feed.add(event);
        onEvent(event);
      },
    });
    const ended = run.then(
      () => undefined,
      (error: unknown) => {
        if (this.#abandon.signal.aborted || feed.last === 0) return;
        const failure = toFailure(error);
        log({ level: 'error', event: 'job-failed', job: jobId, failure });
        feed.add({ kind: 'failure', failure });
      },
    );
    this.#running.set(jobId, {
      ...{ feed, stop },
      ended: ended.then(() => {
        this.#running.delete(jobId);
        // One without a word ended before it began.
        if (!this.#abandon.signal.aborted && feed.last > 0) this.#remember(jobId, feed);
        feed.end();
        this.#tell();
      }),
    });
    this.#tell();
    await Promise.race([begun, run]);
    log({ level: 'info', event: 'job-started', job: jobId });
  }

  /**
   * Keep what there is: the job ends with that.
   * @returns false for a running job that this server does not run
   * @throws FailureError 'conflict' for a job that does not run
   */
  stop(job: Job): boolean {
    const running = this.#running.get(job.id);
    if (running !== undefined) running.stop.abort();
    else if (job.state !== 'running') {
      throw fail(
        'conflict',
        `job ${job.id} is ${job.state}: there is nothing to stop`,
        `perftrawl jobs show ${job.id}`,
      );
    }
    return running !== undefined;
  }

  /** How many run here. */
  get size(): number {
    return this.#running.size;
  }

  isRunning(jobId: string): boolean {
    return this.#running.has(jobId);
  }

  /** Of a job that runs here, or did until a moment ago. */
  feed(jobId: string): JobFeed | undefined {
    return this.#running.get(jobId)?.feed ?? this.#ended.get(jobId);
  }

  /** Take up what an earlier server left, as far as there is room. */
  async resumeInterrupted(): Promise<void> {
    const { app, log, mostJobs } = this.#options;
    for (const job of await app.jobs({ limit: mostJobs, state: 'interrupted' })) {
      try {
        await this.start(job.id, (run) => app.resume(job.id, run));
      } catch (error) {
        const failure = toFailure(error);
        // Another server of the same store was faster.
        const level = failure.code === 'conflict' ? 'info' : 'error';
        log({ level, event: 'job-not-resumed', job: job.id, failure });
      }
    }
  }

  /** Leave what runs, with its captures, to the next server. */
  async close(): Promise<void> {
    this.#abandon.abort(fail('cancelled', 'the server stops'));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  #checkRoom(): void {
    const { mostJobs } = this.#options;
    if (this.hasRoom) return;
    if (this.#abandon.signal.aborted)
      throw fail('exhausted', 'the server is about to stop', 'ask again when it is back');
    throw fail('exhausted', `the server runs ${mostJobs} jobs already, and no more at a time`, 'ask again later');
  }

  #arm(): void {
    this.#changed = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #tell(): void {
    const wake = this.#wake;
    this.#arm();
    wake();
  }

  #remember(jobId: string, feed: JobFeed): void {
    this.#ended.delete(jobId);
    this.#ended.set(jobId, feed);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= endedFeeds) return;
      this.#ended.delete(oldest);
    }
  }
}
