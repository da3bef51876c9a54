// A counter series as a compressed blob of columns: texts once, numbers side by side.
import { z } from 'zod';
import type { CounterPoint, CounterSeries, CounterStatus } from '../../profile/counter-series.js';
import { packJson, RowReader, TextRows, unpackJson } from './packed-json.js';

const numbers = z.array(z.number());
const columnsSchema = z.object({
  texts: z.array(z.string()),
  interval: z.number(),
  /** One entry per loss: kind and detail are row numbers of `texts`. */
  losses: z.array(z.tuple([z.number(), z.number(), z.number()])),
  time: numbers,
  event: numbers,
  scope: numbers,
  status: numbers,
  value: numbers,
  unit: numbers,
  running: numbers,
});
type Columns = z.infer<typeof columnsSchema>;

const statuses: readonly CounterStatus[] = ['counted', 'not-counted', 'not-supported'];

export function encodeSeries(series: CounterSeries): Uint8Array {
  const rows = new TextRows();
  const row = (text: string): number => rows.row(text);
  const { points } = series;
  const columns: Columns = {
    interval: series.interval,
    losses: series.losses.map((loss) => [row(loss.kind), loss.count, row(loss.detail)]),
    time: points.map((point) => point.time),
    event: points.map((point) => row(point.event)),
    scope: points.map((point) => row(point.scope)),
    status: points.map((point) => statuses.indexOf(point.status)),
    value: points.map((point) => point.value),
    unit: points.map((point) => row(point.unit)),
    running: points.map((point) => point.runningPercent),
    texts: [],
  };
  return packJson({ ...columns, texts: rows.texts() });
}

/** @throws FailureError 'bad-data' */
export function decodeSeries(data: Uint8Array, where: string): CounterSeries {
  const columns = unpackJson(data, columnsSchema, where);
  const rows = new RowReader(where);
  const { texts, time, interval, event, scope, status, value, unit, running } = columns;
  rows.checkLength(time.length, [event, scope, status, value, unit, running]);
  const points = time.map(
    (at, i): CounterPoint => ({
      time: at,
      event: rows.at(texts, event[i]),
      scope: rows.at(texts, scope[i]),
      status: rows.at(statuses, status[i]),
      value: value[i],
      unit: rows.at(texts, unit[i]),
      runningPercent: running[i],
    }),
  );
  return { points, interval, losses: rows.losses(columns.losses, texts) };
}
