// The time and the waiting that the controller uses; tests hand in their own.
import type { Milliseconds } from '../proto/capture.js';

export interface Clock {
  /** Milliseconds since 1970 UTC. */
  now(): number;
  /** Resolves after `duration`, or as soon as `signal` aborts; never rejects. */
  sleep(duration: Milliseconds, signal: AbortSignal): Promise<'elapsed' | 'aborted'>;
}

/** The longest wait that a timer of Node can hold. */
const longestTimer = 2 ** 31 - 1;

/** The machine's own clock. Waiting keeps the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (duration, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve('aborted');
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        resolve('aborted');
      };
      const timer = setTimeout(
        () => {
          signal.removeEventListener('abort', onAbort);
          resolve('elapsed');
        },
        Math.min(Math.max(0, duration), longestTimer),
      );
      signal.addEventListener('abort', onAbort, { once: true });
    }),
};
