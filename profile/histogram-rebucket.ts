// A histogram counted again in wider buckets, exactly or not at all.
import { type Bucket, type Histogram, UnlikeHistogramsError } from './histogram.js';
import { gridOf, type Scale, scaleRange, scaleText } from './histogram-scale.js';

/**
 * The same values in the buckets of `scale`; no value is guessed: each bucket must lie in one of the new ones or outside of all. So
 * new steps are multiples of the old ones with bounds that meet, and underflow must stay below the new range, overflow above it.
 *
 * @throws UnlikeHistogramsError where a bucket would have to be split, or where values outside may lie inside the new range
 */
export function rebucket(histogram: Histogram, scale: Scale): Histogram {
  if (gridOf(histogram.scale) === gridOf(scale) && scale.kind === 'log2') return histogram;
  if (histogram.scale.kind === 'log2' || scale.kind === 'log2') {
    throw cannot(histogram, scale, 'buckets of powers of two and of equal steps do not fit in each other');
  }
  const own = scaleRange(histogram.scale);
  const { from, end } = scaleRange(scale);
  if (histogram.underflow > 0 && from < own.from) {
    throw cannot(histogram, scale, `${histogram.underflow} values below ${own.from} may lie inside`);
  }
  if (histogram.overflow > 0 && end > own.end) {
    throw cannot(histogram, scale, `${histogram.overflow} values from ${own.end} on may lie inside`);
  }
  let { underflow, overflow } = histogram;
  const counts = new Map<number, number>();
  for (const bucket of histogram.buckets) {
    const first = from + Math.floor((bucket.from - from) / scale.step) * scale.step;
    const last = from + Math.floor((bucket.to - 1 - from) / scale.step) * scale.step;
    if (bucket.to <= from) underflow += bucket.count;
    else if (bucket.from >= end) overflow += bucket.count;
    else if (first === last) counts.set(first, (counts.get(first) ?? 0) + bucket.count);
    else throw cannot(histogram, scale, `the bucket from ${bucket.from} to ${bucket.to} would have to be split`);
  }
  const buckets = [...counts]
    .sort(([a], [b]) => a - b)
    .map(([lower, count]): Bucket => ({ from: lower, to: lower + scale.step, count }));
  return { ...histogram, scale, buckets, underflow, overflow };
}

function cannot({ title, scale }: Histogram, wanted: Scale, why: string): UnlikeHistogramsError {
  return new UnlikeHistogramsError(
    `cannot count ${JSON.stringify(title)} (${scaleText(scale)}) in buckets of ${scaleText(wanted)}: ${why}`,
  );
}
