// Counters of many hosts add up interval by interval, in any order and grouping.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CounterPoint,
  type CounterSeries,
  emptySeries,
  mergeSeries,
  UnlikeSeriesError,
} from '../../profile/counter-series.js';

const point = fc.record<CounterPoint>({
  time: fc.integer({ min: 1, max: 5 }).map((n) => n * 1000),
  event: fc.constantFrom('page-faults', 'cycles'),
  scope: fc.constantFrom('', 'CPU0'),
  status: fc.constantFrom('counted', 'not-counted', 'not-supported'),
  value: fc.nat(1_000_000),
  unit: fc.constant(''),
  runningPercent: fc.constantFrom(25, 50, 100),
});
const series: fc.Arbitrary<CounterSeries> = fc
  .array(point, { maxLength: 12 })
  .map((points) => mergeSeries([{ points: points.map(zeroUnlessCounted), interval: 1000, losses: [] }]));

function zeroUnlessCounted(p: CounterPoint): CounterPoint {
  return p.status === 'counted' ? p : { ...p, value: 0, runningPercent: 0 };
}

function counted(time: number, value: number, event = 'page-faults'): CounterPoint {
  return { time, event, scope: '', status: 'counted', value, unit: '', runningPercent: 100 };
}

describe('merging counter series', () => {
  it('is commutative and associative, with the empty series as neutral element', () => {
    fc.assert(
      fc.property(series, series, series, (a, b, c) => {
        expect(mergeSeries([a, b])).toEqual(mergeSeries([b, a]));
        expect(mergeSeries([mergeSeries([a, b]), c])).toEqual(mergeSeries([a, mergeSeries([b, c])]));
        expect(mergeSeries([a, emptySeries()])).toEqual(a);
      }),
    );
  });

  it('adds the n-th interval of each host, however their clocks drift', () => {
    const a = { interval: 1000, losses: [], points: [counted(1001.2, 3), counted(2003.9, 4)] };
    const b = { interval: 1000, losses: [], points: [counted(1600, 10), counted(2700, 20)] };
    expect(mergeSeries([a, b]).points.map((p) => [p.time, p.value])).toEqual([
      [1000, 13],
      [2000, 24],
    ]);
  });

  it('adds the rest that perf counts behind the last whole interval to that interval', () => {
    const long = { interval: 1000, losses: [], points: [counted(1001, 3), counted(2003, 4), counted(2005, 1)] };
    const uncounted = { ...counted(2005, 0), status: 'not-counted' as const, runningPercent: 0 };
    const other = { interval: 1000, losses: [], points: [counted(1001, 10), counted(2003, 20), uncounted] };
    const half = { interval: 1000, losses: [], points: [counted(1001, 100), counted(1700, 200)] };
    expect(mergeSeries([long, other, half]).points.map((p) => [p.time, p.value])).toEqual([
      [1000, 113],
      [2000, 225],
    ]);
    const short = { interval: 1000, losses: [], points: [counted(300, 5)] };
    expect(mergeSeries([short]).points.map((p) => p.value)).toEqual([5]);
  });

  it('keeps what one host counted and another could not', () => {
    const a = { interval: 1000, losses: [], points: [counted(1000, 3, 'cycles')] };
    const b = {
      interval: 1000,
      losses: [],
      points: [{ ...counted(1000, 0, 'cycles'), status: 'not-supported' as const }],
    };
    expect(mergeSeries([b, a]).points).toEqual(a.points);
  });

  it('refuses to add unlike intervals and units', () => {
    const a = { interval: 1000, losses: [], points: [counted(1000, 3)] };
    expect(() => mergeSeries([a, { ...a, interval: 500 }])).toThrow(UnlikeSeriesError);
    expect(() => mergeSeries([a, { ...a, points: [{ ...counted(1000, 3), unit: 'msec' }] }])).toThrow(/msec/);
  });
});
