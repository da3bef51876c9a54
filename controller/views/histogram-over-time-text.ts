// Histograms over time as numbers: a row of percentiles per interval, and their course at a glance.
import { countOf, type Histogram, histogramKey } from '../../profile/histogram.js';
import { quantile } from '../../profile/histogram-percentiles.js';
import { gridOf } from '../../profile/histogram-scale.js';
import type { HistogramPoint, HistogramSeries } from '../../profile/histogram-series.js';
import { quantityText } from './histogram-quantity.js';
import { histogramName, histogramTableText, type TextOptions } from './histogram-text.js';
import { withCommas } from './number-text.js';
import { sparkline } from './sparkline.js';

/** Per key its name, sparklines of count, p50 and p99 from 0 up, and a table with a row per interval; every line ends in \n. */
export function overTimeText(series: HistogramSeries, options: TextOptions): string {
  const groups = new Map<string, HistogramPoint[]>();
  for (const point of series.points) {
    const key = `${histogramKey(point.histogram)} ${gridOf(point.histogram.scale)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [point]);
    else group.push(point);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, points]) => groupText(points, series.interval, options))
    .join('\n');
}

function groupText(points: readonly HistogramPoint[], interval: number, options: TextOptions): string {
  const every = interval === 0 ? '' : ` every ${quantityText(interval, 'ms')}`;
  const { unit } = points[0].histogram;
  const courses = [
    { name: 'count', of: countOf, text: withCommas },
    { name: 'p50', of: percentileOf(50), text: (value: number) => quantityText(value, unit, options) },
    { name: 'p99', of: percentileOf(99), text: (value: number) => quantityText(value, unit, options) },
  ].map(({ name, of, text }) => {
    const values = valuesOverTime(points, interval, of);
    const known = values.filter((value) => value !== undefined);
    if (known.length === 0) return `  ${name.padEnd(5)}  -\n`;
    const [least, greatest] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
    const line = options.ascii === true ? '' : `  ${sparkline(values, { width: Math.min(60, options.width - 40) })}`;
    const range = least === greatest ? text(least) : `${text(least)} to ${text(greatest)}`;
    return `  ${name.padEnd(5)}${line}  ${range}\n`;
  });
  // The name stands above; the rows need only their time.
  const rows = points.map(({ histogram }): Histogram => ({ ...histogram, title: '', labels: [] }));
  const texts = points.map(({ time }) => quantityText(time, 'ms', options));
  const table = histogramTableText(rows, { ...options, first: { heading: 'until', texts } });
  return `${histogramName(points[0].histogram)}${every}\n${courses.join('')}${table.replace(/^(?=.)/gm, '  ')}`;
}

function percentileOf(percent: number): (histogram: Histogram) => number | undefined {
  return (histogram) => quantile(histogram, percent)?.value;
}

/** Intervals in which nothing was seen are gaps; at most so many that a line can show. */
function valuesOverTime(
  points: readonly HistogramPoint[],
  interval: number,
  of: (histogram: Histogram) => number | undefined,
): (number | undefined)[] {
  const last = interval === 0 ? 0 : Math.round((points.at(-1)?.time ?? 0) / interval);
  if (last === 0 || last > 10_000) return points.map(({ histogram }) => of(histogram));
  const values = new Array<number | undefined>(last).fill(undefined);
  for (const { time, histogram } of points) values[Math.max(1, Math.round(time / interval)) - 1] = of(histogram);
  return values;
}
