// Deadlines of what is waited for.
import type { Milliseconds } from './capture.js';

/**
 * Aborts with a TimeoutError after `after`, or when `signal` does. In place of `AbortSignal.any` with `AbortSignal.timeout`, whose
 * timeout Node 20 forgets at the next garbage collection: a combined signal holds its sources weakly. It does not keep the process alive.
 */
export function timeoutSignal(after: Milliseconds, signal?: AbortSignal): AbortSignal {
  const timeout = new AbortController();
  const onTimeout = () => timeout.abort(new DOMException(`not done within ${after} ms`, 'TimeoutError'));
  setTimeout(onTimeout, after).unref();
  return signal === undefined ? timeout.signal : AbortSignal.any([signal, timeout.signal]);
}
