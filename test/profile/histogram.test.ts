// Histograms add bucket by bucket, exactly, in any order.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addHistograms,
  countOf,
  type Histogram,
  mergeHistograms,
  UnlikeHistogramsError,
} from '../../profile/histogram.js';
import { gridOf, scaleRange } from '../../profile/histogram-scale.js';
import { drawnHistogram, histogramOf, LOG2 } from './arbitrary-histogram.js';

const host: Histogram = histogramOf([5, 6, 7], LOG2, { title: 't', unit: 'us' });

describe.each(['log2', 'linear'] as const)('adding %s histograms', (kind) => {
  it('is commutative and associative, sum, min and max included; the empty list is neutral', () => {
    fc.assert(
      fc.property(drawnHistogram(kind), drawnHistogram(kind), drawnHistogram(kind), (...drawn) => {
        const [a, b, c] = drawn.map(({ histogram }) => histogram);
        expect(addHistograms(a, b)).toEqual(addHistograms(b, a));
        expect(addHistograms(addHistograms(a, b), c)).toEqual(addHistograms(a, addHistograms(b, c)));
        expect(mergeHistograms([[a], []])).toEqual([a]);
      }),
      { numRuns: 500 },
    );
  });

  it('counts what counting all values at once would', () => {
    fc.assert(
      fc.property(fc.array(drawnHistogram(kind), { minLength: 1, maxLength: 6 }), (drawn) => {
        const [merged] = mergeHistograms(drawn.map(({ histogram }) => [histogram]));
        const all = drawn.flatMap(({ values }) => values);
        const once = histogramOf(all, merged.scale);
        expect(merged.buckets).toEqual(once.buckets);
        expect([merged.underflow, merged.overflow]).toEqual([once.underflow, once.overflow]);
        expect([merged.min, merged.max]).toEqual([once.min, once.max]);
        const signs = new Set(
          drawn.filter(({ values }) => values.length > 0).map(({ histogram }) => Math.sign(histogram.sum ?? 0)),
        );
        expect(merged.sum).toBe(signs.has(1) && signs.has(-1) ? undefined : once.sum);
      }),
      { numRuns: 500 },
    );
  });
});

describe('merging histograms', () => {
  it('conserves every count, sum, min and max of a thousand hosts', () => {
    const hosts = Array.from({ length: 1000 }, (_, i) => [i, i + 1, 1_000_000 + i]);
    const [merged] = mergeHistograms(hosts.map((values) => [histogramOf(values, LOG2)]));
    expect(merged).toEqual(histogramOf(hosts.flat(), LOG2));
    expect(countOf(merged)).toBe(3000);
  });

  it('keeps apart what differs in title, labels, unit or grid, in one order whatever order they came in', () => {
    const all = [
      host,
      { ...host, title: 'u' },
      { ...host, unit: 'ns' },
      { ...host, labels: [{ key: 'fault_type', value: 'MAJOR' }] },
      histogramOf([5], { kind: 'linear', from: 0, to: 90, step: 10 }, { title: 't', unit: 'us' }),
      histogramOf([5], { kind: 'linear', from: 5, to: 95, step: 10 }, { title: 't', unit: 'us' }),
    ];
    const merged = mergeHistograms([all, all]);
    expect(merged).toHaveLength(6);
    expect(merged).toEqual(mergeHistograms([[...all].reverse(), all]));
    expect(merged.reduce((sum, histogram) => sum + countOf(histogram), 0)).toBe(2 * (4 * 3 + 2));
  });

  it('widens a linear range to both where nothing lies outside, and keeps an end that values lie beyond', () => {
    const seen = (values: number[], from: number, to: number) =>
      histogramOf(values, { kind: 'linear', from, to, step: 10 });
    const wide = addHistograms(seen([15], 10, 20), seen([55], 40, 60));
    expect(scaleRange(wide.scale)).toEqual({ from: 10, end: 70 });
    expect([wide.underflow, wide.overflow]).toEqual([0, 0]);
    const cut = addHistograms(seen([15, 999], 10, 20), seen([55], 40, 60));
    expect(scaleRange(cut.scale)).toEqual({ from: 10, end: 30 });
    expect(cut).toMatchObject({ underflow: 0, overflow: 2, buckets: [{ from: 10, to: 20, count: 1 }] });
  });

  it('refuses other titles, units, scales and labels and says which', () => {
    const refused: [Partial<Histogram>, RegExp][] = [
      [{ unit: 'ns' }, /different unit: "us" and "ns"/],
      [{ title: 'u' }, /different title/],
      [{ labels: [{ key: 'k', value: 'v' }] }, /different labels/],
      [{ scale: { kind: 'linear', from: 0, to: 9, step: 1 }, buckets: [] }, /different scale/],
    ];
    for (const [part, why] of refused) {
      expect(() => addHistograms(host, { ...host, ...part })).toThrow(UnlikeHistogramsError);
      expect(() => addHistograms(host, { ...host, ...part })).toThrow(why);
    }
  });

  it('refuses linear histograms whose certain ranges do not meet', () => {
    const low = histogramOf([1, 99], { kind: 'linear', from: 0, to: 10, step: 10 });
    const high = histogramOf([1, 99], { kind: 'linear', from: 50, to: 90, step: 10 });
    expect(() => addHistograms(low, high)).toThrow(/no bucket is left between/);
  });

  it('refuses counts that would not be exact and buckets that overlap', () => {
    const huge = { ...host, buckets: [{ from: 4, to: 8, count: Number.MAX_SAFE_INTEGER }] };
    expect(() => addHistograms(huge, host)).toThrow(/pass 2\^53/);
    const garbled = { ...host, buckets: [{ from: 4, to: 9, count: 1 }] };
    expect(() => addHistograms(garbled, host)).toThrow(/overlap at 4/);
    const crossing = { ...host, buckets: [{ from: 6, to: 16, count: 1 }] };
    expect(() => addHistograms(crossing, host)).toThrow(/overlap at 6/);
  });

  it('leaves out a sum that is not exact any more, and keeps leaving it out', () => {
    const large = { ...host, sum: Number.MAX_SAFE_INTEGER - 1 };
    expect(addHistograms(large, { ...host, sum: 1 }).sum).toBe(Number.MAX_SAFE_INTEGER);
    const lost = addHistograms(large, { ...host, sum: 2 });
    expect(lost).not.toHaveProperty('sum');
    expect(addHistograms(lost, { ...host, sum: -5 })).not.toHaveProperty('sum');
  });

  it('is not changed by a histogram without values, which needs no sum, min or max', () => {
    const nothing = histogramOf([], LOG2, { title: 't', unit: 'us' });
    expect(addHistograms(host, nothing)).toEqual(host);
    expect(addHistograms(nothing, host)).toEqual(host);
    expect(gridOf(nothing.scale)).toBe(gridOf(host.scale));
  });
});
