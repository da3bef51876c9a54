// What the rows of a printed histogram say: its scale and its exact buckets, or what is wrong with them. SystemTap's own rules:
// runtime/stat-common.c (_stp_stat_print_histogram_buf, _stp_bucket_to_val) and runtime/stat.h.
//
//   @hist_log      a row `v` counts  0: [0,1)   v > 0: [v, 2v)   v < 0, mirrored: [-(2v-1), -v+1), so -1: [-1,0), -2: [-3,-1), -4: [-7,-3)
//   @hist_linear   a row `v` counts [v, v+step); `<v` what is below the first, `>v` what is above the row `v`, the last
//   ` ~`           stands for rows of zeros; two rows of zeros at least stand before and behind it
//   margins        two rows of zeros before the first and behind the last row that counts, fewer only where the scale ends
import type { Bucket, Scale } from '../../../profile/histogram.js';

export interface PrintedRow {
  readonly kind: 'value' | 'under' | 'over';
  /** The value as printed. */
  readonly text: string;
  readonly count: number;
  /** A ` ~` stands before it. */
  readonly isAfterGap: boolean;
  /** Line of the output. */
  readonly line: number;
}

export type RowReading =
  | {
      readonly isWhole: true;
      readonly scale: Scale;
      /** What the rows themselves show of the scale; `from` undefined: it may begin before the first row. */
      readonly shown: ShownScale;
      readonly buckets: readonly Bucket[];
      readonly underflow: number;
      readonly overflow: number;
    }
  /** What is wrong, and in which line. */
  | { readonly isWhole: false; readonly problem: string; readonly line: number };

export type ShownScale =
  | { readonly kind: 'log2' }
  | { readonly kind: 'linear'; readonly from: number | undefined; readonly step: number };

type LinearScale = Scale & { readonly kind: 'linear' };

/** Rows of zeros that stap shows around those that count: fixed in _stp_stat_print_histogram_buf. */
const MARGIN = 2;
const LOG_BUCKETS = 128;
const LOG_ZERO = 64;

/**
 * Read rows in the order printed. `scale` is the one that the script told, if it did; where it did not, rows 0, 1, 2 of
 * which only the first counts are read as log2 (they could be linear with step 1: the buckets are equal).
 */
export function readRows(rows: readonly PrintedRow[], scale?: Scale): RowReading {
  const first = rows[0];
  if (first === undefined) return { isWhole: false, problem: 'it has no rows', line: 0 };
  if (!rows.some((row) => row.count > 0)) return wrong(first, 'no row counts anything');
  const gap = wrongGap(rows);
  if (gap !== undefined) return gap;
  if (scale?.kind === 'linear') return readLinear(rows, scale);
  const log = readLog(rows);
  if (log.isWhole || scale?.kind === 'log2') return log;
  const linear = readLinear(rows);
  // Of two complaints, that of the scale that the rows follow further.
  return linear.isWhole || linear.line > log.line ? linear : log;
}

/** Around a ` ~` there are rows of zeros: others would have been lost with it. */
function wrongGap(rows: readonly PrintedRow[]): RowReading | undefined {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    if (!row.isAfterGap) continue;
    const around = rows.slice(Math.max(0, i - MARGIN), i + MARGIN);
    const isClear = i >= MARGIN && i + MARGIN <= rows.length && around.every(({ count }) => count === 0);
    if (!isClear) return wrong(row, `rows are missing around the ~ before ${row.text}`);
  }
  return undefined;
}

function readLog(rows: readonly PrintedRow[]): RowReading {
  const indices: number[] = [];
  for (const row of rows) {
    const index = row.kind === 'value' ? LOG_INDEX.get(row.text) : undefined;
    if (index === undefined) return wrong(row, `${row.text} is no bound of a log2 histogram`);
    const before = indices.length === 0 ? undefined : indices[indices.length - 1];
    if (before !== undefined && (row.isAfterGap ? index < before + 2 : index !== before + 1)) {
      return wrong(row, outOfOrder(row));
    }
    indices.push(index);
  }
  const firstCounted = rows.findIndex((row) => row.count > 0);
  const lastCounted = rows.findLastIndex((row) => row.count > 0);
  const [low, high] = logMargins(indices[firstCounted], indices[lastCounted]);
  if (indices[0] !== low) return wrong(rows[0], `rows are missing before ${rows[0].text}`);
  const last = rows[rows.length - 1];
  if (indices[indices.length - 1] !== high) return wrong(last, `rows are missing after ${last.text}`);
  const buckets: Bucket[] = [];
  for (let i = firstCounted; i <= lastCounted; i++) {
    const { from, to } = LOG_BOUNDS[indices[i]];
    if (rows[i].count > 0) buckets.push({ from, to, count: rows[i].count });
  }
  return { isWhole: true, scale: { kind: 'log2' }, shown: { kind: 'log2' }, buckets, underflow: 0, overflow: 0 };
}

/** The first and the last row that stap prints around the first and the last that count: it does not go below 0 without need. */
function logMargins(firstCounted: number, lastCounted: number): [number, number] {
  let low = firstCounted;
  for (let i = 0; i < MARGIN; i++) if (low !== LOG_ZERO && low > 0) low--;
  return [low, Math.min(lastCounted + MARGIN, LOG_BUCKETS - 1)];
}

function readLinear(rows: readonly PrintedRow[], told?: LinearScale): RowReading {
  const values: number[] = [];
  for (const row of rows) {
    const value = Number(row.text);
    if (!Number.isSafeInteger(value) || String(value) !== row.text) {
      return wrong(row, `${row.text} is no whole number below 2^53`);
    }
    values.push(value);
  }
  const step = told?.step ?? stepOf(rows, values);
  if (step === undefined) return wrong(rows[0], 'it has one row only, so the width of its buckets is not known');
  let from: number | undefined;
  let to: number | undefined;
  for (const [i, row] of rows.entries()) {
    const problem = misplaced(rows, values, i, step);
    if (problem !== undefined) return wrong(row, problem);
    if (row.kind !== 'value') continue;
    from ??= values[i];
    to = values[i];
  }
  if (from === undefined || to === undefined) return wrong(rows[0], 'it has no row between under- and overflow');
  const scale: LinearScale = told ?? { kind: 'linear', from, to, step };
  const beyond = scaleProblem(rows, from, to, scale);
  if (beyond !== undefined) return beyond;
  const buckets: Bucket[] = [];
  for (let i = 0; i < rows.length; i++) {
    const { kind, count } = rows[i];
    if (kind === 'value' && count > 0) buckets.push({ from: values[i], to: values[i] + step, count });
  }
  const countOf = (kind: PrintedRow['kind']) => rows.find((row) => row.kind === kind)?.count ?? 0;
  const isAtStart = told !== undefined || rows.findIndex((row) => row.count > 0) < MARGIN;
  const shown: ShownScale = { kind: 'linear', from: isAtStart ? scale.from : undefined, step };
  return { isWhole: true, scale, shown, buckets, underflow: countOf('under'), overflow: countOf('over') };
}

function stepOf(rows: readonly PrintedRow[], values: readonly number[]): number | undefined {
  const at = rows.findIndex(
    (row, i) => i > 0 && row.kind === 'value' && rows[i - 1].kind === 'value' && !row.isAfterGap,
  );
  return at < 0 ? undefined : values[at] - values[at - 1];
}

function misplaced(rows: readonly PrintedRow[], values: readonly number[], i: number, step: number) {
  const row = rows[i];
  if (step <= 0) return outOfOrder(row);
  if (row.kind === 'under') {
    if (i !== 0 || rows[1]?.isAfterGap === true || values[1] !== values[0]) return outOfOrder(row);
    return row.count === 0 ? 'an underflow of 0 is not printed' : undefined;
  }
  if (row.kind === 'over') {
    if (i !== rows.length - 1 || row.isAfterGap || values[i - 1] !== values[i]) return outOfOrder(row);
    return row.count === 0 ? 'an overflow of 0 is not printed' : undefined;
  }
  if (i === 0 || rows[i - 1].kind === 'under') return undefined;
  const difference = values[i] - values[i - 1];
  const isNext = row.isAfterGap ? difference >= 2 * step && difference % step === 0 : difference === step;
  return isNext ? undefined : outOfOrder(row);
}

/** Whether rows are missing at the ends, as far as the margins and the scale that the script told (if any) can say. */
function scaleProblem(
  rows: readonly PrintedRow[],
  from: number,
  to: number,
  scale: LinearScale,
): RowReading | undefined {
  const first = rows[0];
  const last = rows[rows.length - 1];
  const zerosBefore = rows.findIndex((row) => row.count > 0);
  const zerosAfter = rows.length - 1 - rows.findLastIndex((row) => row.count > 0);
  if (zerosBefore > MARGIN || zerosAfter > MARGIN) {
    return wrong(last, 'it has more rows of zeros at its ends than stap prints');
  }
  const end = scale.from + Math.floor((scale.to - scale.from) / scale.step) * scale.step;
  const startsAtEdge = from === scale.from;
  const endsAtEdge = to === end;
  if (from < scale.from || (from - scale.from) % scale.step !== 0) {
    return wrong(first, `${first.text} is no bound of the scale that its header tells`);
  }
  if (to > end) return wrong(last, `${last.text} is beyond the scale that its header tells`);
  if ((first.kind === 'under' || zerosBefore < MARGIN) && !startsAtEdge) {
    return wrong(first, `rows are missing before ${first.text}`);
  }
  if ((last.kind === 'over' || zerosAfter < MARGIN) && !endsAtEdge) {
    return wrong(last, `rows are missing after ${last.text}`);
  }
  return undefined;
}

function outOfOrder(row: PrintedRow): string {
  return `the row ${row.text} is not the one that has to follow`;
}

function wrong(row: PrintedRow, problem: string): RowReading {
  return { isWhole: false, problem, line: row.line };
}

/** _stp_bucket_to_val. */
function logValue(index: number): bigint {
  if (index === LOG_ZERO) return 0n;
  return index < LOG_ZERO ? -(1n << BigInt(LOG_ZERO - 1 - index)) : 1n << BigInt(index - LOG_ZERO - 1);
}

const LOG_INDEX: ReadonlyMap<string, number> = new Map(
  Array.from({ length: LOG_BUCKETS }, (_, index) => [String(logValue(index)), index]),
);

/** Beyond 2^53 bounds are the nearest doubles; they stay in order, and -2^63 (stap's last) is [-2^64, -2^63). */
const LOG_BOUNDS: readonly { readonly from: number; readonly to: number }[] = Array.from(
  { length: LOG_BUCKETS },
  (_, index) => {
    const value = logValue(index);
    if (value === 0n) return { from: 0, to: 1 };
    return value > 0n
      ? { from: Number(value), to: Number(value * 2n) }
      : { from: Number(value * 2n + 1n), to: Number(value + 1n) };
  },
);
