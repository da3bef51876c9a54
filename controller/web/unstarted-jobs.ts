// Jobs that were approved by another process, or by a server that died before it could start them: they are started here.
import type { Milliseconds } from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import type { LocalApp } from '../app.js';
import type { Clock } from '../clock.js';
import type { JobRunner } from './job-runner.js';
import type { ServerLog } from './server-log.js';

export interface UnstartedJobsOptions {
  readonly app: Pick<LocalApp, 'unstarted' | 'run'>;
  readonly runner: Pick<JobRunner, 'start' | 'hasRoom'>;
  readonly clock: Clock;
  readonly log: ServerLog;
}

/** How often they are looked for. */
const poll: Milliseconds = 1000;
/** Of those that are looked at each time. */
const mostJobs = 64;

/** Until `signal` aborts. A job is started when it is found twice: whoever decided on it may be about to take it up himself. */
export async function startUnstarted(options: UnstartedJobsOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  let seen: ReadonlySet<string> = new Set();
  while ((await clock.sleep(poll, signal)) === 'elapsed') {
    try {
      const found = await options.app.unstarted(mostJobs);
      for (const id of found) if (seen.has(id) && !signal.aborted) await start(id, options);
      seen = new Set(found);
    } catch (error) {
      log({ level: 'error', event: 'jobs-not-read', failure: toFailure(error) });
    }
  }
}

async function start(id: string, { app, runner, log }: UnstartedJobsOptions): Promise<void> {
  if (!runner.hasRoom) return;
  try {
    await runner.start(id, (options) => app.run(id, options));
  } catch (error) {
    const failure = toFailure(error);
    // Another server of the same store was faster.
    const level = failure.code === 'conflict' ? 'info' : 'error';
    log({ level, event: 'job-not-started', job: id, failure });
  }
}
