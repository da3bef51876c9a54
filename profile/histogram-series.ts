// Histograms over time: what a script prints every interval, one point per interval and histogram.
import { type Histogram, mergeHistograms } from './histogram.js';
import { type Loss, mergeLosses } from './loss.js';

export interface HistogramPoint {
  /** End of the interval, milliseconds since the capture began. */
  readonly time: number;
  readonly histogram: Histogram;
}

export interface HistogramSeries {
  /** In order of time. */
  readonly points: readonly HistogramPoint[];
  /** Length of one interval in milliseconds; 0 when printed once, at the end, or not known. */
  readonly interval: number;
  readonly losses: readonly Loss[];
}

export class UnlikeIntervalsError extends Error {
  override readonly name = 'UnlikeIntervalsError';
}

/** No points, any interval: the neutral element. */
export function emptyHistogramSeries(): HistogramSeries {
  return { points: [], interval: 0, losses: [] };
}

/** All intervals of each histogram added up. */
export function histogramTotals(series: HistogramSeries): Histogram[] {
  return mergeHistograms([series.points.map((point) => point.histogram)]);
}

/**
 * Add hosts interval by interval: times are rounded to whole intervals first, then histograms of one time and key are added. So what
 * is left of the last interval stays apart when it is half an interval or longer, and is added to the one before when it is shorter.
 * Without an interval (0) there is nothing to align by: points of several series belong to one, the last; a single series stays as it is.
 *
 * @throws UnlikeIntervalsError when intervals differ
 * @throws UnlikeHistogramsError where histograms of one time and key cannot be added
 */
export function mergeHistogramSeries(list: readonly HistogramSeries[]): HistogramSeries {
  const filled = list.filter((series) => series.points.length > 0);
  const interval = filled[0]?.interval ?? 0;
  const unlike = filled.find((series) => series.interval !== interval);
  if (unlike !== undefined) {
    throw new UnlikeIntervalsError(
      `cannot merge histograms of ${unlike.interval} ms intervals with ones of ${interval} ms`,
    );
  }
  const times = filled.flatMap(({ points }) => points.map(({ time }) => time));
  const last = times.reduce((latest, time) => Math.max(latest, time), 0);
  const timeOf = (time: number): number => {
    if (interval > 0) return Math.max(1, Math.round(time / interval)) * interval;
    return filled.length > 1 ? last : time;
  };
  const byTime = new Map<number, Histogram[][]>();
  for (const { points } of filled) {
    for (const { time, histogram } of points) {
      const end = timeOf(time);
      const lists = byTime.get(end);
      if (lists === undefined) byTime.set(end, [[histogram]]);
      else lists.push([histogram]);
    }
  }
  const points = [...byTime.entries()]
    .sort(([a], [b]) => a - b)
    .flatMap(([time, lists]) => mergeHistograms(lists).map((histogram) => ({ time, histogram })));
  return { points, interval, losses: mergeLosses(list.map((series) => series.losses)) };
}
