// A histogram over time as a grid of counts: a row per bucket, a column per interval. What terminal and SVG draw.
import { type Histogram, histogramKey, mergeHistograms } from '../../profile/histogram.js';
import { quantile } from '../../profile/histogram-percentiles.js';
import { gridOf } from '../../profile/histogram-scale.js';
import type { HistogramPoint, HistogramSeries } from '../../profile/histogram-series.js';
import type { LabelSet } from '../../profile/profile.js';
import { type AxisRow, axisOf, countsOn } from './histogram-axis.js';

/** Milliseconds since the capture began. */
export interface HeatMapColumn {
  readonly start: number;
  readonly end: number;
  readonly count: number;
  /** Best guesses, in the unit of the values; undefined where the column has none. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
}

export interface HeatMap {
  readonly title: string;
  readonly labels: LabelSet;
  readonly unit: string;
  /** Lowest values first. */
  readonly rows: readonly AxisRow[];
  readonly columns: readonly HeatMapColumn[];
  /** Row by row: `counts[row * columns.length + column]`; adds up to `total`. */
  readonly counts: Float64Array;
  readonly total: number;
  /** Greatest of the counts. */
  readonly most: number;
  /** Length of one interval in milliseconds, 0 when unknown; more than 1 interval in a column where there are too many. */
  readonly interval: number;
  readonly intervalsPerColumn: number;
  readonly bucketsPerRow: number;
}

export interface HeatMapOptions {
  /** Neighbours are joined beyond. Default 400, at least 1. */
  readonly maxColumns?: number;
  /** Default 64, at least 4. */
  readonly maxRows?: number;
}

/** One per title, labels, unit and grid of scale, sorted by those; all have the same columns. Empty for a series without points. */
export function heatMaps(series: HistogramSeries, options: HeatMapOptions = {}): HeatMap[] {
  const { maxColumns = 400, maxRows = 64 } = options;
  const times = columnsOf(series, maxColumns);
  const groups = new Map<string, HistogramPoint[]>();
  for (const point of series.points) {
    const key = `${histogramKey(point.histogram)} ${gridOf(point.histogram.scale)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [point]);
    else group.push(point);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, points]) => heatMapOf(points, times, series.interval, maxRows));
}

interface Columns {
  readonly bounds: readonly { readonly start: number; readonly end: number }[];
  readonly indexOf: (time: number) => number;
  readonly intervalsPerColumn: number;
}

function heatMapOf(points: readonly HistogramPoint[], times: Columns, interval: number, maxRows: number): HeatMap {
  const axis = axisOf(
    points.map(({ histogram }) => histogram),
    maxRows,
  );
  const lists: Histogram[][] = times.bounds.map(() => []);
  for (const { time, histogram } of points) lists[times.indexOf(time)].push(histogram);
  const width = times.bounds.length;
  const counts = new Float64Array(axis.rows.length * width);
  const columns = times.bounds.map((bounds, column): HeatMapColumn => {
    const [merged] = mergeHistograms([lists[column]]);
    if (merged === undefined) return { ...bounds, count: 0, p50: undefined, p99: undefined };
    let count = 0;
    for (const [row, value] of countsOn(axis, merged).entries()) {
      counts[row * width + column] = value;
      count += value;
    }
    return { ...bounds, count, p50: quantile(merged, 50)?.value, p99: quantile(merged, 99)?.value };
  });
  const { title, labels, unit } = points[0].histogram;
  return {
    title,
    labels,
    unit,
    rows: axis.rows,
    columns,
    counts,
    total: columns.reduce((sum, column) => sum + column.count, 0),
    most: counts.reduce((most, count) => Math.max(most, count), 0),
    interval,
    intervalsPerColumn: times.intervalsPerColumn,
    bucketsPerRow: axis.bucketsPerRow,
  };
}

/** Intervals without a point are columns too: nothing happened in them. Without an interval, a column per distinct time. */
function columnsOf({ points, interval }: HistogramSeries, maxColumns: number): Columns {
  if (interval > 0) {
    const last = points.reduce((latest, { time }) => Math.max(latest, Math.ceil(time / interval)), 1);
    const perColumn = Math.ceil(last / maxColumns);
    const length = interval * perColumn;
    return {
      bounds: Array.from({ length: Math.ceil(last / perColumn) }, (_, i) => ({
        start: i * length,
        end: (i + 1) * length,
      })),
      indexOf: (time) => Math.max(0, Math.ceil(time / interval / perColumn) - 1),
      intervalsPerColumn: perColumn,
    };
  }
  const times = [...new Set(points.map(({ time }) => time))].sort((a, b) => a - b);
  const perColumn = Math.max(1, Math.ceil(times.length / maxColumns));
  const places = new Map(times.map((time, i) => [time, Math.floor(i / perColumn)]));
  const ends = times.filter((_, i) => i % perColumn === perColumn - 1 || i === times.length - 1);
  return {
    bounds: ends.map((end, i) => ({ start: ends[i - 1] ?? 0, end })),
    indexOf: (time) => places.get(time) ?? 0,
    intervalsPerColumn: perColumn,
  };
}

/** 0 for nothing, else 1 to `levels`, by the logarithm: tails of a few values show beside peaks of millions. */
export function shadeOf(count: number, most: number, levels: number): number {
  if (count <= 0) return 0;
  const share = most <= 1 ? 1 : Math.log(count) / Math.log(most);
  return Math.max(1, Math.min(levels, Math.ceil(share * levels)));
}

/** Least count that has the shade. */
export function leastOfShade(shade: number, most: number, levels: number): number {
  if (shade <= 1) return 1;
  let least = Math.max(1, Math.floor(most ** ((shade - 1) / levels)) - 1);
  while (least < most && shadeOf(least, most, levels) < shade) least++;
  return least;
}
