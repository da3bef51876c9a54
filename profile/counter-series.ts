// Counters over time: what `perf stat -I` prints, one point per interval, event and (where asked for) CPU.
import type { Loss } from './loss.js';
import { mergeLosses } from './loss.js';

/** `not-counted`: the event never ran in the interval. `not-supported`: this host has no such counter. They are not zeros. */
export type CounterStatus = 'counted' | 'not-counted' | 'not-supported';

export interface CounterPoint {
  /** End of the interval, milliseconds since the capture began. */
  readonly time: number;
  readonly event: string;
  /** What the count belongs to: '' for the whole target, else `CPU3`, a cgroup path, `postgres-1234`. */
  readonly scope: string;
  readonly status: CounterStatus;
  /** 0 unless counted. In `unit`; scaled by perf to the full interval where the event was multiplexed. */
  readonly value: number;
  /** As perf prints it: '' for bare counts, `msec`, `Joules`, … */
  readonly unit: string;
  /** Share of the interval in which the event really ran, 0 to 100. */
  readonly runningPercent: number;
}

export interface CounterSeries {
  /** Sorted by time, then event, then scope. */
  readonly points: readonly CounterPoint[];
  /** Length of one interval in milliseconds. */
  readonly interval: number;
  readonly losses: readonly Loss[];
}

export class UnlikeSeriesError extends Error {
  override readonly name = 'UnlikeSeriesError';
}

/** No points, any interval: the neutral element. */
export function emptySeries(): CounterSeries {
  return { points: [], interval: 0, losses: [] };
}

/**
 * Sum over hosts, interval by interval: the n-th interval of one host is added to the n-th of another (perf's own clock drifts by
 * some milliseconds per interval, so times are aligned to whole intervals first); values of the same interval, event, scope and
 * unit are added. A counted value stays counted whatever the other hosts could not count; the running share of a sum is the least
 * of its parts (the most cautious figure, and associative).
 *
 * @throws UnlikeSeriesError when intervals or units differ
 */
export function mergeSeries(list: readonly CounterSeries[]): CounterSeries {
  const filled = list.filter((series) => series.interval > 0);
  const interval = filled[0]?.interval ?? 0;
  const unlike = filled.find((series) => series.interval !== interval);
  if (unlike !== undefined) {
    throw new UnlikeSeriesError(`cannot merge counters of ${unlike.interval} ms intervals with ones of ${interval} ms`);
  }
  const byKey = new Map<string, CounterPoint>();
  for (const series of filled) {
    for (const point of alignToIntervals(series)) {
      const key = [String(point.time).padStart(16, '0'), point.event, point.scope].join('\0');
      const seen = byKey.get(key);
      byKey.set(key, seen === undefined ? point : addPoints(seen, point));
    }
  }
  const points = [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, point]) => point);
  return { points, interval, losses: mergeLosses(list.map((series) => series.losses)) };
}

/**
 * When a capture ends, perf counts what is left of the last interval apart, often some milliseconds. Less than half an interval is
 * added to the whole one before, or it would pass for one in which next to nothing happened.
 */
export function joinShortRest(series: CounterSeries): CounterSeries {
  const times = [...new Set(series.points.map((point) => point.time))].sort((a, b) => a - b);
  const [before, end] = times.slice(-2);
  if (end === undefined || end - before >= series.interval / 2) return series;
  const keyOf = (point: CounterPoint) => `${point.event}\0${point.scope}`;
  const rests = new Map(series.points.filter((point) => point.time === end).map((point) => [keyOf(point), point]));
  const points: CounterPoint[] = [];
  for (const point of series.points) {
    if (point.time === end) continue;
    const rest = point.time === before ? rests.get(keyOf(point)) : undefined;
    points.push(rest === undefined ? point : withRest(point, rest));
    if (rest !== undefined) rests.delete(keyOf(point));
  }
  for (const rest of rests.values()) points.push({ ...rest, time: before });
  return { ...series, points };
}

/** The whole interval says how much of it the event ran. */
function withRest(whole: CounterPoint, rest: CounterPoint): CounterPoint {
  if (rest.status !== 'counted') return whole;
  if (whole.status !== 'counted') return { ...rest, time: whole.time };
  return { ...whole, value: whole.value + rest.value };
}

/** Points with the n-th distinct time as `n * interval`; times that are whole intervals already stay as they are. */
function alignToIntervals(series: CounterSeries): CounterPoint[] {
  const { points, interval } = joinShortRest(series);
  const times = [...new Set(points.map((point) => point.time))].sort((a, b) => a - b);
  const isAligned = times.every((time) => time > 0 && time % interval === 0);
  const aligned = new Map(times.map((time, n) => [time, isAligned ? time : (n + 1) * interval]));
  return points.map((point) => ({
    ...point,
    time: aligned.get(point.time) ?? point.time,
    unit: point.status === 'counted' ? point.unit : '',
  }));
}

const RANK: Record<CounterStatus, number> = { counted: 2, 'not-counted': 1, 'not-supported': 0 };

function addPoints(a: CounterPoint, b: CounterPoint): CounterPoint {
  if (RANK[a.status] !== RANK[b.status]) return RANK[a.status] > RANK[b.status] ? a : b;
  if (a.status !== 'counted') return a;
  if (a.unit !== b.unit) {
    throw new UnlikeSeriesError(
      `cannot add ${a.event} in ${a.unit || 'counts'} to ${a.event} in ${b.unit || 'counts'}`,
    );
  }
  return { ...a, value: a.value + b.value, runningPercent: Math.min(a.runningPercent, b.runningPercent) };
}
