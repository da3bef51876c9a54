// A value that changes over time and can be asked for at a moment of the recent past.

export class History<T> {
  #times: number[];
  #values: T[];

  constructor(value: T, since = Number.NEGATIVE_INFINITY) {
    this.#times = [since];
    this.#values = [value];
  }

  get latest(): T {
    return this.#values[this.#values.length - 1];
  }

  /** When the latest value began. */
  get latestSince(): number {
    return this.#times[this.#times.length - 1];
  }

  /** The value at `time`; the oldest one kept for anything before that. */
  at(time: number): T {
    let i = this.#times.length - 1;
    while (i > 0 && this.#times[i] > time) i--;
    return this.#values[i];
  }

  /** `time` is not before the latest one; values older than `horizon` will not be asked for any more. */
  set(time: number, value: T, horizon: number): void {
    if (value === this.latest) return;
    const last = this.#times.length - 1;
    if (this.#times[last] === time) {
      this.#values[last] = value;
      return;
    }
    this.#times.push(time);
    this.#values.push(value);
    let old = 0;
    while (old + 1 < this.#times.length && this.#times[old + 1] <= horizon) old++;
    if (old > 0) {
      this.#times.splice(0, old);
      this.#values.splice(0, old);
    }
  }

  /** Forget everything but that it is `value`. */
  reset(value: T): void {
    this.#times = [Number.NEGATIVE_INFINITY];
    this.#values = [value];
  }
}
