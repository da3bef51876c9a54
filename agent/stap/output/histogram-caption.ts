// Which of the lines around a printed histogram belong to it: its title, and the figures of @count and its like.
import { countOf, type Histogram } from '../../../profile/histogram.js';
import type { Label } from '../../../profile/profile.js';
import { type Figures, isClock, isFiguresOnly, readCaption, readColumns, readColumnsRow } from './caption.js';

/** The histogram without its caption. */
export type Body = Pick<Histogram, 'scale' | 'buckets' | 'underflow' | 'overflow'>;

export interface HistogramCaption {
  /** '' when there was none. */
  readonly title: string;
  readonly unit: string;
  readonly labels: readonly Label[];
  /** Those that fit the body; empty when there were none or they were of something else. */
  readonly figures: Figures;
  /** Indices of the lines that the caption says in full: they need not be kept as text. */
  readonly used: ReadonlySet<number>;
}

/**
 * Read the lines directly before a histogram, the last one last. From the end: lines of figures, one title, lines of figures again
 * where none stood below the title.
 */
export function captionOf(lines: readonly string[], body: Body): HistogramCaption {
  const used = new Set<number>();
  const below = figuresBefore(lines, lines.length, body);
  let at = lines.length - below.length;
  let figures = below.fit;
  if (figures !== undefined) markUsed(used, below, at);
  let title = { title: '', unit: '', labels: [] as readonly Label[] };
  if (at > 0 && !isClock(lines[at - 1])) {
    at--;
    const caption = readCaption(lines[at]);
    title = caption;
    const own = Object.keys(caption.figures).length === 0 ? undefined : fitting(caption.figures, body);
    const isSaid = own !== undefined && isInHistogram(own);
    if (caption.isWhole && (Object.keys(caption.figures).length === 0 || isSaid)) used.add(at);
    figures ??= own;
    if (figures === undefined) {
      const above = figuresBefore(lines, at, body);
      figures = above.fit;
      if (figures !== undefined) markUsed(used, above, at - above.length);
    }
  }
  return { title: title.title, unit: title.unit, labels: title.labels, figures: figures ?? {}, used };
}

/** Read lines of figures directly behind a histogram; undefined when they are not (or not only) about it. */
export function figuresBehind(
  lines: readonly string[],
  body: Body,
): { readonly figures: Figures; readonly isWhole: boolean } | undefined {
  const { length, fit, isWhole } = figuresBefore(lines, lines.length, body);
  return length === lines.length && fit !== undefined ? { figures: fit, isWhole } : undefined;
}

/** Whether a line may be one of figures: worth waiting for what the next ones say. */
export function mayBeFigures(line: string): boolean {
  return readColumns(line) !== undefined || isFiguresOnly(readCaption(line));
}

/** The figures if they can be those of the body: equal count, and least and greatest value in its outermost buckets. */
export function fitting(figures: Figures, body: Body): Figures | undefined {
  const { count, min, max, sum, avg } = figures;
  if (count === undefined || count !== countOf({ ...EMPTY, ...body })) return undefined;
  const { buckets, underflow, overflow, scale } = body;
  const first = buckets[0];
  const last = buckets[buckets.length - 1];
  if (min !== undefined) {
    const isInFirst = underflow > 0 ? scale.kind === 'linear' && min < scale.from : isIn(min, first);
    if (!isInFirst && !(underflow === 0 && first === undefined)) return undefined;
  }
  if (max !== undefined) {
    const isInLast = overflow > 0 ? scale.kind === 'linear' && max > scale.to : isIn(max, last);
    if (!isInLast && !(overflow === 0 && last === undefined)) return undefined;
  }
  if (min !== undefined && max !== undefined && min > max) return undefined;
  if (sum !== undefined && !isPossibleSum(sum, count, figures, body)) return undefined;
  if (avg !== undefined && sum !== undefined && Math.abs(avg * count - sum) > Math.max(count, Math.abs(sum) * 1e-9))
    return undefined;
  return figures;
}

interface FigureLines {
  /** How many lines. */
  readonly length: number;
  readonly fit: Figures | undefined;
  /** For each of them, whether the figures say it in full. */
  readonly whole: readonly boolean[];
  readonly isWhole: boolean;
}

const EMPTY = { title: '', labels: [], unit: '' };

function figuresBefore(lines: readonly string[], end: number, body: Body): FigureLines {
  let figures: Figures = {};
  const whole: boolean[] = [];
  let at = end;
  while (at > 0) {
    const columns = at >= 2 ? readColumns(lines[at - 2]) : undefined;
    const row = columns === undefined ? undefined : readColumnsRow(lines[at - 1], columns);
    if (row !== undefined) {
      figures = { ...row, ...figures };
      whole.unshift(isInHistogram(row), isInHistogram(row));
      at -= 2;
      continue;
    }
    const caption = readCaption(lines[at - 1]);
    if (!isFiguresOnly(caption)) break;
    figures = { ...caption.figures, ...figures };
    whole.unshift(caption.isWhole);
    at--;
  }
  const fit = whole.length === 0 ? undefined : fitting(figures, body);
  const isSaid = fit !== undefined && isInHistogram(fit);
  return {
    length: whole.length,
    fit,
    whole: whole.map((isWhole) => isWhole && isSaid),
    isWhole: isSaid && whole.every(Boolean),
  };
}

/** A histogram holds sum, least and greatest; the mean follows from sum and count, and is lost without the sum. */
function isInHistogram({ avg, sum }: Figures): boolean {
  return avg === undefined || sum !== undefined;
}

function markUsed(used: Set<number>, { whole }: FigureLines, from: number): void {
  for (const [i, isWhole] of whole.entries()) if (isWhole) used.add(from + i);
}

function isIn(value: number, bucket: { readonly from: number; readonly to: number } | undefined): boolean {
  return bucket !== undefined && value >= bucket.from && value < bucket.to;
}

/** The sum lies between what the buckets allow at least and at most; beyond 2^53 the bounds are rounded, so nothing is refused there. */
function isPossibleSum(
  sum: number,
  count: number,
  { min, max }: Figures,
  { buckets, underflow, overflow }: Body,
): boolean {
  let least = 0;
  let most = 0;
  for (const bucket of buckets) {
    least += bucket.count * bucket.from;
    most += bucket.count * (bucket.to - 1);
  }
  if (underflow > 0) least = Number.NEGATIVE_INFINITY;
  if (overflow > 0) most = Number.POSITIVE_INFINITY;
  if (min !== undefined) least = Math.max(least, min * count);
  if (max !== undefined) most = Math.min(most, max * count);
  const isRounded = Math.abs(least) > Number.MAX_SAFE_INTEGER || Math.abs(most) > Number.MAX_SAFE_INTEGER;
  return isRounded || (sum >= least && sum <= most);
}
