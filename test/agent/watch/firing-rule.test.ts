// When a watch fires, second by second: how long a condition holds, gaps, values that were not counted, cool-down, the most firings.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CountedInterval } from '../../../agent/watch/counted-interval.js';
import { FiringRule, MOST_OBSERVED } from '../../../agent/watch/firing-rule.js';
import type { CounterPoint } from '../../../profile/counter-series.js';
import { parseCondition } from '../../../proto/watch-condition.js';

const SECOND = 1000;

/** A rule of intervals of a second. */
function rule(conditions: readonly string[], change: Partial<{ holds: number; coolDown: number; most: number }> = {}) {
  const limits = { holds: 3, coolDown: 10 * SECOND, most: 100, ...change };
  return new FiringRule({ conditions: conditions.map(parseCondition), interval: SECOND, ...limits });
}

/** What was counted in the second that ends at `end`; undefined: not counted. */
function second(end: number, counts: Record<string, number | undefined>, length = SECOND): CountedInterval {
  const points = Object.entries(counts).map(([event, value]): [string, CounterPoint] => {
    const status = value === undefined ? 'not-counted' : 'counted';
    return [event, { time: end, event, scope: '', status, value: value ?? 0, unit: '', runningPercent: 100 }];
  });
  return { end: end * SECOND, length, points: new Map(points) };
}

/** Second by second, which of them it would fire at. `-` is a second without a count, a blank one that was lost. */
function heldAt(watched: FiringRule, drawing: string): number[] {
  return [...drawing].flatMap((sign, index) => {
    if (sign === ' ') return [];
    const value = sign === '-' ? undefined : Number(sign);
    return watched.take(second(index + 1, { faults: value })) === undefined ? [] : [index + 1];
  });
}

describe('a condition', () => {
  it('has to hold for so many intervals one after the other', () => {
    expect(heldAt(rule(['faults > 5']), '66566656669')).toEqual([6, 10, 11]);
    expect(heldAt(rule(['faults > 5'], { holds: 1 }), '56569')).toEqual([2, 4, 5]);
  });

  it('does not hold in an interval that was not counted, nor over one that was lost', () => {
    expect(heldAt(rule(['faults > 5']), '66-666')).toEqual([6]);
    expect(heldAt(rule(['faults < 5']), '11-111')).toEqual([6]);
    // A second more or less is perf that was begun anew; more than that is time that nobody watched.
    expect(heldAt(rule(['faults > 5']), '66 6')).toEqual([4]);
    expect(heldAt(rule(['faults > 5']), '66  666')).toEqual([7]);
  });

  it('is not judged by an interval that was cut short', () => {
    const few = rule(['faults < 5'], { holds: 1 });
    expect(few.take(second(1, { faults: 0 }, 400))).toBeUndefined();
    expect(few.take(second(2, { faults: 0 }, 600))).toBeDefined();
  });

  it('of a rate is about seconds, whatever an interval lasts', () => {
    const fast = rule(['faults/s > 100'], { holds: 1 });
    expect(fast.take(second(1, { faults: 90 }, 800))?.observed[0]?.values).toEqual([112.5]);
    expect(fast.take(second(2, { faults: 90 }))).toBeUndefined();
  });

  it('of a ratio holds only where there is one', () => {
    const share = rule(['major/faults > 10%'], { holds: 1 });
    expect(share.take(second(1, { major: 2, faults: 10 }))?.observed[0]?.values).toEqual([0.2]);
    expect(share.take(second(2, { major: 1, faults: 10 }))).toBeUndefined();
    expect(share.take(second(3, { major: 1, faults: 0 }))).toBeUndefined();
    expect(share.take(second(4, { major: 1, faults: undefined }))).toBeUndefined();
    expect(share.take(second(5, { major: 1 }))).toBeUndefined();
  });

  it('holds with all of its terms; of several conditions any one will do', () => {
    const both = rule(['a > 5 and b > 5'], { holds: 1 });
    expect(both.take(second(1, { a: 6, b: 5 }))).toBeUndefined();
    expect(both.take(second(2, { a: 6, b: 6 }))).toBeDefined();
    const either = rule(['a > 5', 'b > 5'], { holds: 2 });
    expect(either.take(second(1, { a: 6, b: 0 }))).toBeUndefined();
    expect(either.take(second(2, { a: 0, b: 6 }))).toBeUndefined();
    expect(either.take(second(3, { a: 0, b: 7 }))).toMatchObject({ condition: parseCondition('b > 5') });
  });

  it('tells what was counted in the intervals that it held for, and no more', () => {
    const watched = rule(['faults > 5']);
    for (const end of [1, 2, 3]) watched.take(second(end, { faults: 5 + end }));
    const held = watched.take(second(4, { faults: 9 }));
    expect(held?.observed.map(({ end, values }) => [end, ...values])).toEqual([
      [2000, 7],
      [3000, 8],
      [4000, 9],
    ]);
    const patient = rule(['faults > 5'], { holds: 500 });
    let last: ReturnType<FiringRule['take']>;
    for (let end = 1; end <= 500; end++) last = patient.take(second(end, { faults: 6 }));
    expect(last?.observed).toHaveLength(MOST_OBSERVED);
    expect(last?.observed.at(-1)?.end).toBe(500 * SECOND);
  });

  it('fires exactly where the last so many values pass, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.nat(9), { nil: undefined })),
        fc.integer({ min: 1, max: 5 }),
        (values, holds) => {
          const watched = rule(['faults >= 5'], { holds });
          for (const [index, value] of values.entries()) {
            const held = watched.take(second(index + 1, { faults: value }));
            const window = values.slice(Math.max(0, index + 1 - holds), index + 1);
            const isHeld = window.length === holds && window.every((one) => one !== undefined && one >= 5);
            expect(held !== undefined).toBe(isHeld);
          }
        },
      ),
    );
  });
});

describe('a firing', () => {
  it('is followed by none while it records, nor until the watch has cooled down', () => {
    const watched = rule(['faults > 5']);
    expect(watched.restrained(0)).toBeUndefined();
    expect(watched.fire(1000)).toBe(1);
    expect(watched.restrained(30_000)).toEqual({ kind: 'recording' });
    watched.recorded();
    expect(watched.restrained(10_999)).toEqual({ kind: 'cooling', left: 1 });
    expect(watched.restrained(11_000)).toBeUndefined();
    expect(watched.fire(11_000)).toBe(2);
  });

  it('is the last one when there were as many as there may be', () => {
    const watched = rule(['faults > 5'], { most: 2 });
    for (const number of [1, 2]) {
      expect(watched.fire(number * 60_000)).toBe(number);
      watched.recorded();
    }
    expect(watched.restrained(1e9)).toEqual({ kind: 'spent' });
    expect(watched.fired).toBe(2);
  });

  it('comes with the first interval after the cool-down when the condition has held all the time', () => {
    const watched = rule(['faults > 5'], { coolDown: 4 * SECOND });
    const fired: number[] = [];
    for (let end = 1; end <= 12; end++) {
      const held = watched.take(second(end, { faults: 6 }));
      if (held === undefined || watched.restrained(end * SECOND) !== undefined) continue;
      watched.fire(end * SECOND);
      watched.recorded();
      fired.push(end);
    }
    expect(fired).toEqual([3, 7, 11]);
  });
});
