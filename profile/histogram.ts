// Exact bucket counts, keyed by labels. They merge by adding; percentiles come with the error that the bucket width allows.
import { commonScale, gridOf, type Scale, scaleRange } from './histogram-scale.js';
import type { LabelSet } from './profile.js';

export type { Scale } from './histogram-scale.js';

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
  /** Sum, least and greatest of the values, where the script printed them; left out where they would not be exact, see addHistograms. */
  readonly sum?: number;
  readonly min?: number;
  readonly max?: number;
}

/** Histograms that cannot be added or compared; the message says why. */
export class UnlikeHistogramsError extends Error {
  override readonly name = 'UnlikeHistogramsError';
}

/** Number of values in all buckets. */
export function countOf(histogram: Histogram): number {
  return histogram.buckets.reduce((sum, bucket) => sum + bucket.count, histogram.underflow + histogram.overflow);
}

/** Equal for histograms of the same thing: title, labels and unit. */
export function histogramKey({ title, labels, unit }: Histogram): string {
  return JSON.stringify([title, labels.map(({ key, value }) => [key, value]), unit]);
}

/**
 * Add bucket by bucket. Linear histograms of one grid (equal step, bounds that meet) are added whatever their ranges: see commonScale.
 * Min and max stay where both are known, and so does the sum; a sum is left out where it is not exact any more (above 2^53) and where
 * sums of unlike sign meet, because then the order of adding would decide whether it stays. A histogram without values changes none of them.
 *
 * @throws UnlikeHistogramsError for other titles, labels, units or scales, and for counts above 2^53
 */
export function addHistograms(a: Histogram, b: Histogram): Histogram {
  if (a.title !== b.title) throw unlike('title', a.title, b.title);
  if (a.unit !== b.unit) throw unlike('unit', a.unit, b.unit);
  if (!sameLabels(a.labels, b.labels)) throw unlike('labels', a.labels, b.labels);
  if (gridOf(a.scale) !== gridOf(b.scale)) throw unlike('scale', a.scale, b.scale);
  const common = commonScale(a, b);
  if (!common.ok) throw new UnlikeHistogramsError(`cannot add histograms of different scale: ${common.reason}`);
  const [fitA, fitB] = [withinScale(a, common.scale), withinScale(b, common.scale)];
  const { title, labels, unit } = a;
  const added = {
    title,
    labels,
    unit,
    scale: common.scale,
    buckets: addBuckets(fitA.buckets, fitB.buckets, title),
    underflow: fitA.underflow + fitB.underflow,
    overflow: fitA.overflow + fitB.overflow,
  };
  if (!Number.isSafeInteger(countOf(added))) {
    throw new UnlikeHistogramsError(`cannot add histograms of ${JSON.stringify(title)}: their counts pass 2^53`);
  }
  return { ...added, ...addedFacts(a, b) };
}

/** Merge sets of histograms by (title, labels, unit, grid of the scale); sorted by that key. The empty list is neutral. */
export function mergeHistograms(lists: Iterable<readonly Histogram[]>): Histogram[] {
  const byKey = new Map<string, Histogram>();
  for (const list of lists) {
    for (const histogram of list) {
      const key = `${histogramKey(histogram)} ${gridOf(histogram.scale)}`;
      const seen = byKey.get(key);
      byKey.set(key, seen === undefined ? histogram : addHistograms(seen, histogram));
    }
  }
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, histogram]) => histogram);
}

function sameLabels(a: LabelSet, b: LabelSet): boolean {
  return a.length === b.length && a.every(({ key, value }, i) => b[i].key === key && b[i].value === value);
}

function unlike(part: string, a: unknown, b: unknown): UnlikeHistogramsError {
  return new UnlikeHistogramsError(
    `cannot add histograms of different ${part}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`,
  );
}

/** What lies outside the scale is counted as underflow or overflow. Bounds of the scale are bounds of buckets. */
function withinScale(histogram: Histogram, scale: Scale): Pick<Histogram, 'buckets' | 'underflow' | 'overflow'> {
  if (scale.kind === 'log2') return histogram;
  const { from, end } = scaleRange(scale);
  const buckets: Bucket[] = [];
  let { underflow, overflow } = histogram;
  for (const bucket of histogram.buckets) {
    if (bucket.from < from) underflow += bucket.count;
    else if (bucket.to > end) overflow += bucket.count;
    else buckets.push(bucket);
  }
  return { buckets, underflow, overflow };
}

/** Both sorted and disjoint; so is the result, or it is refused. */
function addBuckets(a: readonly Bucket[], b: readonly Bucket[], title: string): Bucket[] {
  const added: Bucket[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const isSame = i < a.length && j < b.length && a[i].from === b[j].from;
    if (isSame && a[i].to === b[j].to) {
      added.push({ from: a[i].from, to: a[i].to, count: a[i++].count + b[j++].count });
      continue;
    }
    const next = j >= b.length || (i < a.length && a[i].from < b[j].from) ? a[i++] : b[j++];
    const before = added.at(-1);
    if (isSame || (before !== undefined && before.to > next.from)) {
      throw new UnlikeHistogramsError(
        `cannot add histograms of ${JSON.stringify(title)}: buckets overlap at ${next.from}, though the scales are equal`,
      );
    }
    added.push(next);
  }
  return added;
}

function addedFacts(a: Histogram, b: Histogram): Pick<Histogram, 'sum' | 'min' | 'max'> {
  const parts = [a, b].filter((histogram) => countOf(histogram) > 0);
  if (parts.length === 0) return {};
  const known = (values: (number | undefined)[]) => values.filter((value) => value !== undefined);
  const [sums, least, greatest] = (['sum', 'min', 'max'] as const).map((fact) =>
    known(parts.map((part) => part[fact])),
  );
  const sum = sums.reduce((total, value) => total + value, 0);
  const isExact = Number.isSafeInteger(sum) && (sums.every((value) => value >= 0) || sums.every((value) => value <= 0));
  return {
    ...(sums.length === parts.length && isExact ? { sum } : {}),
    ...(least.length === parts.length ? { min: Math.min(...least) } : {}),
    ...(greatest.length === parts.length ? { max: Math.max(...greatest) } : {}),
  };
}
