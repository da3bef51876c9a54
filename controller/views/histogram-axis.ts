// The rows of a drawn histogram: every bucket between the lowest and the highest that hold values, neighbours joined where they are too many.
import type { Histogram, Scale } from '../../profile/histogram.js';
import { endOfBucket, scaleRange } from '../../profile/histogram-scale.js';

/** Values in `[from, to)`; -Infinity and Infinity for values outside of all buckets. */
export interface AxisRow {
  readonly from: number;
  readonly to: number;
}

export interface Axis {
  /** Sorted, without gaps; underflow first and overflow last, where there are such values. */
  readonly rows: readonly AxisRow[];
  /** Buckets of the scale in one row, 1 or more. */
  readonly bucketsPerRow: number;
}

/**
 * Rows for all of the histograms, which have one grid. Below the highest beginning of a range that values lie under, and above the
 * lowest end of one that they lie over, nothing is told apart, as when they are added. At most `maxRows` (at least 4) besides underflow
 * and overflow, however wide the range is: no work is done per empty bucket of a linear scale.
 */
export function axisOf(histograms: readonly Histogram[], maxRows: number): Axis {
  const scale = histograms[0]?.scale ?? { kind: 'log2' };
  const floor = greatest(histograms.map((one) => (one.underflow > 0 ? scaleRange(one.scale).from : UNBOUNDED_BELOW)));
  const ceiling = Math.max(
    floor,
    least(histograms.map((one) => (one.overflow > 0 ? scaleRange(one.scale).end : UNBOUNDED_ABOVE))),
  );
  const first = least(histograms.map(({ buckets }) => buckets[0]?.from ?? UNBOUNDED_ABOVE));
  const end = greatest(histograms.map(({ buckets }) => buckets.at(-1)?.to ?? UNBOUNDED_BELOW));
  const from = Number.isFinite(floor) && scale.kind === 'linear' ? floor : first;
  const to = Number.isFinite(ceiling) && scale.kind === 'linear' ? ceiling : end;
  const { rows, bucketsPerRow } =
    from < to && Number.isFinite(from) && Number.isFinite(to)
      ? innerRows(scale, from, to, maxRows)
      : { rows: [], bucketsPerRow: 1 };
  return {
    rows: [
      ...(Number.isFinite(floor) ? [{ from: UNBOUNDED_BELOW, to: rows[0]?.from ?? floor }] : []),
      ...rows,
      ...(Number.isFinite(ceiling) ? [{ from: rows.at(-1)?.to ?? ceiling, to: UNBOUNDED_ABOVE }] : []),
    ],
    bucketsPerRow,
  };
}

const UNBOUNDED_BELOW = Number.NEGATIVE_INFINITY;
const UNBOUNDED_ABOVE = Number.POSITIVE_INFINITY;

/** Count of a histogram in each row; adds up to all its values. */
export function countsOn({ rows }: Axis, histogram: Histogram): number[] {
  const counts = new Array<number>(rows.length).fill(0);
  let row = 0;
  for (const bucket of histogram.buckets) {
    while (row < rows.length - 1 && rows[row].to <= bucket.from) row++;
    counts[row] += bucket.count;
  }
  if (histogram.underflow > 0) counts[0] += histogram.underflow;
  if (histogram.overflow > 0) counts[rows.length - 1] += histogram.overflow;
  return counts;
}

function innerRows(scale: Scale, first: number, end: number, maxRows: number): Axis {
  const bounds = scale.kind === 'log2' ? log2Bounds(first, end) : linearBounds(scale.step, first, end, maxRows);
  const bucketsPerRow =
    scale.kind === 'log2' ? Math.ceil((bounds.length - 1) / maxRows) : (bounds[1] - bounds[0]) / scale.step;
  const kept =
    scale.kind === 'log2' ? bounds.filter((_, i) => i % bucketsPerRow === 0 || i === bounds.length - 1) : bounds;
  return { rows: kept.slice(0, -1).map((from, i) => ({ from, to: kept[i + 1] })), bucketsPerRow };
}

/** At most 130: 64-bit integers. The limit holds for bounds that are none of the scale's, too. */
function log2Bounds(first: number, end: number): number[] {
  const bounds = [first];
  for (let from = first; from < end && bounds.length <= 200; bounds.push(from))
    from = endOfBucket({ kind: 'log2' }, from);
  return bounds;
}

/** The last row may be shorter than the others. */
function linearBounds(step: number, first: number, end: number, maxRows: number): number[] {
  const buckets = Math.ceil((end - first) / step);
  const perRow = Math.ceil(buckets / maxRows);
  return Array.from({ length: Math.ceil(buckets / perRow) + 1 }, (_, i) => Math.min(end, first + i * perRow * step));
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}

function greatest(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
}
