// Which hosts: `role=db,region!=eu,name=web-*,zone in (a,b),!spare`, as kubectl writes it, with globs in the values.
import { fail } from '../../proto/failure.js';
import { matchesGlob } from '../../proto/glob.js';
import type { Host } from '../api.js';

/** All terms must hold. */
export type HostSelector = readonly Term[];

type Term =
  /** `isNegated`: the label is absent or none of the globs matches (as in kubectl, absence satisfies `!=` and `notin`). */
  | { readonly kind: 'value'; readonly key: string; readonly globs: readonly string[]; readonly isNegated: boolean }
  | { readonly kind: 'presence'; readonly key: string; readonly isNegated: boolean };

/** The pseudo label that holds a host's name. */
export const nameLabel = 'name';

/**
 * Terms separated by commas: `key=glob`, `key==glob`, `key!=glob`, `key in (glob,glob)`, `key notin (glob)`, `key`, `!key`.
 * '' selects every host. @throws FailureError 'bad-request' that names the column.
 */
export function parseSelector(text: string): HostSelector {
  const reader = new SelectorReader(text);
  const terms: Term[] = [];
  if (reader.isAtEnd()) return terms;
  for (;;) {
    terms.push(reader.term());
    if (reader.isAtEnd()) return terms;
    reader.expect(',');
  }
}

export function matchesSelector(host: Host, selector: HostSelector): boolean {
  return selector.every((term) => matchesTerm(host, term));
}

function matchesTerm(host: Host, term: Term): boolean {
  const value =
    term.key === nameLabel ? host.name : Object.hasOwn(host.labels, term.key) ? host.labels[term.key] : undefined;
  const isTrue = term.kind === 'presence' ? value !== undefined : value !== undefined && isAny(term.globs, value);
  return isTrue !== term.isNegated;
}

function isAny(globs: readonly string[], value: string): boolean {
  return globs.some((glob) => matchesGlob(glob, value));
}

class SelectorReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  isAtEnd(): boolean {
    this.#skipSpace();
    return this.#at === this.#text.length;
  }

  expect(token: string): void {
    if (!this.#take(token)) throw this.#error(`expected '${token}'`);
  }

  term(): Term {
    if (this.#take('!')) return { kind: 'presence', key: this.#key(), isNegated: true };
    const key = this.#key();
    if (this.#take('!=')) return { kind: 'value', key, globs: [this.#glob()], isNegated: true };
    if (this.#take('==') || this.#take('=')) return { kind: 'value', key, globs: [this.#glob()], isNegated: false };
    if (this.#takeWord('in')) return { kind: 'value', key, globs: this.#list(), isNegated: false };
    if (this.#takeWord('notin')) return { kind: 'value', key, globs: this.#list(), isNegated: true };
    return { kind: 'presence', key, isNegated: false };
  }

  #list(): string[] {
    this.expect('(');
    const globs = [this.#glob()];
    while (this.#take(',')) globs.push(this.#glob());
    this.expect(')');
    return globs;
  }

  #key(): string {
    return this.#match(/[A-Za-z0-9_./-]+/y, 'a label key');
  }

  #glob(): string {
    return this.#match(/[^\s,()=!]+/y, 'a value');
  }

  #match(pattern: RegExp, what: string): string {
    this.#skipSpace();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw this.#error(`expected ${what}`);
    this.#at += found.length;
    return found;
  }

  #take(token: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  /** A keyword is one only where a list follows: `zone in (a)`. */
  #takeWord(word: string): boolean {
    this.#skipSpace();
    const pattern = new RegExp(`${word}(?=\\s*\\()`, 'y');
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at += word.length;
    return true;
  }

  #skipSpace(): void {
    while (this.#at < this.#text.length && this.#text[this.#at].trim() === '') this.#at++;
  }

  #error(expected: string) {
    const found = this.#at === this.#text.length ? 'its end' : `'${this.#text.slice(this.#at, this.#at + 20)}'`;
    return fail(
      'bad-request',
      `host selector '${this.#text}': ${expected} at column ${this.#at + 1}, found ${found}`,
      'write terms such as role=db,region!=eu,name=web-*,zone in (a,b),!spare',
    );
  }
}
