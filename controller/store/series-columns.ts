// A counter series as a compressed blob of columns: texts once, numbers side by side.
import { z } from 'zod';
import type { CounterPoint, CounterSeries, CounterStatus } from '../../profile/counter-series.js';
import type { Loss } from '../../profile/loss.js';
import { packJson, TextRows, unpackJson } from './packed-json.js';

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
  const { texts, time, interval } = columns;
  const points = time.map(
    (_, i): CounterPoint => ({
      time: time[i],
      event: texts[columns.event[i]],
      scope: texts[columns.scope[i]],
      status: statuses[columns.status[i]],
      value: columns.value[i],
      unit: texts[columns.unit[i]],
      runningPercent: columns.running[i],
    }),
  );
  // The texts were losses of this program when they were written.
  const losses = columns.losses.map(([kind, count, detail]) => ({ kind: texts[kind], count, detail: texts[detail] }));
  return { points, interval, losses: losses as Loss[] };
}
