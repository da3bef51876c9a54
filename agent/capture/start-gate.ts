// Holds a capture, all prepared, until the moment at which it is to begin together with those of other hosts.
import type { CaptureStart, Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';

/** Nobody means to begin later than that: a clock is wrong. */
export const LONGEST_WAIT: Milliseconds = 10 * 60_000;
/** So long before the start the processes are looked up once more. */
const SHORTLY: Milliseconds = 250;

/** How long it takes is fixed when the request comes: a clock that is set afterwards changes nothing. */
export class StartGate {
  readonly #startAt: number;
  /** Of `performance.now()`. */
  readonly #opens: number;

  /**
   * @param startAt and `now`: of the agent's clock, milliseconds since 1970 UTC
   * @throws FailureError `bad-request` when that is too far ahead
   */
  constructor(startAt: number, now: number) {
    const ahead = startAt - now;
    if (!Number.isFinite(ahead) || ahead > LONGEST_WAIT) {
      throw fail(
        'bad-request',
        `the capture is to begin in ${(ahead / 60_000).toFixed(1)} minutes by this host's clock, and at most ${LONGEST_WAIT / 60_000} are waited`,
        'begin sooner, or see whether the clock of this host was set meanwhile',
      );
    }
    this.#startAt = startAt;
    this.#opens = performance.now() + ahead;
  }

  /** Until the gate opens; negative afterwards. */
  get left(): Milliseconds {
    return this.#opens - performance.now();
  }

  /** Resolves shortly before the gate opens, or when `signal` aborts. */
  nearly(signal: AbortSignal): Promise<void> {
    return this.#wait(SHORTLY, signal);
  }

  /** Resolves when the gate opens, or when `signal` aborts. */
  open(signal: AbortSignal): Promise<void> {
    return this.#wait(0, signal);
  }

  /** What is told of a start at this moment. */
  startNow(): CaptureStart {
    const late = -this.left;
    return { time: this.#startAt + late, late };
  }

  async #wait(before: Milliseconds, signal: AbortSignal): Promise<void> {
    // Timers may be early by a part of a millisecond.
    for (let left = this.left - before; left > 0 && !signal.aborted; left = this.left - before) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, Math.ceil(left));
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }
}
