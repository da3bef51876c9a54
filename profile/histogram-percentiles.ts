// Percentiles of a histogram, each with the bounds that the buckets prove: the values themselves are gone, their order is not.
import { type Bucket, countOf, type Histogram } from './histogram.js';
import { scaleRange } from './histogram-scale.js';

/** A percentile by nearest rank: the least value that `percent` of all values do not exceed. */
export interface Quantile {
  /** 0 to 100. */
  readonly percent: number;
  /** Best guess, in [low, high]: values are taken to lie evenly in their bucket. Where one bound is open, the other one. */
  readonly value: number;
  /** The true percentile is in [low, high]. -Infinity, Infinity: it lies in the underflow, in the overflow, and no min or max is known. */
  readonly low: number;
  readonly high: number;
}

/** The ones that reports show. */
export const PERCENTS: readonly number[] = [50, 90, 99, 99.9];

/** Linear in the buckets; undefined when there are no values. @throws RangeError for a percent outside 0 to 100 */
export function quantile(histogram: Histogram, percent: number): Quantile | undefined {
  if (!(percent >= 0 && percent <= 100)) throw new RangeError(`a percentile is 0 to 100, not ${percent}`);
  const count = countOf(histogram);
  if (count === 0) return undefined;
  const rank = rankOf(percent, count);
  const { min, max } = histogram;
  if (rank === 1 && min !== undefined) return { percent, value: min, low: min, high: min };
  if (rank === count && max !== undefined) return { percent, value: max, low: max, high: max };
  const { from, to, place, size } = bucketAt(histogram, rank);
  // Facts of garbled output may contradict the buckets; the buckets win.
  const low = min !== undefined && min < to ? Math.max(from, min) : from;
  const high = max !== undefined && max >= low ? Math.min(to - 1, max) : to - 1;
  return { percent, value: valueBetween(low, high, (place - 0.5) / size), low, high };
}

export function quantiles(histogram: Histogram, percents: readonly number[] = PERCENTS): Quantile[] {
  return percents.map((percent) => quantile(histogram, percent)).filter((found) => found !== undefined);
}

/** Exact, where the sum is known. */
export function meanOf(histogram: Histogram): number | undefined {
  const count = countOf(histogram);
  return histogram.sum === undefined || count === 0 ? undefined : histogram.sum / count;
}

/** 1 to `count`. Percents have few decimals: without them first, 99.9 % of 1,000 would be the 1,000th for want of exact fractions. */
function rankOf(percent: number, count: number): number {
  const parts = BigInt(Math.round(percent * 1e6)) * BigInt(count);
  return Math.max(1, Number((parts + 99_999_999n) / 100_000_000n));
}

interface Place {
  readonly from: number;
  readonly to: number;
  /** The value is the `place`-th, from 1 on, of `size` values here. */
  readonly place: number;
  readonly size: number;
}

function bucketAt({ scale, buckets, underflow, overflow }: Histogram, rank: number): Place {
  const { from, end } = scaleRange(scale);
  if (rank <= underflow) return { from: Number.NEGATIVE_INFINITY, to: from, place: rank, size: underflow };
  let before = underflow;
  for (const bucket of buckets as readonly Bucket[]) {
    if (rank <= before + bucket.count) {
      return { from: bucket.from, to: bucket.to, place: rank - before, size: bucket.count };
    }
    before += bucket.count;
  }
  return { from: end, to: Number.POSITIVE_INFINITY, place: rank - before, size: overflow };
}

function valueBetween(low: number, high: number, share: number): number {
  if (low === Number.NEGATIVE_INFINITY) return high;
  if (high === Number.POSITIVE_INFINITY) return low;
  return low + (high - low) * share;
}
