// Histograms and series of them, written as they are thought of: `draw('1:2 4:1')` has two values of 1 and one from 4 up.
import type { Histogram } from '../../profile/histogram.js';
import type { HistogramPoint, HistogramSeries } from '../../profile/histogram-series.js';

/** Log2 buckets as `from:count`, in order. */
export function drawHistogram(buckets: string, change: Partial<Histogram> = {}): Histogram {
  return {
    ...{ title: 'latency', labels: [], unit: 'ns', scale: { kind: 'log2' }, underflow: 0, overflow: 0 },
    buckets: buckets.split(' ').flatMap((text) => {
      if (text === '') return [];
      const [from, count] = text.split(':').map(Number);
      return [{ from, to: Math.max(1, 2 * from), count }];
    }),
    ...change,
  };
}

export function drawPoint(time: number, buckets: string, change: Partial<Histogram> = {}): HistogramPoint {
  return { time, histogram: drawHistogram(buckets, change) };
}

/** One point per interval of a second. */
export function drawSeries(...intervals: readonly string[]): HistogramSeries {
  return { points: intervals.map((buckets, i) => drawPoint(1000 * (i + 1), buckets)), interval: 1000, losses: [] };
}
