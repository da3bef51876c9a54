// The newest interval of each histogram on each host, for the redrawn view.
import { countOf, type Histogram, histogramKey } from '../../profile/histogram.js';
import type { HistogramPoint } from '../../profile/histogram-series.js';
import { histogramLine } from '../views/histogram-text.js';
import { shorten } from './render/fit-table.js';

/** A script may have thousands of keys, and a fleet thousands of hosts. */
const MOST_ROWS = 5_000;

export class LiveHistograms {
  readonly #rows = new Map<string, { readonly host: string; readonly time: number; readonly histogram: Histogram }>();
  #left = 0;

  add(host: string, points: readonly HistogramPoint[]): void {
    for (const { time, histogram } of points) {
      const key = `${host}\0${histogramKey(histogram)}`;
      if (!this.#rows.has(key) && this.#rows.size >= MOST_ROWS) this.#left++;
      else this.#rows.set(key, { host, time, histogram });
    }
  }

  /** Those with the most values first; nothing before the first point. */
  lines(width: number, most: number): string[] {
    const rows = [...this.#rows.values()].sort((a, b) => countOf(b.histogram) - countOf(a.histogram));
    const lines = rows.slice(0, most).map((row) => shorten(pointLine(row.host, row), width));
    const more = rows.length - lines.length + this.#left;
    return more === 0 ? lines : [...lines, `… and ${more} more histograms`];
  }
}

/** `web1  10.000 s  fault_type=MINOR  n 1,234  p50 1.2 µs  p99 14 µs`. */
export function pointLine(host: string, { time, histogram }: HistogramPoint): string {
  return `${host}  ${(time / 1000).toFixed(3)} s  ${histogramLine(histogram)}`;
}
