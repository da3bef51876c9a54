// Histograms over time: hosts are added interval by interval, in any order, and no value is lost.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countOf, mergeHistograms } from '../../profile/histogram.js';
import {
  emptyHistogramSeries,
  type HistogramSeries,
  histogramTotals,
  mergeHistogramSeries,
  UnlikeIntervalsError,
} from '../../profile/histogram-series.js';
import { histogramOf, LOG2, values } from './arbitrary-histogram.js';

/** Times jitter by a tenth of the interval and the last one may be short, as clocks and stopped captures make them. */
const series = (interval: number): fc.Arbitrary<HistogramSeries> =>
  fc
    .record({
      prints: fc.array(
        fc.record({
          drawn: values,
          late: fc.double({ min: -0.1, max: 0.1, noNaN: true }),
          type: fc.constantFrom('MINOR', 'MAJOR'),
        }),
        {
          maxLength: 6,
        },
      ),
      rest: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      lost: fc.nat(3),
    })
    .map(({ prints, rest, lost }) => ({
      interval,
      points: prints.map(({ drawn, late, type }, i) => ({
        time: (interval || 1000) * (i === prints.length - 1 ? i + rest : i + 1 + late),
        histogram: histogramOf(drawn, LOG2, { labels: [{ key: 'fault_type', value: type }] }),
      })),
      losses: lost === 0 ? [] : [{ kind: 'skipped-probes', count: lost, detail: 'x' }],
    }));

describe.each([0, 1000])('merging series of %i ms intervals', (interval) => {
  it('is commutative and associative, and the empty series is neutral', () => {
    fc.assert(
      fc.property(series(interval), series(interval), series(interval), (a, b, c) => {
        const merged = mergeHistogramSeries([a, b, c]);
        expect(mergeHistogramSeries([c, a, b])).toEqual(merged);
        expect(mergeHistogramSeries([mergeHistogramSeries([a, b]), c])).toEqual(merged);
        expect(mergeHistogramSeries([a, mergeHistogramSeries([b, c])])).toEqual(merged);
        expect(mergeHistogramSeries([a, emptyHistogramSeries()])).toEqual(mergeHistogramSeries([a]));
      }),
    );
  });

  it('keeps every value: totals of the merged are the merged totals', () => {
    fc.assert(
      fc.property(fc.array(series(interval), { maxLength: 4 }), (list) => {
        expect(histogramTotals(mergeHistogramSeries(list))).toEqual(mergeHistograms(list.map(histogramTotals)));
      }),
    );
  });
});

const at = (time: number, ...drawn: number[]) => ({ time, histogram: histogramOf(drawn, LOG2) });

it('aligns the intervals of hosts whose clocks differ', () => {
  const a: HistogramSeries = { interval: 1000, points: [at(1003, 1), at(2008, 1)], losses: [] };
  const b: HistogramSeries = { interval: 1000, points: [at(998, 1), at(2990, 1)], losses: [] };
  const { points } = mergeHistogramSeries([a, b]);
  expect(points.map(({ time, histogram }) => [time, countOf(histogram)])).toEqual([
    [1000, 2],
    [2000, 1],
    [3000, 1],
  ]);
});

it('keeps a last interval of half the length and more apart, and adds a shorter one to the one before', () => {
  const times = (...ends: number[]) =>
    mergeHistogramSeries([{ interval: 1000, points: ends.map((end) => at(end, 1)), losses: [] }]).points.map(
      ({ time }) => time,
    );
  expect(times(1000, 2000, 2500)).toEqual([1000, 2000, 3000]);
  expect(times(1000, 2000, 2499)).toEqual([1000, 2000]);
  expect(times(40)).toEqual([1000]);
});

it('without an interval leaves one host as it is, and takes several for one point at the end', () => {
  const a: HistogramSeries = { interval: 0, points: [at(900, 1), at(5000, 1)], losses: [] };
  expect(mergeHistogramSeries([a]).points.map(({ time }) => time)).toEqual([900, 5000]);
  const { points } = mergeHistogramSeries([a, { interval: 0, points: [at(6000, 1)], losses: [] }]);
  expect(points.map(({ time, histogram }) => [time, countOf(histogram)])).toEqual([[6000, 3]]);
});

it('refuses series of different intervals, but none without points', () => {
  const a: HistogramSeries = { interval: 1000, points: [at(1000, 1)], losses: [] };
  expect(() => mergeHistogramSeries([a, { ...a, interval: 2000 }])).toThrow(UnlikeIntervalsError);
  expect(() => mergeHistogramSeries([a, { ...a, interval: 2000 }])).toThrow('2000 ms intervals with ones of 1000 ms');
  expect(mergeHistogramSeries([a, { ...a, interval: 2000, points: [] }]).points).toHaveLength(1);
});
