// Histograms as JSON and CSV for scripts and spreadsheets; documented in docs/json-export.md.
import { countOf, type Histogram } from '../../profile/histogram.js';
import { meanOf, quantiles } from '../../profile/histogram-percentiles.js';
import { scaleRange } from '../../profile/histogram-scale.js';
import { type HistogramSeries, histogramTotals } from '../../profile/histogram-series.js';
import type { LabelSet } from '../../profile/profile.js';
import { csvText } from './csv-text.js';
import type { ExportParts } from './exporter.js';

/** What is exported: the sum of all hosts, and each host's own part where it is known. */
export interface HistogramExport {
  /** '' where there is no job, such as for a file. */
  readonly jobId: string;
  readonly merged: HistogramSeries;
  /** May be empty. Together they add up to `merged`. */
  readonly hosts: readonly { readonly host: string; readonly series: HistogramSeries }[];
}

/** One histogram as a plain object, every count exact. Open bounds and what is not known are null. */
export function histogramValue(histogram: Histogram): Readonly<Record<string, unknown>> {
  const { title, labels, unit, scale, buckets, underflow, overflow, sum, min, max } = histogram;
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    title,
    labels: Object.fromEntries(namedLabels(labels)),
    unit,
    scale,
    count: countOf(histogram),
    buckets,
    underflow,
    overflow,
    sum: sum ?? null,
    min: min ?? null,
    max: max ?? null,
    mean: meanOf(histogram) ?? null,
    percentiles: quantiles(histogram).map(({ percent, value, low, high }) => ({
      percent,
      value: finite(value),
      low: finite(low),
      high: finite(high),
    })),
  };
}

/** `perftrawl-histograms`: totals of the whole time, then every interval, merged and by host; one histogram per line. */
export function* histogramJson({ jobId, merged, hosts }: HistogramExport): ExportParts {
  const head = {
    format: 'perftrawl-histograms',
    version: 1,
    job: jobId,
    intervalMs: merged.interval,
    losses: merged.losses,
  };
  yield `${JSON.stringify(head, undefined, 1).slice(0, -2)},\n`;
  const sources = [{ host: null, series: merged }, ...hosts];
  yield* rows('totals', totalsOf(sources));
  yield ',\n';
  yield* rows('points', pointsOf(sources));
  yield '\n}\n';
}

/**
 * RFC 4180, with CRLF and a heading; a row per bucket that holds values. Underflow has no `from`, overflow no `to`. By host where
 * hosts are known, else merged: no value is in two rows.
 */
export function* histogramCsv({ merged, hosts }: HistogramExport): ExportParts {
  const sources = hosts.length > 0 ? hosts : [{ host: '', series: merged }];
  const keys = new Set<string>();
  for (const { series } of sources) {
    for (const { histogram } of series.points) for (const [key] of namedLabels(histogram.labels)) keys.add(key);
  }
  const headings = [...keys].sort().map((key) => csvText(`label_${key}`));
  yield `${['time_ms', 'host', 'title', 'unit', 'scale', ...headings, 'from', 'to', 'count'].join(',')}\r\n`;
  for (const { host, series } of sources) {
    for (const { time, histogram } of series.points) {
      const labels = new Map(namedLabels(histogram.labels));
      const texts = [
        host,
        histogram.title,
        histogram.unit,
        histogram.scale.kind,
        ...[...keys].sort().map((key) => labels.get(key) ?? ''),
      ];
      const first = [String(time), ...texts.map(csvText)].join(',');
      const { underflow, overflow, buckets, scale } = histogram;
      const range = scaleRange(scale);
      let text = underflow > 0 ? `${first},,${range.from},${underflow}\r\n` : '';
      for (const { from, to, count } of buckets) text += `${first},${from},${to},${count}\r\n`;
      if (overflow > 0) text += `${first},${range.end},,${overflow}\r\n`;
      if (text !== '') yield text;
    }
  }
}

/** Labels by distinct names: a script may leave a key without a name (`key`), or use a name twice (`name_2`). */
export function namedLabels(labels: LabelSet): [key: string, value: string][] {
  const used = new Set<string>();
  return labels.map(({ key, value }) => {
    const name = key === '' ? 'key' : key;
    let free = name;
    for (let n = 2; used.has(free); n++) free = `${name}_${n}`;
    used.add(free);
    return [free, value];
  });
}

type Sources = readonly { readonly host: string | null; readonly series: HistogramSeries }[];

function* totalsOf(sources: Sources): Generator<unknown> {
  for (const { host, series } of sources) {
    for (const histogram of histogramTotals(series)) {
      yield { host, intervalMs: series.interval, ...histogramValue(histogram) };
    }
  }
}

function* pointsOf(sources: Sources): Generator<unknown> {
  for (const { host, series } of sources) {
    for (const { time, histogram } of series.points) {
      yield { timeMs: time, host, intervalMs: series.interval, ...histogramValue(histogram) };
    }
  }
}

function* rows(name: string, values: Iterable<unknown>): Generator<string> {
  yield ` ${JSON.stringify(name)}: [`;
  let isFirst = true;
  for (const value of values) {
    yield `${isFirst ? '' : ','}\n  ${JSON.stringify(value)}`;
    isFirst = false;
  }
  yield isFirst ? ']' : '\n ]';
}
