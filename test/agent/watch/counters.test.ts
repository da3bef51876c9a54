// Points of perf stat to intervals, and intervals to few points of a log: nothing is counted twice, nothing is left out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CountedInterval, IntervalJoiner } from '../../../agent/watch/counted-interval.js';
import { periodOf, ThinnedCounters } from '../../../agent/watch/thinned-counters.js';
import type { CounterPoint } from '../../../profile/counter-series.js';

function point(time: number, event: string, value: number | 'not counted' = 1): CounterPoint {
  const isCounted = value !== 'not counted';
  const common = { time, event, scope: '', unit: event === 'task-clock' ? 'msec' : '' };
  if (isCounted) return { ...common, status: 'counted', value, runningPercent: 100 };
  return { ...common, unit: '', status: 'not-counted', value: 0, runningPercent: 0 };
}

describe('intervals', () => {
  it('are complete when all events are there, or with the next one', () => {
    const joiner = new IntervalJoiner(['a', 'b'], () => 1100);
    expect(joiner.push([point(1000, 'a')])).toEqual([]);
    const [first] = joiner.push([point(1000, 'b')]);
    expect(first).toMatchObject({ end: 1100, length: 1000 });
    expect([...(first?.points.keys() ?? [])]).toEqual(['a', 'b']);
    const [second] = joiner.push([point(2010, 'a'), point(3000, 'a')]);
    expect(second).toMatchObject({ end: 2110, length: 1010 });
    expect(joiner.end()).toMatchObject([{ end: 3100, length: 990 }]);
    expect(joiner.end()).toEqual([]);
  });

  it('have the names that were asked for, whatever modifiers perf adds, and no others', () => {
    const joiner = new IntervalJoiner(['cycles', 'instructions:k'], () => 0);
    const [interval] = joiner.push([point(1, 'cycles:u'), point(1, 'noise'), point(1, 'instructions:k')]);
    expect([...(interval?.points.keys() ?? [])]).toEqual(['cycles', 'instructions:k']);
  });
});

describe('thinned counters', () => {
  const spec = (duration: number, interval: number) => ({ duration, interval });

  it('are every interval of a short watch, and one point a minute of a day', () => {
    expect(periodOf(spec(60_000, 1000))).toBe(1000);
    expect(periodOf(spec(24 * 3_600_000, 1000))).toBe(60_000);
    expect(periodOf(spec(24 * 3_600_000, 7000))).toBe(63_000);
  });

  it('hold all that was counted, in order, and at most so many points', () => {
    const values = fc.array(fc.option(fc.nat(1000), { nil: undefined }), { minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 50_000 }), (counts, intervals) => {
        const thinned = new ThinnedCounters(spec(intervals * 100, 100), 5);
        const points = [...counts.flatMap((value, index) => thinned.add(interval(index, value))), ...thinned.end()];
        const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);
        expect(sum(points.map(({ value }) => value))).toBe(sum(counts.map((value) => value ?? 0)));
        expect(points.some(({ status }) => status === 'counted')).toBe(counts.some((value) => value !== undefined));
        const times = points.map(({ time }) => time);
        expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
        expect(times.every((time) => time % thinned.period === 0)).toBe(true);
        expect(times.length).toBeLessThanOrEqual(Math.ceil((counts.length * 100) / thinned.period) + 1);
      }),
    );
  });

  it('keep the unit, though the first interval was not counted', () => {
    const thinned = new ThinnedCounters(spec(1000, 100), 0);
    thinned.add({ end: 50, length: 50, points: new Map([['task-clock', point(50, 'task-clock', 'not counted')]]) });
    thinned.add({ end: 100, length: 50, points: new Map([['task-clock', point(100, 'task-clock', 4)]]) });
    expect(thinned.end()).toMatchObject([{ unit: 'msec', value: 4, status: 'counted', runningPercent: 50, time: 100 }]);
  });
});

/** The `index`th interval of 100 ms, after an onset of 5. */
function interval(index: number, value: number | undefined): CountedInterval {
  const end = 5 + (index + 1) * 100;
  return { end, length: 100, points: new Map([['a', point(end, 'a', value ?? 'not counted')]]) };
}
