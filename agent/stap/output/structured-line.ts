// The lines that the scripts of the catalogue print for this parser: docs/stap-output.md is their description.
//
//   #pt1 hist title="page fault latency" unit=ns count=3 fault_type=MINOR
import type { Scale } from '../../../profile/histogram.js';
import type { Label } from '../../../profile/profile.js';
import type { Figures } from './caption.js';

export const STRUCTURED = '#pt1 ';

export type StructuredLine =
  | { readonly kind: 'start'; readonly name: string; readonly interval: number | undefined }
  | { readonly kind: 'begin'; readonly time: number }
  | { readonly kind: 'end' }
  | {
      readonly kind: 'hist';
      readonly title: string;
      readonly unit: string;
      readonly scale: Scale;
      readonly labels: readonly Label[];
      readonly figures: Figures & { readonly count: number };
    }
  | {
      readonly kind: 'stack';
      readonly count: number;
      /** '' when the script told none. */
      readonly type: string;
      readonly unit: string;
      /** Undefined when there is only the count. */
      readonly value: number | undefined;
      readonly labels: readonly Label[];
    }
  | { readonly kind: 'skipped'; readonly what: string; readonly count: number }
  | { readonly kind: 'unreadable'; readonly problem: string };

/** Read a line that begins with STRUCTURED. */
export function readStructured(line: string): StructuredLine {
  const words = splitWords(line.slice(STRUCTURED.length));
  if (typeof words === 'string') return { kind: 'unreadable', problem: words };
  const { verb, values } = words;
  const read = Object.hasOwn(READERS, verb) ? READERS[verb] : undefined;
  if (read === undefined) return { kind: 'unreadable', problem: `the word ${JSON.stringify(verb)} is not known` };
  try {
    return read(new Values(values));
  } catch (error) {
    if (error instanceof Unreadable) return { kind: 'unreadable', problem: error.message };
    throw error;
  }
}

class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

const READERS: Readonly<Record<string, (values: Values) => StructuredLine>> = {
  start: (values) => ({ kind: 'start', name: values.text('name'), interval: values.optional('interval_ms') }),
  begin: (values) => ({ kind: 'begin', time: values.count('t_ms') }),
  end: () => ({ kind: 'end' }),
  hist(values) {
    const title = values.text('title');
    const unit = values.text('unit');
    const scale = readScale(values);
    const sum = values.optional('sum');
    const min = values.optional('min');
    const max = values.optional('max');
    const figures = {
      count: values.count('count'),
      ...(sum === undefined ? {} : { sum }),
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
    };
    if (title === '') throw new Unreadable('title= is missing');
    return { kind: 'hist', title, unit, scale, labels: values.rest(), figures };
  },
  stack(values) {
    const count = values.count('count');
    const type = values.text('type');
    const unit = values.text('unit');
    const value = values.optional('value');
    if (value !== undefined && value < 0) throw new Unreadable('value= is below 0');
    return { kind: 'stack', count, type, unit, value, labels: values.rest() };
  },
  skipped(values) {
    const what = values.text('what');
    if (what === '') throw new Unreadable('what= is missing');
    return { kind: 'skipped', what, count: values.count('count') };
  },
};

function readScale(values: Values): Scale {
  const name = values.text('scale') || 'log2';
  if (name === 'log2') return { kind: 'log2' };
  if (name !== 'linear') throw new Unreadable(`scale=${name} is neither log2 nor linear`);
  const from = values.integer('from');
  const to = values.integer('to');
  const step = values.integer('step');
  if (step <= 0 || to < from) throw new Unreadable(`no linear scale goes from ${from} to ${to} by ${step}`);
  return { kind: 'linear', from, to, step };
}

/** The values of one line by key; each is taken once, `rest` are the labels. */
class Values {
  readonly #values: Map<string, string>;
  constructor(values: Map<string, string>) {
    this.#values = values;
  }

  /** '' when it is not there. */
  text(key: string): string {
    const value = this.#values.get(key) ?? '';
    this.#values.delete(key);
    return value;
  }

  optional(key: string): number | undefined {
    return this.#values.has(key) ? this.#number(key) : undefined;
  }

  integer(key: string): number {
    const value = this.optional(key);
    if (value === undefined) throw new Unreadable(`${key}= is missing`);
    if (!Number.isSafeInteger(value)) throw new Unreadable(`${key}=${value} is beyond 2^53`);
    return value;
  }

  count(key: string): number {
    const value = this.integer(key);
    if (value < 0) throw new Unreadable(`${key}=${value} is below 0`);
    return value;
  }

  /** Sorted by key. */
  rest(): Label[] {
    return [...this.#values].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #number(key: string): number {
    const text = this.text(key);
    if (!/^-?\d{1,20}$/.test(text)) throw new Unreadable(`${key}=${JSON.stringify(text)} is no whole number`);
    return Number(text);
  }
}

const word = /\s*([A-Za-z_][\w.-]{0,63})=(?:"((?:[^"\\]|\\.)*)"(?:\.\.\.)?|([^\s"]*))(?=\s|$)/y;
const escapeCode = /\\([0-7]{1,3}|.)/g;
const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function splitWords(text: string): { readonly verb: string; readonly values: Map<string, string> } | string {
  const verb = /^[a-z][a-z-]{0,31}(?=\s|$)/.exec(text)?.[0];
  if (verb === undefined) return 'no word follows #pt1';
  const values = new Map<string, string>();
  const end = text.trimEnd().length;
  let at = verb.length;
  while (at < end) {
    word.lastIndex = at;
    const match = word.exec(text);
    if (match === null) return `no key=value in ${JSON.stringify(text.slice(at, at + 40).trim())}`;
    const [whole, key, quoted, bare] = match;
    if (values.has(key)) return `${key}= is there twice`;
    values.set(key, quoted === undefined ? (bare ?? '') : withoutEscapes(quoted));
    at += whole.length;
  }
  return { verb, values };
}

/** As stap's text_str() writes strings: C's escapes, octal for the other bytes, which together are UTF-8. */
function withoutEscapes(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  const plain = bytes.replace(escapeCode, (_, code: string) => {
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 0xff);
    return Object.hasOwn(ESCAPES, code) ? ESCAPES[code] : code;
  });
  return Buffer.from(plain, 'latin1').toString('utf8');
}
