// How long an agent waits before it dials again: random, longer with each failure, so that a thousand agents that lost one controller at
// the same moment do not come back at the same moment.
import type { Milliseconds } from '../../proto/capture.js';

export interface BackoffRule {
  /** The first wait is anywhere below this; the bound doubles with each failure, up to `longest`. */
  readonly first: Milliseconds;
  readonly longest: Milliseconds;
  /** After a connection that lasted so long the bound is `first` again. */
  readonly stable: Milliseconds;
}

export const DIAL_BACKOFF: BackoffRule = { first: 2_000, longest: 60_000, stable: 30_000 };

export class Backoff {
  readonly #rule: BackoffRule;
  readonly #random: () => number;
  #failures = 0;

  /** @param random numbers from 0 up to, not including, 1 */
  constructor(rule: BackoffRule, random: () => number) {
    this.#rule = rule;
    this.#random = random;
  }

  /**
   * The wait after a connection that lasted `lasted`, 0 for none. Full jitter: anywhere below the bound, which spreads best.
   * @param isRefused the controller said no, which a person has to change: at least half of the longest wait
   */
  next(lasted: Milliseconds, isRefused: boolean): Milliseconds {
    const { first, longest, stable } = this.#rule;
    if (lasted >= stable) this.#failures = 0;
    if (isRefused) return longest / 2 + (this.#random() * longest) / 2;
    const bound = Math.min(longest, first * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    return this.#random() * bound;
  }
}
