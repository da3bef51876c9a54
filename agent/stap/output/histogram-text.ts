// One histogram while its lines come: header, rows, ` ~`, the empty line that ends it. A row that stap would not print so is told.
//
//   value |-------------------------------------------------- count       columns of `value` and `count` grow with the numbers;
//       1 |@@@@                                                   4       the bar has count / scale letters, rounded down,
//         ~                                                               scale = greatest count / width, rounded up;
//   >1000 |                                                       0       all rows are equally long
import type { PrintedRow } from './histogram-rows.js';

/** Where the bars begin and how wide they are, as the header says. */
export interface HistogramHeader {
  readonly bar: number;
  readonly width: number;
}

export type RowResult = 'taken' | 'ended' | { readonly problem: string };

const header = /^( *)value \|(-+) count$/;
const HEADER_END = ' count';

/** Undefined when the line is no header. */
export function readHeader(line: string): HistogramHeader | undefined {
  if (!line.endsWith(HEADER_END)) return undefined;
  const match = header.exec(line);
  return match === null ? undefined : { bar: match[1].length + 'value |'.length, width: match[2].length };
}

export class HistogramText {
  readonly line: number;
  readonly rows: PrintedRow[] = [];
  readonly #header: HistogramHeader;
  readonly #mostRows: number;
  readonly #bars: number[] = [];
  readonly #lengths: number[] = [];
  #isAfterGap = false;

  /** `line`: of the header; `mostRows`: a bound on the rows that are kept. */
  constructor(header: HistogramHeader, line: number, mostRows: number) {
    this.#header = header;
    this.line = line;
    this.#mostRows = mostRows;
  }

  push(text: string, line: number): RowResult {
    if (text === '') return this.#isAfterGap ? { problem: 'it ends after a ~' } : 'ended';
    if (text.endsWith(' ~')) return this.#pushGap(text);
    const row = readRow(text);
    if (row === undefined) return { problem: 'neither a row of it nor the empty line that ends it' };
    const { sign, value, bar, count } = row;
    // stap's column is one too narrow for some `>`: that row is one longer
    const shift = Math.max(0, sign.length + value.length + ' |'.length - this.#header.bar);
    if (row.barStart !== this.#header.bar + shift) return { problem: 'the row does not stand in its columns' };
    if (!Number.isSafeInteger(count)) return { problem: `the count ${count} is above 2^53` };
    if (this.rows.length >= this.#mostRows) return { problem: `it has more than ${this.#mostRows} rows` };
    const kind = sign === '<' ? 'under' : sign === '>' ? 'over' : 'value';
    this.rows.push({ kind, text: value, count, isAfterGap: this.#isAfterGap, line });
    this.#bars.push(bar);
    this.#lengths.push(text.length - shift);
    this.#isAfterGap = false;
    return 'taken';
  }

  /** Whether bars and columns fit the counts, once all rows are there: a digit that was lost shows here. */
  check(): { readonly problem: string; readonly line: number } | undefined {
    const { bar, width } = this.#header;
    const greatest = this.rows.reduce((most, { count }) => Math.max(most, count), 0);
    const length = bar + width + 1 + String(greatest).length;
    const scale = greatest <= width ? 1 : Math.ceil(greatest / width);
    // stap's own scale is a C int: above it, it draws bars of any length
    const hasTrueBars = scale < 2 ** 31;
    const at = this.rows.findIndex(
      ({ count }, i) => this.#lengths[i] !== length || (hasTrueBars && this.#bars[i] !== Math.floor(count / scale)),
    );
    if (at < 0) return undefined;
    const { count, line } = this.rows[at];
    return { problem: `the row of count ${count} does not fit its bar and the other rows`, line };
  }

  /**
   * Whether the first column is as wide as these rows need: a wider one tells of rows that were lost, which may have stood behind a ` ~`.
   * stap's own sums, for a linear scale by its start and its last row; where the start is not among the rows (`from` undefined), nothing is told.
   */
  hasItsWidth(
    scale:
      | { readonly kind: 'log2' }
      | { readonly kind: 'linear'; readonly from: number | undefined; readonly step: number },
  ): boolean {
    const first = this.rows[0];
    const last = this.rows[this.rows.length - 1];
    const width = this.#header.bar - ' |'.length;
    const least = 'value'.length;
    if (first === undefined || last === undefined) return false;
    if (scale.kind === 'log2') return width === Math.max(least, first.text.length, last.text.length);
    if (scale.from === undefined) return true;
    const under = first.kind === 'under' ? 1 : 0;
    const over = last.kind === 'over' ? 1 : 0;
    const end = Number(last.text) + scale.step * (1 + over);
    return width === Math.max(least, String(scale.from).length + under, String(end).length + over);
  }

  #pushGap(text: string): RowResult {
    if (text.trim() !== '~' || text.length !== this.#header.bar || this.#isAfterGap || this.rows.length === 0) {
      return { problem: 'a ~ out of place' };
    }
    this.#isAfterGap = true;
    return 'taken';
  }
}

interface RowText {
  readonly sign: '' | '<' | '>';
  readonly value: string;
  readonly barStart: number;
  /** Length. */
  readonly bar: number;
  readonly count: number;
}

const SPACE = 0x20;
const AT = 0x40;
const LESS = 0x3c;
const GREATER = 0x3e;
const MINUS = 0x2d;
const MOST_DIGITS = 19;

/** `  [<>]VALUE |@@@   COUNT`, read by hand: rows are most of what a script prints. */
function readRow(text: string): RowText | undefined {
  const barStart = text.indexOf('|') + 1;
  if (barStart < 3 || text.charCodeAt(barStart - 2) !== SPACE) return undefined;
  let at = 0;
  while (text.charCodeAt(at) === SPACE) at++;
  const first = text.charCodeAt(at);
  const sign = first === LESS ? '<' : first === GREATER ? '>' : '';
  if (sign !== '') at++;
  const value = text.slice(at, barStart - 2);
  const digits = text.charCodeAt(at) === MINUS ? at + 1 : at;
  if (!isNumber(text, digits, barStart - 2)) return undefined;
  let barEnd = barStart;
  while (text.charCodeAt(barEnd) === AT) barEnd++;
  let countStart = barEnd;
  while (text.charCodeAt(countStart) === SPACE) countStart++;
  if (countStart === barEnd || !isNumber(text, countStart, text.length)) return undefined;
  return { sign, value, barStart, bar: barEnd - barStart, count: Number(text.slice(countStart)) };
}

function isNumber(text: string, start: number, end: number): boolean {
  if (end <= start || end - start > MOST_DIGITS) return false;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}
