// Has old results of schedules merged and deleted, for as long as the server runs.
import type { Milliseconds } from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import type { LocalApp } from '../app.js';
import type { Clock } from '../clock.js';
import type { ServerLog } from './server-log.js';

export interface RetentionRunnerOptions {
  readonly app: Pick<LocalApp, 'keepWhatIsToBeKept'>;
  readonly clock: Clock;
  readonly log: ServerLog;
}

const pause: Milliseconds = 60_000;

/** Until `signal` aborts. */
export async function runRetention({ app, clock, log }: RetentionRunnerOptions, signal: AbortSignal): Promise<void> {
  while ((await clock.sleep(pause, signal)) === 'elapsed') {
    try {
      await app.keepWhatIsToBeKept(signal);
    } catch (error) {
      log({ level: 'error', event: 'results-not-looked-after', failure: toFailure(error) });
    }
  }
}
