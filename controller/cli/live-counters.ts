// Counters as they arrive, summed over hosts interval by interval (or host by host), for the redrawn view.
import type { CounterPoint } from '../../profile/counter-series.js';
import type { Milliseconds } from '../../proto/capture.js';
import { valueText } from '../views/number-text.js';
import { sparkline } from '../views/sparkline.js';
import { fitTable } from './render/fit-table.js';

/** Intervals kept per row; more would not fit a terminal. */
const MOST_INTERVALS = 120;
const SPARK_WIDTH = 30;

interface Row {
  readonly host: string;
  readonly event: string;
  unit: string;
  isSupported: boolean;
  total: number;
  /** By number of the interval, oldest first. */
  readonly intervals: Map<number, number>;
}

export class LiveCounters {
  readonly #rows = new Map<string, Row>();
  readonly #isPerHost: boolean;

  constructor(isPerHost: boolean) {
    this.#isPerHost = isPerHost;
  }

  add(host: string, counters: { readonly interval: Milliseconds; readonly points: readonly CounterPoint[] }): void {
    for (const point of counters.points) {
      const row = this.#row(this.#isPerHost ? host : '', point);
      if (point.status !== 'counted') continue;
      row.isSupported = true;
      row.unit = point.unit;
      row.total += point.value;
      const interval = Math.round(point.time / Math.max(1, counters.interval));
      row.intervals.set(interval, (row.intervals.get(interval) ?? 0) + point.value);
      if (row.intervals.size > MOST_INTERVALS) row.intervals.delete(Math.min(...row.intervals.keys()));
    }
  }

  /** A table, or nothing before the first point. */
  lines(width: number): string[] {
    if (this.#rows.size === 0) return [];
    const rows = [...this.#rows.values()].map((row) => {
      const values = [...row.intervals].sort(([a], [b]) => a - b).map(([, value]) => value);
      const last = row.isSupported ? valueText(values.at(-1) ?? 0) : '<not supported>';
      const cells = [
        row.event,
        last,
        row.isSupported ? valueText(row.total) : '',
        row.unit,
        sparkline(values.slice(-SPARK_WIDTH), { width: SPARK_WIDTH }),
      ];
      return this.#isPerHost ? [row.host, ...cells] : cells;
    });
    return fitTable(
      [
        ...(this.#isPerHost ? [{ heading: 'HOST' }] : []),
        { heading: 'EVENT', isFlexible: true },
        { heading: 'LAST INTERVAL', align: 'right' },
        { heading: 'SO FAR', align: 'right' },
        { heading: 'UNIT' },
        { heading: '' },
      ],
      rows,
      width,
    );
  }

  #row(host: string, point: CounterPoint): Row {
    const key = `${host}\0${point.event}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = { host, event: point.event, unit: '', isSupported: false, total: 0, intervals: new Map() };
      this.#rows.set(key, row);
    }
    return row;
  }
}
