// Two histograms side by side: distances checked against the values moved one by one, and what cannot be compared is refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Histogram, UnlikeHistogramsError } from '../../profile/histogram.js';
import { compareHistogramSets, compareHistograms } from '../../profile/histogram-difference.js';
import { distanceBetween, distributionOf } from '../../profile/histogram-distribution.js';
import { histogramOf, LOG2, value } from './arbitrary-histogram.js';

const count = 24;
const someValues = fc.array(value, { minLength: count, maxLength: count });

/** The step of a log2 scale that a value is in. */
function stepOf(single: number): number {
  return Math.sign(single) * (single === 0 ? 0 : Math.floor(Math.log2(Math.abs(single))) + 1);
}

describe('the distance of two distributions', () => {
  it('is the mean way of values moved in order: nearest to nearest', () => {
    fc.assert(
      fc.property(someValues, someValues, (x, y) => {
        const [a, b] = [x, y].map((values) => values.map(stepOf).sort((m, n) => m - n));
        const ways = a.map((step, i) => b[i] - step);
        const found = compareHistograms(histogramOf(x, LOG2), histogramOf(y, LOG2)).distance;
        expect(found.steps).toBeCloseTo(ways.reduce((sum, way) => sum + Math.abs(way), 0) / count, 9);
        expect(found.shift).toBeCloseTo(ways.reduce((sum, way) => sum + way, 0) / count, 9);
        expect(found.greatest).toBeLessThanOrEqual(1 + 1e-12);
        expect(Math.abs(found.shift)).toBeLessThanOrEqual(found.steps + 1e-12);
      }),
    );
  });

  it('is a metric: nothing to itself, the same both ways, no longer than by way of a third', () => {
    fc.assert(
      fc.property(someValues, someValues, someValues, (...drawn) => {
        const shares = drawn.map((values) => distributionOf(histogramOf(values, LOG2)));
        const [a, b, c] = shares.filter((found) => found !== undefined);
        expect(distanceBetween(a, a)).toEqual({ steps: 0, shift: 0, greatest: 0 });
        expect(distanceBetween(a, b).steps).toBeCloseTo(distanceBetween(b, a).steps, 12);
        expect(distanceBetween(a, b).shift).toBeCloseTo(-distanceBetween(b, a).shift, 12);
        expect(distanceBetween(a, c).steps).toBeLessThanOrEqual(
          distanceBetween(a, b).steps + distanceBetween(b, c).steps + 1e-9,
        );
      }),
    );
  });

  it('is one doubling where every value doubled, whatever number of values there are', () => {
    const slow = Array.from({ length: 60 }, (_, i) => 2 * (1000 + 37 * (i % 20)));
    const fast = Array.from({ length: 20 }, (_, i) => 1000 + 37 * i);
    const { distance } = compareHistograms(histogramOf(fast, LOG2), histogramOf(slow, LOG2));
    expect(distance.steps).toBeCloseTo(1, 12);
    expect(distance.shift).toBeCloseTo(1, 12);
  });
});

describe('comparing histograms', () => {
  it('shows every value of both in one row, counts and shares', () => {
    fc.assert(
      fc.property(someValues, fc.array(value, { minLength: 1, maxLength: 40 }), (x, y) => {
        const scale = { kind: 'linear', from: -100, to: 400, step: 50 } as const;
        const { rows } = compareHistograms(histogramOf(x, scale), histogramOf(y, scale));
        const sum = (part: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + part(row), 0);
        expect(sum((row) => row.before)).toBe(x.length);
        expect(sum((row) => row.after)).toBe(y.length);
        expect(sum((row) => row.change)).toBe(y.length - x.length);
        expect(sum((row) => row.shareChange)).toBeCloseTo(0, 12);
        for (const row of rows) {
          const inside = (single: number) => single >= row.from && single < row.to;
          expect([row.before, row.after]).toEqual([x.filter(inside).length, y.filter(inside).length]);
        }
      }),
    );
  });

  it('counts both in steps that fit both', () => {
    const fine = histogramOf([1, 12, 33], { kind: 'linear', from: 0, to: 90, step: 10 });
    const coarse = histogramOf([1, 12, 33], { kind: 'linear', from: 0, to: 90, step: 15 });
    expect(compareHistograms(fine, coarse)).toMatchObject({ scale: { step: 30 }, distance: { steps: 0 } });
  });

  it('says that distances are least ones where values lie outside of the scale', () => {
    const scale = { kind: 'linear', from: 0, to: 90, step: 10 } as const;
    expect(compareHistograms(histogramOf([5], scale), histogramOf([5], scale)).isOpen).toBe(false);
    expect(compareHistograms(histogramOf([5], scale), histogramOf([5000], scale))).toMatchObject({
      isOpen: true,
      distance: { steps: 10 },
    });
  });

  it('refuses other units, unlike scales and nothing at all', () => {
    const one = histogramOf([5], LOG2);
    const refused: [Histogram, Histogram, RegExp][] = [
      [one, { ...one, unit: 'us' }, /units differ, ns and us/],
      [one, { ...one, unit: '' }, /ns and one without a unit/],
      [one, histogramOf([5], { kind: 'linear', from: 0, to: 9, step: 1 }), /powers of two and of equal steps/],
      [histogramOf([], LOG2), one, /the first has no values/],
      [one, histogramOf([], LOG2), /the second has no values/],
    ];
    for (const [before, after, why] of refused) {
      expect(() => compareHistograms(before, after)).toThrow(UnlikeHistogramsError);
      expect(() => compareHistograms(before, after)).toThrow(why);
    }
  });

  it('pairs histograms by key and tells what has no partner', () => {
    const of = (type: string, scale = LOG2 as Histogram['scale']) =>
      histogramOf([5], scale, { labels: [{ key: 'fault_type', value: type }] });
    const linear = of('MINOR', { kind: 'linear', from: 0, to: 9, step: 1 });
    const set = compareHistogramSets([of('MINOR'), of('OOM'), linear], [linear, of('MINOR'), of('MAJOR')]);
    expect(set.pairs.map((pair) => [pair.labels[0].value, pair.scale.kind])).toEqual([
      ['MINOR', 'linear'],
      ['MINOR', 'log2'],
    ]);
    expect(set.onlyBefore.map(({ labels }) => labels[0].value)).toEqual(['OOM']);
    expect(set.onlyAfter.map(({ labels }) => labels[0].value)).toEqual(['MAJOR']);
    expect(compareHistogramSets([of('MINOR')], [linear]).refused[0].reason).toMatch(/powers of two/);
  });
});
