// What a watch counted, in few enough points for a day: the counts of several intervals added up. Nothing is sampled, nothing left out.
import type { CounterPoint } from '../../profile/counter-series.js';
import type { Milliseconds, WatchSpec } from '../../proto/capture.js';
import type { CountedInterval } from './counted-interval.js';

/** Points of one event in the log of a watch, whatever its duration: one a minute for a day. */
const MOST_PERIODS = 1440;

/** How much time one point stands for: a whole number of intervals. */
export function periodOf({ duration, interval }: Pick<WatchSpec, 'duration' | 'interval'>): Milliseconds {
  return interval * Math.max(1, Math.ceil(duration / interval / MOST_PERIODS));
}

interface Sum {
  /** For its unit and scope: the first that was counted, else the first. */
  sample: CounterPoint;
  intervals: number;
  counted: number;
  value: number;
  runningPercent: number;
}

export class ThinnedCounters {
  readonly period: Milliseconds;
  readonly #onset: Milliseconds;
  #index = 0;
  #sums = new Map<string, Sum>();

  /** @param onset of the watch, of the clock of its intervals */
  constructor(spec: Pick<WatchSpec, 'duration' | 'interval'>, onset: Milliseconds) {
    this.period = periodOf(spec);
    this.#onset = onset;
  }

  /** Points of the period before, where this interval begins a new one. */
  add({ end, length, points }: CountedInterval): CounterPoint[] {
    const middle = end - length / 2 - this.#onset;
    const index = Math.max(this.#index, Math.floor(middle / this.period));
    const complete = index === this.#index ? [] : this.end();
    this.#index = index;
    for (const [event, point] of points) {
      let sum = this.#sums.get(event);
      if (sum === undefined) {
        sum = { sample: point, intervals: 0, counted: 0, value: 0, runningPercent: 0 };
        this.#sums.set(event, sum);
      }
      sum.intervals++;
      if (point.status !== 'counted') continue;
      if (sum.counted === 0) sum.sample = point;
      sum.counted++;
      sum.value += point.value;
      sum.runningPercent += point.runningPercent;
    }
    return complete;
  }

  /** Points of the period that is not over. */
  end(): CounterPoint[] {
    const time = (this.#index + 1) * this.period;
    const points = [...this.#sums].map(
      ([event, { sample, intervals, counted, value, runningPercent }]): CounterPoint => {
        const common = { ...sample, event, time };
        return counted === 0
          ? { ...common, value: 0, runningPercent: 0 }
          : { ...common, status: 'counted', value, runningPercent: runningPercent / intervals };
      },
    );
    this.#sums = new Map();
    return points;
  }
}
