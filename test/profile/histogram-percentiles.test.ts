// Percentiles: whatever the values were, the true one is between the bounds.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Histogram } from '../../profile/histogram.js';
import { meanOf, quantile, quantiles } from '../../profile/histogram-percentiles.js';
import { drawnHistogram, histogramOf, LOG2 } from './arbitrary-histogram.js';

const percent = fc.oneof(fc.constantFrom(0, 50, 90, 99, 99.9, 100), fc.double({ min: 0, max: 100, noNaN: true }));

/** The least value that so many percent of all do not exceed. */
function nearestRank(values: readonly number[], of: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((Math.round(of * 1e6) * values.length) / 1e8)) - 1];
}

/** As a script that prints the histogram only. */
function withoutFacts({ title, labels, unit, scale, buckets, underflow, overflow }: Histogram): Histogram {
  return { title, labels, unit, scale, buckets, underflow, overflow };
}

describe.each(['log2', 'linear'] as const)('percentiles of %s histograms', (kind) => {
  it('lie between their bounds, with and without min and max', () => {
    fc.assert(
      fc.property(drawnHistogram(kind), percent, ({ values, histogram }, of) => {
        for (const known of [histogram, withoutFacts(histogram)]) {
          const found = quantile(known, of);
          if (values.length === 0) {
            expect(found).toBeUndefined();
            continue;
          }
          const truth = nearestRank(values, of);
          expect(found?.low).toBeLessThanOrEqual(truth);
          expect(found?.high).toBeGreaterThanOrEqual(truth);
          expect(found?.value).toBeGreaterThanOrEqual(found?.low ?? Number.NaN);
          expect(found?.value).toBeLessThanOrEqual(found?.high ?? Number.NaN);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('do not fall as percents rise', () => {
    fc.assert(
      fc.property(drawnHistogram(kind), percent, percent, ({ values, histogram }, a, b) => {
        fc.pre(values.length > 0);
        const [low, high] = [Math.min(a, b), Math.max(a, b)].map((of) => quantile(histogram, of)?.value ?? Number.NaN);
        expect(low).toBeLessThanOrEqual(high);
      }),
    );
  });
});

describe('bounds', () => {
  it('are those of the bucket, closer where min and max are known', () => {
    const histogram = histogramOf([1030, 1500, 1600, 1999], LOG2);
    expect(quantile(withoutFacts(histogram), 50)).toMatchObject({ low: 1024, high: 2047 });
    expect(quantile(histogram, 50)).toMatchObject({ low: 1030, high: 1999 });
    expect(quantile(histogram, 100)).toEqual({ percent: 100, value: 1999, low: 1999, high: 1999 });
    expect(quantile(histogram, 0)).toMatchObject({ low: 1030, high: 1030 });
  });

  it('are open in underflow and overflow where nothing else is known', () => {
    const histogram = withoutFacts(histogramOf([-7, 5, 500], { kind: 'linear', from: 0, to: 90, step: 10 }));
    expect(quantile(histogram, 1)).toMatchObject({ low: Number.NEGATIVE_INFINITY, high: -1, value: -1 });
    expect(quantile(histogram, 99)).toMatchObject({ low: 100, high: Number.POSITIVE_INFINITY, value: 100 });
    expect(quantile({ ...histogram, max: 600, min: -9 }, 99)).toMatchObject({ low: 600, high: 600 });
  });

  it('follow the buckets where min and max of garbled output contradict them', () => {
    const histogram = { ...histogramOf([1030, 1500, 1600], LOG2), min: 1_000_000, max: 3 };
    expect(quantile(histogram, 50)).toMatchObject({ low: 1024, high: 2047 });
  });

  it('take 99.9 % of 1,000 values for 999 values', () => {
    const histogram = histogramOf([...new Array<number>(999).fill(1), 5000], LOG2);
    expect(quantile(histogram, 99.9)).toMatchObject({ low: 1, high: 1 });
    expect(quantiles(histogram).map((found) => found.percent)).toEqual([50, 90, 99, 99.9]);
  });

  it('refuses percents that are none', () => {
    for (const wrong of [-1, 100.1, Number.NaN])
      expect(() => quantile(histogramOf([1], LOG2), wrong)).toThrow(RangeError);
  });
});

it('the mean is exact where the sum is known', () => {
  expect(meanOf(histogramOf([1, 2, 6], LOG2))).toBe(3);
  expect(meanOf(histogramOf([], LOG2))).toBeUndefined();
  expect(meanOf(withoutFacts(histogramOf([1], LOG2)))).toBeUndefined();
});
