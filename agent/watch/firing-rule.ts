// When a watch fires: told what was counted and what time it is, it judges. Pure, and the clock is whoever calls.
import type { Milliseconds, WatchSpec } from '../../proto/capture.js';
import type { Condition, Measure, Term } from '../../proto/watch-condition.js';
import type { CountedInterval } from './counted-interval.js';

/** An interval that a condition held for. */
export interface HeldInterval {
  readonly end: Milliseconds;
  readonly length: Milliseconds;
  /** Of each term. */
  readonly values: readonly number[];
}

export interface HeldCondition {
  readonly condition: Condition;
  /** The last intervals, the oldest first; as many as it had to hold for, but no more than `MOST_OBSERVED`. */
  readonly observed: readonly HeldInterval[];
}

/** Why a watch does not fire now. */
export type Restrained =
  | { readonly kind: 'recording' }
  | { readonly kind: 'cooling'; readonly left: Milliseconds }
  | { readonly kind: 'spent' };

/** Intervals that a firing tells. */
export const MOST_OBSERVED = 60;
/** An interval that perf cut shorter (it ended, or was started anew) is judged no more: a count in less time is no count of an interval. */
const LEAST_SHARE = 0.5;

type Rule = Pick<WatchSpec, 'conditions' | 'holds' | 'interval' | 'coolDown' | 'most'>;

interface Streak {
  readonly condition: Condition;
  length: number;
  observed: HeldInterval[];
}

export class FiringRule {
  readonly #rule: Rule;
  readonly #streaks: readonly Streak[];
  #lastEnd = Number.NEGATIVE_INFINITY;
  #lastFired = Number.NEGATIVE_INFINITY;
  #fired = 0;
  #isRecording = false;

  constructor(rule: Rule) {
    this.#rule = rule;
    this.#streaks = rule.conditions.map((condition) => ({ condition, length: 0, observed: [] }));
  }

  get fired(): number {
    return this.#fired;
  }

  /** The first condition that has held for long enough with this interval, whether the watch may fire or not. */
  take(interval: CountedInterval): HeldCondition | undefined {
    const { holds, interval: nominal } = this.#rule;
    const isSuccessive = interval.end - interval.length - this.#lastEnd <= nominal;
    this.#lastEnd = interval.end;
    if (interval.length < nominal * LEAST_SHARE) return undefined;
    for (const streak of this.#streaks) {
      if (!isSuccessive) reset(streak);
      const values = heldValues(streak.condition, interval);
      if (values === undefined) reset(streak);
      else {
        streak.length++;
        streak.observed.push({ end: interval.end, length: interval.length, values });
        if (streak.observed.length > Math.min(holds, MOST_OBSERVED)) streak.observed.shift();
      }
    }
    const held = this.#streaks.find(({ length }) => length >= holds);
    return held === undefined ? undefined : { condition: held.condition, observed: [...held.observed] };
  }

  /** @param now of the clock of the intervals */
  restrained(now: Milliseconds): Restrained | undefined {
    const { coolDown, most } = this.#rule;
    if (this.#fired >= most) return { kind: 'spent' };
    if (this.#isRecording) return { kind: 'recording' };
    const left = this.#lastFired + coolDown - now;
    return left > 0 ? { kind: 'cooling', left } : undefined;
  }

  /** It fires now, and does so no more until `recorded`. @returns the number of this firing, from 1 */
  fire(now: Milliseconds): number {
    this.#lastFired = now;
    this.#isRecording = true;
    this.#fired++;
    return this.#fired;
  }

  /** What the firing recorded has ended. */
  recorded(): void {
    this.#isRecording = false;
  }
}

/** The value of each term, where all of them hold. What was not counted holds nothing. */
function heldValues({ terms }: Condition, interval: CountedInterval): number[] | undefined {
  const values: number[] = [];
  for (const term of terms) {
    const value = measured(term.measure, interval);
    if (value === undefined || !compares(value, term)) return undefined;
    values.push(value);
  }
  return values;
}

/** undefined where it is not known: an event that was not counted, a ratio to nothing. */
function measured(measure: Measure, { points, length }: CountedInterval): number | undefined {
  const count = (event: string): number | undefined => {
    const point = points.get(event);
    return point?.status === 'counted' ? point.value : undefined;
  };
  const value = count(measure.event);
  if (value === undefined) return undefined;
  switch (measure.kind) {
    case 'count':
      return value;
    case 'rate':
      return (value * 1000) / length;
    case 'ratio': {
      const of = count(measure.of);
      return of === undefined || of === 0 ? undefined : value / of;
    }
  }
}

function compares(value: number, { comparison, threshold }: Term): boolean {
  switch (comparison) {
    case '>':
      return value > threshold;
    case '>=':
      return value >= threshold;
    case '<':
      return value < threshold;
    case '<=':
      return value <= threshold;
  }
}

function reset(streak: Streak): void {
  streak.length = 0;
  streak.observed = [];
}
