// A histogram as shares on an axis of equal steps, and how far apart two of them are.
import { countOf, type Histogram, type Scale } from './histogram.js';
import { scaleRange } from './histogram-scale.js';

/**
 * Where the buckets lie, counted in steps: on a log2 scale one step is a doubling (0 at 0, 1 at 1, 2 to 3 at 2, …, negative values
 * mirrored), on a linear one the scale's step. Sorted, as many as there are buckets with values, underflow and overflow as one step
 * beyond the range.
 */
export interface Distribution {
  readonly position: readonly number[];
  /** Share of all values, above 0; adds up to 1. */
  readonly share: readonly number[];
  /** Values outside the range count as if they were just outside: distances are least distances. */
  readonly isOpen: boolean;
}

/** Undefined when there are no values. */
export function distributionOf(histogram: Histogram): Distribution | undefined {
  const { scale, buckets, underflow, overflow } = histogram;
  const count = countOf(histogram);
  if (count === 0) return undefined;
  const { from, end } = scaleRange(scale);
  const rows = buckets.map((bucket) => ({ position: positionOf(scale, bucket), count: bucket.count }));
  if (underflow > 0) rows.unshift({ position: positionOf(scale, { from, to: from }) - 1, count: underflow });
  if (overflow > 0) rows.push({ position: positionOf(scale, { from: end, to: end }), count: overflow });
  return {
    position: rows.map((row) => row.position),
    share: rows.map((row) => row.count / count),
    isOpen: underflow + overflow > 0,
  };
}

/** Whole steps from the bucket of 0; equal for equal buckets of one grid, whatever the range of the scale. */
function positionOf(scale: Scale, { from, to }: { readonly from: number; readonly to: number }): number {
  if (scale.kind === 'linear') return Math.floor(from / scale.step);
  if (from === 0) return 0;
  return from > 0 ? Math.round(Math.log2(from)) + 1 : -Math.round(Math.log2(1 - to)) - 1;
}

/** What has to be moved to make one distribution of the other. */
export interface Distance {
  /** Earth mover's (first Wasserstein) distance in steps: how far a value moves in the mean. */
  readonly steps: number;
  /** The same with its sign: above 0 where `b` lies higher. Its absolute value is at most `steps`, and equal if all moves the same way. */
  readonly shift: number;
  /** Kolmogorov-Smirnov distance, 0 to 1: greatest difference of the cumulative shares. */
  readonly greatest: number;
}

/** Of distributions on one grid. Symmetric but for the sign of `shift`; 0 if and only if the shares are equal. */
export function distanceBetween(a: Distribution, b: Distribution): Distance {
  let [steps, shift, greatest] = [0, 0, 0];
  const [cumulativeA, cumulativeB] = [cumulative(a), cumulative(b)];
  const positions = [...new Set([...a.position, ...b.position])].sort((x, y) => x - y);
  for (let i = 0; i + 1 < positions.length; i++) {
    const difference = cumulativeA(positions[i]) - cumulativeB(positions[i]);
    const width = positions[i + 1] - positions[i];
    steps += Math.abs(difference) * width;
    shift += difference * width;
    greatest = Math.max(greatest, Math.abs(difference));
  }
  return { steps, shift, greatest };
}

/** Share of values at or below a position; to be asked in rising order. */
export function cumulative({ position, share }: Distribution): (position: number) => number {
  let next = 0;
  let sum = 0;
  return (at) => {
    while (next < position.length && position[next] <= at) sum += share[next++];
    return Math.min(1, sum);
  };
}
