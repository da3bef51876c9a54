// Two histograms of the same thing side by side: what a change of the system did to its latencies.
import { countOf, type Histogram, histogramKey, type Scale, UnlikeHistogramsError } from './histogram.js';
import { type Distance, distanceBetween, distributionOf } from './histogram-distribution.js';
import { PERCENTS, type Quantile, quantiles } from './histogram-percentiles.js';
import { rebucket } from './histogram-rebucket.js';
import { commonScale, gridOf, scaleRange } from './histogram-scale.js';
import type { LabelSet } from './profile.js';

/** One bucket of both; infinite bounds for underflow and overflow. Shares are 0 to 1 of each one's own values. */
export interface DifferenceRow {
  readonly from: number;
  readonly to: number;
  readonly before: number;
  readonly after: number;
  /** after - before, in values. Says little where the two ran for unlike times: see shareChange. */
  readonly change: number;
  readonly beforeShare: number;
  readonly afterShare: number;
  readonly shareChange: number;
}

export interface HistogramDifference {
  /** Of `after`. */
  readonly title: string;
  readonly labels: LabelSet;
  readonly unit: string;
  /** What both were counted in; coarser than one of them where linear steps differ. */
  readonly scale: Scale;
  readonly before: { readonly count: number; readonly quantiles: readonly Quantile[] };
  readonly after: { readonly count: number; readonly quantiles: readonly Quantile[] };
  /** Buckets that hold values in either, in order. Counts before and after add up to the counts of each. */
  readonly rows: readonly DifferenceRow[];
  /** In steps of the scale (doublings on log2); `shift` above 0: after lies higher. */
  readonly distance: Distance;
  /** Values lie outside the range of a scale, so the distances are least ones. */
  readonly isOpen: boolean;
}

/** @throws UnlikeHistogramsError when units differ, one has no values, or no common buckets exist; the message says which */
export function compareHistograms(before: Histogram, after: Histogram): HistogramDifference {
  const { title, labels, unit } = after;
  const what = `cannot compare ${JSON.stringify(before.title)} with ${JSON.stringify(title)}`;
  if (before.unit !== unit) {
    throw new UnlikeHistogramsError(`${what}: units differ, ${nameOf(before.unit)} and ${nameOf(unit)}`);
  }
  const common = commonScale(before, after);
  if (!common.ok) throw new UnlikeHistogramsError(`${what}: ${common.reason}`);
  const [a, b] = [rebucket(before, common.scale), rebucket(after, common.scale)];
  const [sharesA, sharesB] = [distributionOf(a), distributionOf(b)];
  if (sharesA === undefined || sharesB === undefined) {
    throw new UnlikeHistogramsError(`${what}: the ${sharesA === undefined ? 'first' : 'second'} has no values`);
  }
  return {
    title,
    labels,
    unit,
    scale: common.scale,
    before: { count: countOf(before), quantiles: quantiles(before, PERCENTS) },
    after: { count: countOf(after), quantiles: quantiles(after, PERCENTS) },
    rows: differenceRows(a, b),
    distance: distanceBetween(sharesA, sharesB),
    isOpen: sharesA.isOpen || sharesB.isOpen,
  };
}

export interface HistogramSetDifference {
  /** In the order of `after`. */
  readonly pairs: readonly HistogramDifference[];
  readonly refused: readonly { readonly title: string; readonly labels: LabelSet; readonly reason: string }[];
  readonly onlyBefore: readonly Histogram[];
  readonly onlyAfter: readonly Histogram[];
}

/** Pairs are histograms of one title, labels and unit, of one grid where there are several; what cannot be paired or compared is told. */
export function compareHistogramSets(
  before: readonly Histogram[],
  after: readonly Histogram[],
): HistogramSetDifference {
  const left = new Set(before);
  const pairs: HistogramDifference[] = [];
  const refused: { title: string; labels: LabelSet; reason: string }[] = [];
  const onlyAfter: Histogram[] = [];
  for (const histogram of after) {
    const alike = [...left].filter((other) => histogramKey(other) === histogramKey(histogram));
    const partner = alike.find((other) => gridOf(other.scale) === gridOf(histogram.scale)) ?? alike[0];
    if (partner === undefined) {
      onlyAfter.push(histogram);
      continue;
    }
    left.delete(partner);
    try {
      pairs.push(compareHistograms(partner, histogram));
    } catch (error) {
      if (!(error instanceof UnlikeHistogramsError)) throw error;
      refused.push({ title: histogram.title, labels: histogram.labels, reason: error.message });
    }
  }
  return { pairs, refused, onlyBefore: [...left], onlyAfter };
}

function nameOf(unit: string): string {
  return unit === '' ? 'one without a unit' : unit;
}

/** Both in the same buckets. */
function differenceRows(a: Histogram, b: Histogram): DifferenceRow[] {
  const bounds = scaleRange(a.scale);
  const counts = new Map<number, { to: number; before: number; after: number }>();
  const add = (side: 'before' | 'after', from: number, to: number, count: number): void => {
    if (count === 0) return;
    const row = counts.get(from) ?? { to, before: 0, after: 0 };
    row[side] += count;
    counts.set(from, row);
  };
  for (const [side, histogram] of [['before', a] as const, ['after', b] as const]) {
    add(side, Number.NEGATIVE_INFINITY, bounds.from, histogram.underflow);
    for (const { from, to, count } of histogram.buckets) add(side, from, to, count);
    add(side, bounds.end, Number.POSITIVE_INFINITY, histogram.overflow);
  }
  const [countA, countB] = [countOf(a), countOf(b)];
  return [...counts]
    .sort(([x], [y]) => x - y)
    .map(([from, { to, before, after }]) => {
      const [beforeShare, afterShare] = [before / countA, after / countB];
      return {
        from,
        to,
        before,
        after,
        change: after - before,
        beforeShare,
        afterShare,
        shareChange: afterShare - beforeShare,
      };
    });
}
