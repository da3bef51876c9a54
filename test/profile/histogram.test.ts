// Histograms add bucket by bucket, exactly.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addHistograms,
  countOf,
  type Histogram,
  mergeHistograms,
  UnlikeHistogramsError,
} from '../../profile/histogram.js';

const histogram: fc.Arbitrary<Histogram> = fc
  .record({
    type: fc.constantFrom('MINOR', 'MAJOR'),
    counts: fc.array(fc.nat(1_000_000), { maxLength: 8 }),
    underflow: fc.nat(5),
    overflow: fc.nat(5),
  })
  .map(({ type, counts, underflow, overflow }) => ({
    title: 'pagefault latency',
    labels: [{ key: 'fault_type', value: type }],
    unit: 'ns',
    scale: { kind: 'log2' },
    buckets: counts.map((count, i) => ({ from: 2 ** i, to: 2 ** (i + 1), count })).filter(({ count }) => count > 0),
    underflow,
    overflow,
  }));

describe('merging histograms', () => {
  it('is commutative and associative, and the empty list is neutral', () => {
    fc.assert(
      fc.property(histogram, histogram, histogram, (a, b, c) => {
        expect(mergeHistograms([[a], [b]])).toEqual(mergeHistograms([[b], [a]]));
        expect(mergeHistograms([mergeHistograms([[a], [b]]), [c]])).toEqual(
          mergeHistograms([[a], mergeHistograms([[b], [c]])]),
        );
        expect(mergeHistograms([[a], []])).toEqual([a]);
      }),
    );
  });

  it('conserves every count of a thousand hosts', () => {
    const host: Histogram = {
      title: 't',
      labels: [],
      unit: 'us',
      scale: { kind: 'log2' },
      buckets: [{ from: 4, to: 8, count: 3 }],
      underflow: 1,
      overflow: 2,
    };
    const [merged] = mergeHistograms(Array.from({ length: 1000 }, () => [host]));
    expect(countOf(merged)).toBe(6000);
    expect(merged.buckets).toEqual([{ from: 4, to: 8, count: 3000 }]);
  });

  it('refuses other units and scales and says which', () => {
    const host: Histogram = {
      title: 't',
      labels: [],
      unit: 'us',
      scale: { kind: 'log2' },
      buckets: [],
      underflow: 0,
      overflow: 0,
    };
    expect(() => addHistograms(host, { ...host, unit: 'ns' })).toThrow(UnlikeHistogramsError);
    expect(() => addHistograms(host, { ...host, scale: { kind: 'linear', from: 0, to: 9, step: 1 } })).toThrow(
      /different scale/,
    );
  });
});
