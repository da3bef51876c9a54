// The time and the waiting that the controller uses; tests hand in their own.
import type { Milliseconds } from '../proto/capture.js';

export interface Clock {
  /** Milliseconds since 1970 UTC, for telling when something was. Somebody may set it, by days. */
  now(): number;
  /** Milliseconds since some moment, whatever is set: what durations and deadlines are reckoned with. */
  monotonic(): Milliseconds;
  /** Resolves after `duration`, or as soon as `signal` aborts; never rejects. */
  sleep(duration: Milliseconds, signal: AbortSignal): Promise<'elapsed' | 'aborted'>;
}

/** The longest wait that a timer of Node can hold. */
const longestTimer = 2 ** 31 - 1;

/** The machine's own clock. Waiting keeps the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
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

/** Goes on from the time that it is by `clock`, and nobody sets it: times that one compares with each other. */
export function steadyClock(clock: Clock): Clock {
  const begun = clock.now() - clock.monotonic();
  return {
    now: () => Math.round(begun + clock.monotonic()),
    monotonic: () => clock.monotonic(),
    sleep: (duration, signal) => clock.sleep(duration, signal),
  };
}
