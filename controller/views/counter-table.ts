// Counters at a glance: one row per event and scope with least, mean, greatest, last and a sparkline. What was not counted is not 0.
import { type CounterPoint, type CounterSeries, joinShortRest } from '../../profile/counter-series.js';
import { valueText } from './number-text.js';
import { printable } from './printable.js';
import { sparkline } from './sparkline.js';
import { textTable } from './text-table.js';

export interface CounterRow {
  readonly event: string;
  /** '' for the whole target. */
  readonly scope: string;
  readonly unit: string;
  /** `not-counted`, `not-supported`: in every interval. */
  readonly status: CounterPoint['status'];
  /** Over the intervals that were counted; all undefined when none was. */
  readonly min: number | undefined;
  readonly mean: number | undefined;
  readonly max: number | undefined;
  readonly sum: number | undefined;
  /** Of the last interval; undefined when that was not counted. */
  readonly last: number | undefined;
  /** Values in order of time; undefined where not counted. */
  readonly values: readonly (number | undefined)[];
  readonly notCounted: number;
  readonly notSupported: number;
  /** Least share of an interval in which the event ran, 0 to 100; below 100 the values are scaled estimates. */
  readonly runningPercent: number;
}

/** Rows in the order in which events and scopes first appear. Linear in the points. */
export function counterTable(series: CounterSeries): CounterRow[] {
  const groups = new Map<string, CounterPoint[]>();
  for (const point of joinShortRest(series).points) {
    const key = `${point.event}\0${point.scope}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [point]);
    else group.push(point);
  }
  return [...groups.values()].map(counterRow);
}

export interface CounterTableTextOptions {
  /** Characters of the sparkline. Default 40. */
  readonly sparklineWidth?: number;
}

/** The table as text, with perf's own words for what could not be counted. */
export function counterTableText(series: CounterSeries, options: CounterTableTextOptions = {}): string {
  const rows = counterTable(series);
  const hasScopes = rows.some((row) => row.scope !== '');
  const columns = [
    { heading: 'event', align: 'left' },
    ...(hasScopes ? [{ heading: 'of', align: 'left' } as const] : []),
    { heading: 'min', align: 'right' },
    { heading: 'mean', align: 'right' },
    { heading: 'max', align: 'right' },
    { heading: 'last', align: 'right' },
    { heading: 'unit', align: 'left' },
    { heading: 'ran', align: 'right' },
    { heading: `every ${series.interval} ms`, align: 'left' },
  ] as const;
  return textTable(
    columns,
    rows.map((row) => [
      printable(row.event),
      ...(hasScopes ? [printable(row.scope)] : []),
      ...cells(row),
      row.unit === '' ? 'count' : printable(row.unit),
      row.status === 'counted' ? `${valueText(Math.floor(row.runningPercent))}%` : '-',
      note(row, sparkline(row.values, { width: options.sparklineWidth ?? 40 })),
    ]),
  );
}

function counterRow(points: readonly CounterPoint[]): CounterRow {
  const values = points.map((point) => (point.status === 'counted' ? point.value : undefined));
  const counted = points.filter((point) => point.status === 'counted');
  const notCounted = points.filter((point) => point.status === 'not-counted').length;
  const facts = {
    event: points[0].event,
    scope: points[0].scope,
    values,
    notCounted,
    notSupported: points.length - counted.length - notCounted,
  };
  if (counted.length === 0) {
    const nothing = { min: undefined, mean: undefined, max: undefined, sum: undefined, last: undefined };
    const status = notCounted > 0 ? 'not-counted' : 'not-supported';
    return { ...facts, ...nothing, status, unit: points[0].unit, runningPercent: 0 };
  }
  const sum = counted.reduce((total, point) => total + point.value, 0);
  return {
    ...facts,
    status: 'counted',
    unit: counted[0].unit,
    min: counted.reduce((least, point) => Math.min(least, point.value), Number.POSITIVE_INFINITY),
    mean: sum / counted.length,
    max: counted.reduce((greatest, point) => Math.max(greatest, point.value), Number.NEGATIVE_INFINITY),
    sum,
    last: values.at(-1),
    runningPercent: counted.reduce((least, point) => Math.min(least, point.runningPercent), 100),
  };
}

function cells(row: CounterRow): string[] {
  if (row.status !== 'counted') return ['-', `<${row.status.replace('-', ' ')}>`, '-', '-'];
  return [row.min, row.mean, row.max, row.last].map((value) =>
    value === undefined ? '<not counted>' : valueText(value),
  );
}

/** The sparkline, and how many intervals are missing from it. */
function note(row: CounterRow, line: string): string {
  if (row.status !== 'counted') return '';
  const missing = [
    row.notCounted > 0 ? `${row.notCounted} <not counted>` : '',
    row.notSupported > 0 ? `${row.notSupported} <not supported>` : '',
  ].filter((part) => part !== '');
  return [line, ...missing].join('  ');
}
