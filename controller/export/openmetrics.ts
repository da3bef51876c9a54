// Histograms as OpenMetrics text, for Prometheus and everything that reads its format: totals of the whole capture, by host.
// https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
import { countOf, type Histogram } from '../../profile/histogram.js';
import { gridOf, scaleRange, scaleText } from '../../profile/histogram-scale.js';
import { histogramTotals } from '../../profile/histogram-series.js';
import { decimalText } from './decimal-text.js';
import type { ExportParts } from './exporter.js';
import { type HistogramExport, namedLabels } from './histogram-json.js';

/**
 * A metric family of type histogram per title and unit, named `perftrawl_TITLE_UNIT` in base units (seconds, bytes). `le` is the
 * greatest value of a bucket, exact: values are whole numbers of the script's unit, so the bucket [1024, 2048) ns ends at
 * 0.000002047 s. All series of a family have the same bounds. `_sum` and `_count` where the sum is known and no value can be
 * negative, as the format wants it; the bucket of `+Inf` always has the count. Underflow is in the first bucket, overflow in `+Inf` only.
 */
export function* openMetricsText({ jobId, merged, hosts }: HistogramExport): ExportParts {
  const sources = hosts.length > 0 ? hosts : [{ host: '', series: merged }];
  const families = new Map<string, Family>();
  for (const { host, series } of sources) {
    for (const histogram of histogramTotals(series)) {
      const { name, unit } = familyName(histogram);
      const family = families.get(name) ?? { name, unit, titles: new Set(), members: [] };
      if (family.members.length === 0) families.set(name, family);
      if (family.unit !== unit) family.unit = '';
      family.titles.add(histogram.title);
      family.members.push({ histogram, labels: labelsOf(histogram, jobId, host) });
    }
  }
  for (const family of [...families.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) yield familyText(family);
  yield '# EOF\n';
}

interface Family {
  readonly name: string;
  /** '' where there is none, or members differ. */
  unit: string;
  readonly titles: Set<string>;
  readonly members: { readonly histogram: Histogram; readonly labels: readonly Label[] }[];
}

type Label = readonly [name: string, value: string];

/** Powers of ten from a script's unit to the base unit, and that unit's name. */
const BASE_UNITS: Readonly<Record<string, { readonly unit: string; readonly exponent: number } | undefined>> =
  Object.assign(Object.create(null), {
    ns: { unit: 'seconds', exponent: -9 },
    us: { unit: 'seconds', exponent: -6 },
    µs: { unit: 'seconds', exponent: -6 },
    ms: { unit: 'seconds', exponent: -3 },
    s: { unit: 'seconds', exponent: 0 },
    seconds: { unit: 'seconds', exponent: 0 },
    B: { unit: 'bytes', exponent: 0 },
    bytes: { unit: 'bytes', exponent: 0 },
  });

/** Ends of the names of samples: a family called like a sample of another one would make the file invalid. */
const SAMPLE_NAME = /_(bucket|count|sum|total|created|info|gcount|gsum)$/;

function familyName({ title, unit }: Histogram): { name: string; unit: string } {
  const base = BASE_UNITS[unit]?.unit ?? metricWord(unit);
  const stem = `perftrawl_${metricWord(title) || 'histogram'}`;
  if (base !== '' && !SAMPLE_NAME.test(`_${base}`)) {
    return { name: stem.endsWith(`_${base}`) ? stem : `${stem}_${base}`, unit: base };
  }
  return { name: SAMPLE_NAME.test(stem) ? `${stem}_value` : stem, unit: '' };
}

function metricWord(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 100);
}

function labelsOf({ labels }: Histogram, jobId: string, host: string): Label[] {
  const own: Label[] = [
    ...(jobId === '' ? [] : [['job', jobId] as const]),
    ...(host === '' ? [] : [['host', host] as const]),
  ];
  const used = new Set(['le', 'job', 'host', 'variant']);
  for (const [key, value] of namedLabels(labels)) {
    // Names that begin with two underscores are the reader's own.
    const word =
      key
        .replace(/[^a-zA-Z0-9]+/g, '_')
        .replace(/^_+/, '')
        .replace(/^(?=[0-9])/, '_') || 'key';
    let name = used.has(word) ? `exported_${word}` : word;
    for (let n = 2; used.has(name); n++) name = `exported_${word}_${n}`;
    used.add(name);
    own.push([name, value]);
  }
  return own;
}

function familyText({ name, unit, titles, members }: Family): string {
  // No quotation marks: the older text format of Prometheus has no escape for them here.
  const help = escaped(
    [...titles]
      .map((title) => title || 'histogram')
      .join('; ')
      .replaceAll('"', "'"),
  );
  const lines = [
    `# TYPE ${name} histogram`,
    ...(unit === '' ? [] : [`# UNIT ${name} ${unit}`]),
    `# HELP ${name} ${help}`,
  ];
  const bounds = boundsByKey(members.map(({ histogram }) => histogram));
  const seen = new Map<string, number>();
  for (const { histogram, labels } of members) {
    const key = labelText(labels);
    const nth = (seen.get(key) ?? 0) + 1;
    seen.set(key, nth);
    // Other buckets or another spelling of the same names: told apart, because equal series would make the file invalid.
    const own: Label[] = nth === 1 ? [...labels] : [...labels, ['variant', `${scaleText(histogram.scale)} #${nth}`]];
    lines.push(...seriesLines(name, histogram, own, bounds.get(boundsKey(histogram)) ?? []));
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Histograms of one unit and grid have the same bounds, so that they can be added up again. */
function boundsKey({ unit, scale }: Histogram): string {
  return `${unit} ${gridOf(scale)}`;
}

/** Where buckets begin and end, rising; not the 0 that only non-negative values begin at, for nothing is below. */
function boundsByKey(histograms: readonly Histogram[]): Map<string, number[]> {
  const byKey = new Map<string, Set<number>>();
  for (const histogram of histograms) {
    const { scale, buckets, underflow } = histogram;
    const bounds = byKey.get(boundsKey(histogram)) ?? new Set();
    byKey.set(boundsKey(histogram), bounds);
    // Values are whole: below a bound that is none means at or below the whole number before it.
    for (const { from, to } of buckets) {
      bounds.add(Math.ceil(to));
      if (from !== 0) bounds.add(Math.ceil(from));
    }
    if (underflow > 0) bounds.add(scaleRange(scale).from);
  }
  return new Map([...byKey].map(([key, bounds]) => [key, [...bounds].sort((a, b) => a - b)]));
}

function seriesLines(
  name: string,
  histogram: Histogram,
  labels: readonly Label[],
  bounds: readonly number[],
): string[] {
  const { scale, buckets, underflow, overflow, unit, sum } = histogram;
  const { exponent } = BASE_UNITS[unit] ?? { exponent: 0 };
  const range = scaleRange(scale);
  const lines: string[] = [];
  let count = underflow;
  let next = 0;
  for (const bound of bounds) {
    // Another host's range may be wider; how many of our values outside of our own lie below such a bound is not known.
    if ((underflow > 0 && bound < range.from) || (overflow > 0 && bound > range.end)) continue;
    while (next < buckets.length && buckets[next].to <= bound) count += buckets[next++].count;
    const le = decimalText(BigInt(bound) - 1n, exponent);
    lines.push(`${name}_bucket${labelText([...labels, ['le', le]])} ${count}`);
  }
  const total = countOf(histogram);
  lines.push(`${name}_bucket${labelText([...labels, ['le', '+Inf']])} ${total}`);
  const hasNegative = (bounds[0] ?? 0) <= 0 || underflow > 0;
  if (sum === undefined || !Number.isSafeInteger(sum) || sum < 0 || hasNegative) return lines;
  return [
    ...lines,
    `${name}_count${labelText(labels)} ${total}`,
    `${name}_sum${labelText(labels)} ${decimalText(BigInt(sum), exponent)}`,
  ];
}

function labelText(labels: readonly Label[]): string {
  return labels.length === 0 ? '' : `{${labels.map(([name, value]) => `${name}="${escaped(value)}"`).join(',')}}`;
}

/** Valid UTF-8 on one line. A carriage return, which some readers take for a line end, becomes a space. */
function escaped(text: string): string {
  return text
    .replace(/\p{Cs}/gu, '\ufffd')
    .replaceAll('\r', ' ')
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('"', '\\"');
}
