// The points of perf stat, which come one by one, put together interval by interval. Pure.
import type { CounterPoint } from '../../profile/counter-series.js';
import type { Milliseconds } from '../../proto/capture.js';

export interface CountedInterval {
  /** Of the clock that the joiner was given. */
  readonly end: Milliseconds;
  readonly length: Milliseconds;
  /** By the names that were asked for; what perf said nothing of is not there. */
  readonly points: ReadonlyMap<string, CounterPoint>;
}

/** Of one perf stat. */
export class IntervalJoiner {
  readonly #now: () => Milliseconds;
  readonly #names = new Map<string, string>();
  readonly #events: number;
  #points = new Map<string, CounterPoint>();
  /** When perf began to count; known with its first line, for it takes a moment to start. */
  #onset: Milliseconds | undefined;
  #time = 0;
  #last = 0;

  /** @param now the clock that intervals are to be told in */
  constructor(events: readonly string[], now: () => Milliseconds) {
    this.#now = now;
    this.#events = events.length;
    // perf adds modifiers (`cycles` becomes `cycles:u` without privilege): a name as it was asked for goes before.
    for (const event of events) this.#names.set(bareName(event), event);
    for (const event of events) this.#names.set(event, event);
  }

  /** Intervals that are complete with these points. */
  push(points: readonly CounterPoint[]): CountedInterval[] {
    const complete: CountedInterval[] = [];
    for (const point of points) {
      this.#onset ??= this.#now() - point.time;
      const name = this.#names.get(point.event) ?? this.#names.get(bareName(point.event));
      if (name === undefined) continue;
      if (point.time !== this.#time) complete.push(...this.end());
      this.#time = point.time;
      this.#points.set(name, point);
      if (this.#points.size === this.#events) complete.push(...this.end());
    }
    return complete;
  }

  /** What there is of the last interval. */
  end(): CountedInterval[] {
    if (this.#points.size === 0) return [];
    const interval = {
      end: (this.#onset ?? 0) + this.#time,
      length: this.#time - this.#last,
      points: this.#points,
    };
    this.#last = this.#time;
    this.#points = new Map();
    return interval.length > 0 ? [interval] : [];
  }
}

function bareName(name: string): string {
  return name.replace(/:[ukhHGpDPSIWeb]+$/, '');
}
