// When a watch fires, in words: `page-faults/s > 5000`, `major-faults/page-faults >= 10% and context-switches < 2k`.
import { type FailureError, fail } from './failure.js';

export const COMPARISONS = ['>', '>=', '<', '<='] as const;
export type Comparison = (typeof COMPARISONS)[number];

/** What of an interval is compared: a count, so much per second, or so much of another count. */
export type Measure =
  | { readonly kind: 'count'; readonly event: string }
  | { readonly kind: 'rate'; readonly event: string }
  | { readonly kind: 'ratio'; readonly event: string; readonly of: string };

export interface Term {
  readonly measure: Measure;
  readonly comparison: Comparison;
  /** Of a ratio 0.1 for 10 %. */
  readonly threshold: number;
}

/** Holds where all of its terms do; at least one. */
export interface Condition {
  readonly terms: readonly Term[];
}

export const MOST_CONDITIONS = 16;
export const MOST_TERMS = 8;
const LONGEST = 2048;

/** perf's alphabet of single events; groups and patterns are several, and have no one count. */
const EVENT = /^[A-Za-z0-9_][A-Za-z0-9_:./,=@~+-]*$/;
/** `pmu/terms/modifiers`, the only event with slashes besides breakpoints (`mem:ADDRESS/LENGTH:ACCESS`). */
const PMU_EVENT = /^[A-Za-z0-9_.-]+\/[^/]*\/[A-Za-z]*$/;
const BREAKPOINT = /^mem:0x[0-9a-fA-F]+(?:\/[0-9]+)?(?::[rwx]+)?$/;
const THRESHOLD = /^(\d+(?:\.\d+)?)([kMG%]?)$/;
const EXPONENTS: Readonly<Record<string, number>> = { '': 0, k: 3, M: 6, G: 9, '%': -2 };

/** @throws FailureError `bad-request`, which says what is wrong and how it is written */
export function parseCondition(text: string): Condition {
  if (text.length > LONGEST) throw bad(text.slice(0, 80), `it is longer than ${LONGEST} characters`);
  const terms = text.split(/\s+and\s+/).map((part) => parseTerm(part.trim(), text));
  if (terms.length > MOST_TERMS) throw bad(text, `it has more than ${MOST_TERMS} terms`);
  return { terms };
}

/** As `parseCondition` reads it. */
export function conditionText({ terms }: Condition): string {
  return terms
    .map(({ measure, comparison, threshold }) => {
      return `${measureText(measure)} ${comparison} ${thresholdText(measure, threshold)}`;
    })
    .join(' and ');
}

/** A ratio as a percentage, where that says the same. */
export function thresholdText(measure: Measure, value: number): string {
  const percent = String(Number((value * 100).toPrecision(12)));
  const isSame = measure.kind === 'ratio' && !percent.includes('e') && Number(`${percent}e-2`) === value;
  return isSame ? `${percent}%` : String(value);
}

/** `page-faults`, `page-faults/s`, `major-faults/page-faults`. */
export function measureText(measure: Measure): string {
  switch (measure.kind) {
    case 'count':
      return measure.event;
    case 'rate':
      return `${measure.event}/s`;
    case 'ratio': {
      const isPlain = !`${measure.event}${measure.of}`.includes('/') && measure.of !== 's';
      return isPlain ? `${measure.event}/${measure.of}` : `${measure.event} / ${measure.of}`;
    }
  }
}

/** Each once, in the order of the conditions. */
export function eventsOfConditions(conditions: readonly Condition[]): string[] {
  const names = conditions.flatMap(({ terms }) =>
    terms.flatMap(({ measure }) => (measure.kind === 'ratio' ? [measure.event, measure.of] : [measure.event])),
  );
  return [...new Set(names)];
}

/** Whoever did not read it from text says it is one. @throws FailureError `bad-request` */
export function checkCondition({ terms }: Condition): void {
  if (terms.length === 0 || terms.length > MOST_TERMS) {
    throw fail('bad-request', `a condition of ${terms.length} terms`, `give from 1 to ${MOST_TERMS}`);
  }
  for (const { measure, threshold } of terms) {
    const names = measure.kind === 'ratio' ? [measure.event, measure.of] : [measure.event];
    const text = measureText(measure);
    for (const name of names) checkName(name, text);
    checkThreshold(threshold, text);
  }
}

function parseTerm(term: string, whole: string): Term {
  const parts = /^([^<>]*)(>=|<=|>|<)([^<>]*)$/.exec(term);
  if (parts === null) throw bad(whole, `${quoted(term)} does not compare`);
  const [, left, sign, right] = parts;
  const measure = parseMeasure(left.trim(), whole);
  const comparison = COMPARISONS.find((known) => known === sign);
  const number = THRESHOLD.exec(right.trim());
  if (number === null || comparison === undefined) throw bad(whole, `${quoted(right.trim())} is no threshold`);
  const [, digits, unit] = number;
  if (unit === '%' && measure.kind !== 'ratio') throw bad(whole, 'a percentage needs a ratio, such as A/B > 10%');
  // Read as one decimal number: 10.1 % is 0.101, whatever binary fractions would make of a product.
  const threshold = Number(`${digits}e${EXPONENTS[unit]}`);
  checkThreshold(threshold, whole);
  return { measure, comparison, threshold };
}

/** Such as are written without an exponent. */
function checkThreshold(threshold: number, whole: string): void {
  if (threshold === 0 || (threshold >= 1e-6 && threshold <= 1e15)) return;
  throw bad(whole, `a threshold of ${threshold} is neither 0 nor from 0.000001 to 1000000000000000`);
}

function parseMeasure(text: string, whole: string): Measure {
  const spaced = /^(\S+)\s+\/\s+(\S+)$/.exec(text);
  if (spaced !== null) return ratio(spaced[1], spaced[2], whole);
  if (BREAKPOINT.test(text) || PMU_EVENT.test(text)) return { kind: 'count', event: checkName(text, whole) };
  if (text.endsWith('/s')) return { kind: 'rate', event: checkName(text.slice(0, -2), whole) };
  const slash = text.indexOf('/');
  if (slash < 0) return { kind: 'count', event: checkName(text, whole) };
  if (text.includes('/', slash + 1)) {
    throw bad(whole, `which slash of ${quoted(text)} divides? Write a ratio with blanks: A / B`);
  }
  return ratio(text.slice(0, slash), text.slice(slash + 1), whole);
}

function ratio(event: string, of: string, whole: string): Measure {
  return { kind: 'ratio', event: checkName(event, whole), of: checkName(of, whole) };
}

function checkName(name: string, whole: string): string {
  if (name === '') throw bad(whole, 'an event is missing');
  if (!EVENT.test(name)) throw bad(whole, `${quoted(name)} is no single event`);
  const hasSlash = name.includes('/') && !BREAKPOINT.test(name) && !PMU_EVENT.test(name);
  if (hasSlash) throw bad(whole, `${quoted(name)} is no single event: a slash belongs to pmu/terms/`);
  return name;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function bad(text: string, why: string): FailureError {
  return fail(
    'bad-request',
    `${quoted(text)} is no condition: ${why}`,
    "write it as 'page-faults/s > 5000', 'cache-misses > 2M' or 'major-faults/page-faults > 10%', several joined by `and`",
  );
}
