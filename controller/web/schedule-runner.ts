// Has schedules decided on when they are due, for as long as the server runs.
import type { Milliseconds } from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import type { LocalApp } from '../app.js';
import type { Clock } from '../clock.js';
import type { QueueDispatch } from './queue-dispatch.js';
import type { ServerLog } from './server-log.js';

export interface ScheduleRunnerOptions {
  readonly app: Pick<LocalApp, 'decideDue'>;
  readonly dispatch: Pick<QueueDispatch, 'look'>;
  readonly clock: Clock;
  readonly log: ServerLog;
  /** Told how many schedules this server has decided on. */
  readonly onDecided: (count: number) => void;
}

/** How often they are looked at: other servers and commands add and change them. */
const poll: Milliseconds = 200;

/** Until `signal` aborts. */
export async function runSchedules(options: ScheduleRunnerOptions, signal: AbortSignal): Promise<void> {
  const { app, dispatch, clock, log, onDecided } = options;
  let told = '';
  do {
    try {
      const decided = await app.decideDue();
      onDecided(decided);
      if (decided > 0) await dispatch.look();
      told = '';
    } catch (error) {
      // Once, however long the store is away.
      const failure = toFailure(error);
      if (failure.message !== told) log({ level: 'error', event: 'schedules-not-read', failure });
      told = failure.message;
    }
  } while ((await clock.sleep(poll, signal)) === 'elapsed');
}
