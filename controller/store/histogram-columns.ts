// Histograms over time as a compressed blob of columns: texts, keys and scales once, buckets side by side.
import { z } from 'zod';
import type { Bucket, Histogram } from '../../profile/histogram.js';
import type { HistogramPoint, HistogramSeries } from '../../profile/histogram-series.js';
import { packJson, RowReader, TextRows, unpackJson } from './packed-json.js';

const numbers = z.array(z.number());
const maybeNumbers = z.array(z.number().nullable());
const columnsSchema = z.object({
  texts: z.array(z.string()),
  interval: z.number(),
  /** Kind, count, detail; texts by their row. */
  losses: z.array(z.tuple([z.number(), z.number(), z.number()])),
  /** What histograms are of: title and unit, the labels (key, value, key, value, …), and for a linear scale from, to and step. */
  keys: z.array(
    z.object({
      title: z.number(),
      unit: z.number(),
      labels: numbers,
      linear: z.tuple([z.number(), z.number(), z.number()]).optional(),
    }),
  ),
  /** One entry per point: */
  time: numbers,
  key: numbers,
  buckets: numbers,
  underflow: numbers,
  overflow: numbers,
  sum: maybeNumbers,
  min: maybeNumbers,
  max: maybeNumbers,
  /** One entry per bucket, point after point: */
  from: numbers,
  to: numbers,
  count: numbers,
});
type Columns = z.infer<typeof columnsSchema>;
type Key = Columns['keys'][number];

export function encodeHistograms({ points, interval, losses }: HistogramSeries): Uint8Array {
  const rows = new TextRows();
  const keys = new Map<string, number>();
  const keyOf = (histogram: Histogram): number => {
    const key = JSON.stringify(toKey(histogram, rows));
    const row = keys.get(key) ?? keys.size;
    keys.set(key, row);
    return row;
  };
  const buckets = points.flatMap(({ histogram }) => histogram.buckets);
  const columns: Columns = {
    interval,
    losses: losses.map((loss) => [rows.row(loss.kind), loss.count, rows.row(loss.detail)]),
    time: points.map(({ time }) => time),
    key: points.map(({ histogram }) => keyOf(histogram)),
    buckets: points.map(({ histogram }) => histogram.buckets.length),
    underflow: points.map(({ histogram }) => histogram.underflow),
    overflow: points.map(({ histogram }) => histogram.overflow),
    sum: points.map(({ histogram }) => histogram.sum ?? null),
    min: points.map(({ histogram }) => histogram.min ?? null),
    max: points.map(({ histogram }) => histogram.max ?? null),
    from: buckets.map(({ from }) => from),
    to: buckets.map(({ to }) => to),
    count: buckets.map(({ count }) => count),
    keys: [...keys.keys()].map((key): Key => JSON.parse(key)),
    texts: rows.texts(),
  };
  return packJson(columns);
}

/** @throws FailureError 'bad-data' */
export function decodeHistograms(data: Uint8Array, where: string): HistogramSeries {
  const columns = unpackJson(data, columnsSchema, where);
  const rows = new RowReader(where);
  const { texts, interval, time, from, to, count } = columns;
  const { key, underflow, overflow, sum, min, max } = columns;
  rows.checkLength(time.length, [key, columns.buckets, underflow, overflow, sum, min, max]);
  rows.checkLength(from.length, [to, count]);
  const buckets = from.map((lower, i): Bucket => ({ from: lower, to: to[i], count: count[i] }));
  let next = 0;
  const points = time.map((at, i): HistogramPoint => {
    const first = next;
    next += columns.buckets[i];
    const histogram: Histogram = {
      ...fromKey(rows.at(columns.keys, key[i]), texts, rows),
      buckets: buckets.slice(first, next),
      underflow: underflow[i],
      overflow: overflow[i],
      ...known('sum', sum[i]),
      ...known('min', min[i]),
      ...known('max', max[i]),
    };
    return { time: at, histogram };
  });
  return { points, interval, losses: rows.losses(columns.losses, texts) };
}

function toKey({ title, unit, labels, scale }: Histogram, rows: TextRows): Key {
  return {
    title: rows.row(title),
    unit: rows.row(unit),
    labels: labels.flatMap(({ key, value }) => [rows.row(key), rows.row(value)]),
    ...(scale.kind === 'linear' ? { linear: [scale.from, scale.to, scale.step] } : {}),
  };
}

function fromKey(
  { title, unit, labels, linear }: Key,
  texts: readonly string[],
  rows: RowReader,
): Pick<Histogram, 'title' | 'unit' | 'labels' | 'scale'> {
  return {
    title: rows.at(texts, title),
    unit: rows.at(texts, unit),
    labels: Array.from({ length: Math.floor(labels.length / 2) }, (_, i) => ({
      key: rows.at(texts, labels[2 * i]),
      value: rows.at(texts, labels[2 * i + 1]),
    })),
    scale:
      linear === undefined ? { kind: 'log2' } : { kind: 'linear', from: linear[0], to: linear[1], step: linear[2] },
  };
}

function known<K extends string>(name: K, value: number | null): Partial<Record<K, number>> {
  return value === null ? {} : ({ [name]: value } as Record<K, number>);
}
