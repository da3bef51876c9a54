// What a line beside a histogram or a stack says about it: title, unit, labels, and the figures of @count, @min, @max, @avg, @sum.
// Conservative: words stay words unless they have one of these forms:
//
//   type=MINOR   op="a b"        a label; the figures below are never labels, they change from interval to interval
//   count=12 min: 3 max 9        figures: whole line of them when written with blanks, `name=` or `name:` anywhere
//   reads[sda,3]                 title `reads`, labels key1=sda key2=3: a script's array element
//   latency (us)  [ns]  in microseconds    the unit
//   == title ==  title:          decoration is left out
import type { Label } from '../../../profile/profile.js';

/** What @count and its like print; integers as printed, below 2^53. */
export interface Figures {
  readonly count?: number;
  readonly sum?: number;
  readonly min?: number;
  readonly max?: number;
  readonly avg?: number;
}

export interface Caption {
  readonly title: string;
  /** '' when the line does not say. */
  readonly unit: string;
  /** Sorted by key. */
  readonly labels: readonly Label[];
  readonly figures: Figures;
  /** Title, unit, labels and figures say all that the line says: decoration apart. */
  readonly isWhole: boolean;
}

type FigureName = keyof Figures;

const FIGURES: Readonly<Record<string, FigureName>> = {
  count: 'count',
  n: 'count',
  samples: 'count',
  events: 'count',
  hits: 'count',
  calls: 'count',
  times: 'count',
  entries: 'count',
  sum: 'sum',
  total: 'sum',
  min: 'min',
  minimum: 'min',
  max: 'max',
  maximum: 'max',
  avg: 'avg',
  average: 'avg',
  mean: 'avg',
};
/** Figures that a histogram does not hold: they are no labels either. */
const OTHER_FIGURES = /^(?:var|variance|stddev|std|median|p\d{1,4})$/;

const UNITS: Readonly<Record<string, string>> = {
  ns: 'ns',
  nsec: 'ns',
  nsecs: 'ns',
  nanoseconds: 'ns',
  us: 'us',
  µs: 'us',
  usec: 'us',
  usecs: 'us',
  microseconds: 'us',
  ms: 'ms',
  msec: 'ms',
  msecs: 'ms',
  milliseconds: 'ms',
  s: 's',
  sec: 's',
  secs: 's',
  seconds: 's',
  bytes: 'bytes',
  byte: 'bytes',
  kb: 'KiB',
  kib: 'KiB',
  pages: 'pages',
  cycles: 'cycles',
};

const MOST_LABELS = 16;
const LONGEST = 512;

const pair = /(?<![\w.\]-])@?([A-Za-z_][\w.-]{0,63})=("[^"]*"|[^\s,;()[\]"]+)/g;
const figureWithColon = /(?<![\w.@-])@?([A-Za-z]{1,10}\d{0,4}): ?(-?\d{1,19})(?![\w.:])/g;
const figurePair = /^@?([A-Za-z]{1,10}\d{0,4})[ \t]*[=: \t][ \t]*(-?\d{1,19})$/;
const unitInBrackets = /[([]([A-Za-zµ]{1,12})[)\]]/;
const unitInWords = /\bin (nanoseconds|microseconds|milliseconds|seconds|bytes|pages|cycles|[nµum]s|[num]secs?)\b/;
const arrayElement = /^([^[\]]*)\[(.{1,200})\]$/;
const elementKeys = /\s*("(?:[^"\\]|\\.)*"|[^",[\]]+)\s*(?:,|$)/y;
const decorated = /^(?:[=*#+~-]{2,}|[#*>])\s*|\s*(?:[=*#+~-]{2,}|\*)$/g;

/** Scripts print the same few titles again and again. */
const MOST_KNOWN = 256;
const known = new Map<string, Caption>();

/** Read one line. Never fails: a line that has none of the forms is a title as it stands. */
export function readCaption(line: string): Caption {
  const seen = known.get(line);
  if (seen !== undefined) return seen;
  const caption = parseCaption(line);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(line, caption);
  return caption;
}

function parseCaption(line: string): Caption {
  const text = line.slice(0, LONGEST).trim();
  const bare = text.replace(decorated, '').trim();
  const found = new FiguresFound();
  if (found.readAll(bare)) return { title: '', unit: '', labels: [], ...found.result() };
  const labels = new Map<string, string>();
  let isWhole = line.trim().length <= LONGEST;
  const label = (key: string, value: string) => {
    if (labels.has(key) || labels.size >= MOST_LABELS) isWhole = false;
    else labels.set(key, value);
  };
  let rest = bare.replace(pair, (_, name: string, given: string) => {
    const value = given.startsWith('"') ? given.slice(1, -1) : given;
    if (!found.take(name, value)) label(name, value);
    return '';
  });
  rest = rest.replace(figureWithColon, (whole, name: string, value: string) => (found.take(name, value) ? '' : whole));
  if (rest !== bare) rest = rest.replace(/[\s,;]+/g, ' ');
  const unit = unitOf(rest);
  if (unit !== '') rest = rest.replace(unitInBrackets, (whole, word) => (unitNamed(word) === unit ? '' : whole));
  rest = tidy(rest);
  const element = arrayElement.exec(rest);
  const keys = element === null ? undefined : splitKeys(element[2]);
  if (element !== null && keys !== undefined) {
    for (const [i, key] of keys.entries()) label(`key${i + 1}`, key);
    rest = tidy(element[1]);
  }
  const sorted = [...labels].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1));
  const { figures, isWhole: areFiguresWhole } = found.result();
  return { title: rest, unit, labels: sorted, figures, isWhole: isWhole && areFiguresWhole };
}

/** Whether a line says figures and nothing else. */
export function isFiguresOnly({ title, labels, figures }: Caption): boolean {
  return title === '' && labels.length === 0 && Object.keys(figures).length > 0;
}

/** A date, a time of day or seconds since 1970: changes with every print, so it is no title. */
export function isClock(line: string): boolean {
  return /\b\d{1,2}:\d{2}:\d{2}\b/.test(line) || /^\s*\d{9,19}[:.,]?\s*$/.test(line);
}

/** The columns of a table whose names are all figures: `count min avg max`; undefined for any other line. */
export function readColumns(line: string): readonly FigureName[] | undefined {
  const words = line
    .slice(0, LONGEST)
    .trim()
    .toLowerCase()
    .split(/[\s|]+/);
  const names = words.map((word) => own(FIGURES, word.replace(/^@/, ''))).filter((name) => name !== undefined);
  return names.length === words.length && names.length >= 2 && new Set(names).size === names.length ? names : undefined;
}

/** The row of such a table; undefined when it has another number of columns or one that is no number. */
export function readColumnsRow(line: string, columns: readonly FigureName[]): Figures | undefined {
  const words = line
    .slice(0, LONGEST)
    .trim()
    .split(/[\s|]+/);
  if (words.length !== columns.length || !words.every((word) => /^-?\d{1,16}$/.test(word))) return undefined;
  return Object.fromEntries(columns.map((name, i) => [name, Number(words[i])]));
}

/** The unit by any of its usual names; '' for any other word. */
export function unitNamed(word: string): string {
  return own(UNITS, word.toLowerCase()) ?? '';
}

class FiguresFound {
  #figures: { -readonly [Name in FigureName]?: number } = {};
  #isWhole = true;

  /** Whether `name` is a figure's. What cannot be kept (a number above 2^53, a second one of the kind) is not whole. */
  take(name: string, value: string): boolean {
    const lower = name.toLowerCase();
    const figure = own(FIGURES, lower);
    if (figure === undefined && !OTHER_FIGURES.test(lower)) return false;
    const number = /^-?\d{1,19}$/.test(value) ? Number(value) : Number.NaN;
    if (figure === undefined || this.#figures[figure] !== undefined || !Number.isSafeInteger(number))
      this.#isWhole = false;
    else this.#figures[figure] = number;
    return true;
  }

  /** Take a line that is a list of figures and nothing else: `count 12`, `min 3, max 9`, `count: 12`. */
  readAll(text: string): boolean {
    const parts = text.split(/[,;]\s*|(?<=\d)\s+(?=[A-Za-z@])/).map((part) => figurePair.exec(part.trim()));
    const isFigures = parts.every((part) => part !== null && isFigureName(part[1]));
    if (isFigures) for (const part of parts) if (part !== null) this.take(part[1], part[2]);
    return isFigures;
  }

  result(): { readonly figures: Figures; readonly isWhole: boolean } {
    return { figures: this.#figures, isWhole: this.#isWhole };
  }
}

function isFigureName(name: string): boolean {
  const lower = name.toLowerCase();
  return Object.hasOwn(FIGURES, lower) || OTHER_FIGURES.test(lower);
}

/** `"node worker:1",2` as two keys; undefined when it is no list of numbers, words and quoted strings. */
function splitKeys(text: string): string[] | undefined {
  const keys: string[] = [];
  let at = 0;
  while (at < text.length) {
    elementKeys.lastIndex = at;
    const match = elementKeys.exec(text);
    if (match === null || match[0] === '') return undefined;
    keys.push(match[1].trim().replace(/^"(.*)"$/, '$1'));
    at += match[0].length;
  }
  return keys;
}

function unitOf(text: string): string {
  const bracketed = unitInBrackets.exec(text);
  const unit = bracketed === null ? '' : unitNamed(bracketed[1]);
  if (unit !== '') return unit;
  const worded = unitInWords.exec(text);
  return worded === null ? '' : unitNamed(worded[1]);
}

function tidy(text: string): string {
  return text.trim().replace(/[\s:,;-]+$/, '');
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
