// By which words and labels a job is found again: terms of an index that every engine can keep.
import type { KitPart } from '../../proto/capture.js';
import type { JobRequest } from '../api.js';

/** Longer words are cut, in jobs and in questions alike. */
const longestWord = 64;
const mostWords = 500;
/** Of a question. */
const mostAsked = 16;

export interface Term {
  readonly term: string;
  /** Whether terms that begin so will do. */
  readonly isPrefix: boolean;
}

export function termsOf(request: JobRequest): readonly string[] {
  const { spec, note, selectorText, requester, labels = {}, schedule, team } = request;
  const parts = spec.kind === 'kit' ? spec.parts : [spec];
  const texts = [
    ...[note, selectorText, requester, team ?? '', schedule?.name ?? '', schedule?.cause ?? '', spec.kind],
    ...Object.entries(labels).flat(),
    ...parts.flatMap(textsOf),
  ];
  const words = new Set(texts.flatMap(wordsOf).slice(0, mostWords));
  return [...[...words].map((word) => `w${word}`), ...Object.entries(labels).map(labelTerm)];
}

/** @param search words that all have to be there, each from its beginning */
export function askedTerms(search: string, labels: Readonly<Record<string, string>>): readonly Term[] {
  const words = wordsOf(search).slice(0, mostAsked);
  return [
    ...words.map((word) => ({ term: `w${word}`, isPrefix: true })),
    ...Object.entries(labels).map((label) => ({ term: labelTerm(label), isPrefix: false })),
  ];
}

function labelTerm([key, value]: [string, string]): string {
  return `l${key}=${value}`;
}

function textsOf(spec: JobRequest['spec'] | KitPart): string[] {
  const { kind } = spec;
  if (kind === 'record' || kind === 'stat') return [kind, ...spec.events.map(({ name }) => name)];
  if (kind === 'stap') return [kind, spec.script.name];
  return [kind];
}

/** `page-faults` is also found by `faults`. */
function wordsOf(text: string): string[] {
  const words =
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}_]+/gu) ?? [];
  return words.map((word) => [...word].slice(0, longestWord).join(''));
}
