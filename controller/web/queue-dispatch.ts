// Starts queued jobs when their turn has come and this server has room; whoever asked for one is told of it at once.
import type { Milliseconds } from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import type { LocalApp } from '../app.js';
import type { Clock } from '../clock.js';
import type { JobRunner } from './job-runner.js';
import type { ServerLog } from './server-log.js';

export interface QueueDispatchOptions {
  readonly app: Pick<LocalApp, 'takeTurn' | 'run'>;
  readonly runner: Pick<JobRunner, 'start' | 'hasRoom' | 'changed'>;
  readonly clock: Clock;
  readonly log: ServerLog;
}

/** How often the queue is looked at besides: other processes add to it, and jobs have times before which they do not start. */
const poll: Milliseconds = 500;

export class QueueDispatch {
  readonly #options: QueueDispatchOptions;
  #looking: Promise<void> = Promise.resolve();
  /** What was told of a queue that cannot be read; '' while it can. */
  #told = '';

  constructor(options: QueueDispatchOptions) {
    this.#options = options;
  }

  /** Look at the queue now. Resolves when every job that may start has begun. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#startAll());
    return this.#looking;
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, runner } = this.#options;
    while (!signal.aborted) {
      const { changed } = runner;
      await this.look();
      const over = new AbortController();
      const pause = clock.sleep(poll, AbortSignal.any([signal, over.signal]));
      await Promise.race([pause, changed]);
      over.abort();
      await pause;
    }
    await this.#looking;
  }

  async #startAll(): Promise<void> {
    const { app, runner, log } = this.#options;
    try {
      while (runner.hasRoom) {
        const id = await app.takeTurn();
        this.#told = '';
        if (id === undefined) return;
        await this.#start(id);
      }
    } catch (error) {
      const failure = toFailure(error);
      if (failure.message !== this.#told) log({ level: 'error', event: 'queue-not-read', failure });
      this.#told = failure.message;
    }
  }

  async #start(id: string): Promise<void> {
    const { app, runner, log } = this.#options;
    try {
      await runner.start(id, (options) => app.run(id, options));
    } catch (error) {
      const failure = toFailure(error);
      // Somebody ended it first.
      const level = failure.code === 'conflict' ? 'info' : 'error';
      log({ level, event: 'job-not-started', job: id, failure });
    }
  }
}
