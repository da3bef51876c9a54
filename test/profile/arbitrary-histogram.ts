// Histograms from values, bucketed as SystemTap's runtime does it (stat-common.c), so that laws can be checked against the values.
import fc from 'fast-check';
import type { Bucket, Histogram, Scale } from '../../profile/histogram.js';

type Facts = Partial<Pick<Histogram, 'title' | 'labels' | 'unit'>>;

/** `_stp_val_to_bucket` and `_stp_bucket_to_val` for log2, `__stp_stat_add` for linear scales; with sum, min and max. */
export function histogramOf(values: readonly number[], scale: Scale, facts: Facts = {}): Histogram {
  const counts = new Map<number, Bucket>();
  let underflow = 0;
  let overflow = 0;
  for (const value of values) {
    if (scale.kind === 'linear') {
      const row = Math.floor((value - scale.from) / scale.step);
      if (value < scale.from) underflow++;
      else if (row > Math.floor((scale.to - scale.from) / scale.step)) overflow++;
      else count(counts, scale.from + row * scale.step, scale.from + (row + 1) * scale.step);
    } else if (value === 0) count(counts, 0, 1);
    else {
      let power = 1;
      while (power * 2 <= Math.abs(value)) power *= 2;
      if (value > 0) count(counts, power, 2 * power);
      else count(counts, 1 - 2 * power, 1 - power);
    }
  }
  const total = values.reduce((sum, value) => sum + value, 0);
  return {
    title: 'latency',
    labels: [],
    unit: 'ns',
    ...facts,
    scale,
    buckets: [...counts.values()].sort((a, b) => a.from - b.from),
    underflow,
    overflow,
    ...(values.length === 0
      ? {}
      : { sum: total, min: values.reduce((a, b) => Math.min(a, b)), max: values.reduce((a, b) => Math.max(a, b)) }),
  };
}

function count(counts: Map<number, Bucket>, from: number, to: number): void {
  const seen = counts.get(from);
  counts.set(from, seen === undefined ? { from, to, count: 1 } : { ...seen, count: seen.count + 1 });
}

/** Sizes from single figures to milliseconds in nanoseconds, and some below zero. */
export const value: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: 0, max: 50_000_000 }),
  fc.constantFrom(0, 1, -1, 2, -2, 3, -3, 1024, 1023),
);

export const values: fc.Arbitrary<number[]> = fc.array(value, { maxLength: 40 });

export const LOG2: Scale = { kind: 'log2' };

/** Of one grid: steps of 10, bounds at multiples of 10 plus 3; ranges differ, as where a script's output shows only the rows in use. */
export const linearScale: fc.Arbitrary<Scale> = fc
  .record({ first: fc.integer({ min: -12, max: 2 }), rows: fc.integer({ min: 15, max: 40 }) })
  .map(({ first, rows }) => ({ kind: 'linear', from: first * 10 + 3, to: (first + rows) * 10 + 3, step: 10 }));

/** Either a log2 histogram or a linear one of a common grid, with the values that it was made of. */
export const drawnHistogram = (kind: Scale['kind']): fc.Arbitrary<{ values: number[]; histogram: Histogram }> =>
  fc
    .record({ values, scale: kind === 'log2' ? fc.constant(LOG2) : linearScale })
    .map((drawn) => ({ values: drawn.values, histogram: histogramOf(drawn.values, drawn.scale) }));
