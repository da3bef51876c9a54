// Histograms and lines of text on the wire. Reading refuses what no histogram can be.
import type { Bucket, Histogram, Scale } from '../profile/histogram.js';
import type { HistogramPoint } from '../profile/histogram-series.js';
import type { TextLine } from '../profile/text-line.js';
import { defined, oneOf } from './defined.js';
import { fail } from './failure.js';
import type { perftrawl } from './generated/perftrawl.js';

/** A histogram has at most this many buckets: stap's own bound for @hist_linear is 128, log2 has 64 per sign. */
export const MAX_BUCKETS = 1024;

export function histogramToMessage({ time, histogram }: HistogramPoint): perftrawl.v1.HistogramPoint.$Properties {
  const { title, labels, unit, scale, buckets, underflow, overflow, sum, min, max } = histogram;
  return {
    timeMs: time,
    title,
    labels: labels.map(({ key, value }) => ({ key, value })),
    unit,
    scale: scale.kind === 'log2' ? { log2: true } : { linear: { from: scale.from, to: scale.to, step: scale.step } },
    from: buckets.map((bucket) => bucket.from),
    to: buckets.map((bucket) => bucket.to),
    count: buckets.map((bucket) => bucket.count),
    underflow,
    overflow,
    ...(sum === undefined ? {} : { sum }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  };
}

/** @throws FailureError `bad-data` when buckets overlap, are out of order, empty, not whole numbers or too many */
export function histogramFromMessage(message: perftrawl.v1.HistogramPoint.$Properties): HistogramPoint {
  const { timeMs = 0, title = '', unit = '', from = [], to = [], count = [] } = defined(message);
  const { underflow = 0, overflow = 0, sum, min, max } = defined(message);
  const where = `histogram ${JSON.stringify(title.slice(0, 100))}`;
  if (from.length !== to.length || from.length !== count.length || from.length > MAX_BUCKETS) {
    throw fail('bad-data', `${where}: ${from.length} lower bounds, ${to.length} upper bounds, ${count.length} counts`);
  }
  checkCount(timeMs, where, true);
  checkCount(underflow, where);
  checkCount(overflow, where);
  const buckets = from.map((lower, i): Bucket => {
    const bucket = { from: lower, to: to[i], count: count[i] };
    checkCount(bucket.count, where);
    const isAfter = i === 0 || lower >= to[i - 1];
    if (
      !Number.isFinite(bucket.from) ||
      !Number.isFinite(bucket.to) ||
      bucket.to <= lower ||
      bucket.count === 0 ||
      !isAfter
    ) {
      throw fail('bad-data', `${where}: bucket ${i + 1} from ${lower} to ${to[i]} is out of order or empty`);
    }
    return bucket;
  });
  const labels = (message.labels ?? []).map((label) => ({ key: label.key ?? '', value: label.value ?? '' }));
  const scale = scaleFromMessage(message.scale, where);
  const histogram: Histogram = {
    title,
    labels,
    unit,
    scale,
    buckets,
    underflow,
    overflow,
    ...(sum == null ? {} : { sum: finite(sum, where) }),
    ...(min == null ? {} : { min: finite(min, where) }),
    ...(max == null ? {} : { max: finite(max, where) }),
  };
  return { time: timeMs, histogram };
}

function scaleFromMessage(message: perftrawl.v1.Scale.$Properties | null | undefined, where: string): Scale {
  if (message?.linear) {
    const { from = 0, to = 0, step = 0 } = defined(message.linear);
    if (![from, to, step].every(Number.isSafeInteger) || step <= 0 || to < from) {
      throw fail('bad-data', `${where}: a linear scale from ${from} to ${to} by ${step}`);
    }
    return { kind: 'linear', from, to, step };
  }
  if (message?.log2) return { kind: 'log2' };
  throw fail('bad-data', `${where} has no scale that this version knows`, 'update perftrawl on this machine');
}

export function textFromMessage(message: perftrawl.v1.TextLine.$Properties): TextLine {
  const { timeMs = 0, number = 0, stream = '', text = '' } = defined(message);
  checkCount(timeMs, 'a line of text', true);
  return { time: timeMs, number, stream: oneOf(['stdout', 'stderr'] as const, stream, 'stream'), text };
}

function checkCount(value: number, where: string, mayBeFraction = false): void {
  if (!(value >= 0) || !(mayBeFraction ? Number.isFinite(value) : Number.isSafeInteger(value))) {
    throw fail('bad-data', `${where}: ${value} is no count`);
  }
}

function finite(value: number, where: string): number {
  if (!Number.isFinite(value)) throw fail('bad-data', `${where}: ${value} is no number`);
  return value;
}
