// Exact bucket counts, keyed by labels. They merge by adding; percentiles come with the error that the bucket width allows.
import type { LabelSet } from './profile.js';

/** How bucket bounds grow: powers of two (stap's @hist_log) or equal steps (@hist_linear). */
export type Scale =
  | { readonly kind: 'log2' }
  | { readonly kind: 'linear'; readonly from: number; readonly to: number; readonly step: number };

/** Values in `[from, to)`; integers. */
export interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface Histogram {
  /** What was measured, such as `pagefault latency`. */
  readonly title: string;
  /** Such as `fault_type=MINOR`. */
  readonly labels: LabelSet;
  /** Unit of the values: `ns`, `us`, `bytes`, … ; '' when the script did not say. */
  readonly unit: string;
  readonly scale: Scale;
  /** Sorted, disjoint, none with count 0. */
  readonly buckets: readonly Bucket[];
  /** Values below the first or above the last bucket that the scale can hold. */
  readonly underflow: number;
  readonly overflow: number;
}

export class UnlikeHistogramsError extends Error {
  override readonly name = 'UnlikeHistogramsError';
}

/** Number of values in all buckets. */
export function countOf(histogram: Histogram): number {
  return histogram.buckets.reduce((sum, bucket) => sum + bucket.count, histogram.underflow + histogram.overflow);
}

/** Add bucket by bucket. Refuses histograms of other titles, labels, units or scales and says which differ. */
export function addHistograms(a: Histogram, b: Histogram): Histogram {
  for (const part of ['title', 'unit', 'labels', 'scale'] as const) {
    if (JSON.stringify(a[part]) !== JSON.stringify(b[part])) {
      throw new UnlikeHistogramsError(
        `cannot add histograms of different ${part}: ${JSON.stringify(a[part])} and ${JSON.stringify(b[part])}`,
      );
    }
  }
  const counts = new Map<number, Bucket>();
  for (const bucket of [...a.buckets, ...b.buckets]) {
    const seen = counts.get(bucket.from);
    counts.set(bucket.from, seen === undefined ? bucket : { ...seen, count: seen.count + bucket.count });
  }
  const buckets = [...counts.values()].sort((x, y) => x.from - y.from);
  return { ...a, buckets, underflow: a.underflow + b.underflow, overflow: a.overflow + b.overflow };
}

/** Merge sets of histograms by (title, labels, unit, scale); sorted by that key. The empty list is neutral. */
export function mergeHistograms(lists: Iterable<readonly Histogram[]>): Histogram[] {
  const byKey = new Map<string, Histogram>();
  for (const list of lists) {
    for (const histogram of list) {
      const key = JSON.stringify([histogram.title, histogram.labels, histogram.unit, histogram.scale]);
      const seen = byKey.get(key);
      byKey.set(key, seen === undefined ? histogram : addHistograms(seen, histogram));
    }
  }
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, histogram]) => histogram);
}
