// Values of the policy file: each is what it must be, or is refused with its line.
import { isMap, isScalar, isSeq, LineCounter, type Node } from 'yaml';
import { type FailureError, fail } from '../../proto/failure.js';
import type { Permission } from './capture-rules.js';

export interface Entry<K extends string> {
  readonly key: K;
  readonly value: Node;
}

/** Reads nodes of one policy file, and remembers the line of each key. */
export class ValueReader {
  readonly file: string;
  /** By path: `events.deny`. */
  readonly keyLines: Record<string, number> = {};
  readonly #lines: LineCounter;

  constructor(file: string, lines = new LineCounter()) {
    this.file = file;
    this.#lines = lines;
  }

  /** The pairs of a mapping, whose keys must be among `known`. @param path of the mapping, '' for the document */
  entries<K extends string>(node: Node, known: readonly K[], path = ''): Entry<K>[] {
    if (!isMap(node)) throw this.wrong(offsetOf(node), `here must be a mapping with ${known.join(', ')}`);
    return node.items.map(({ key: name, value }) => {
      const text = isScalar(name) ? name.value : undefined;
      const at = isScalar(name) ? offsetOf(name) : offsetOf(node);
      const key = known.find((word) => word === text);
      if (key === undefined) {
        throw this.wrong(at, `${JSON.stringify(text ?? '?')} is not known here, only ${known.join(', ')}`);
      }
      if (!isMap(value) && !isScalar(value) && !isSeq(value)) throw this.wrong(at, `${key} has no value of its own`);
      this.keyLines[path === '' ? key : `${path}.${key}`] = this.lineOf(at);
      return { key, value };
    });
  }

  permission(key: string, node: Node): Permission {
    const value = isScalar(node) ? node.value : undefined;
    if (value === 'allow' || value === 'deny') return value;
    throw this.wrong(offsetOf(node), `${key} is allow or deny`);
  }

  list(key: string, node: Node, pattern: RegExp, what: string, form = 'a list'): string[] {
    const read = (value: unknown) => {
      // A user id.
      const text = typeof value === 'number' ? String(value) : value;
      return typeof text === 'string' && pattern.test(text) ? text : undefined;
    };
    return this.#items(key, node, form, read, what);
  }

  words<W extends string>(key: string, node: Node, known: readonly W[]): W[] {
    return this.#items(
      key,
      node,
      'a list',
      (value) => known.find((word) => word === value),
      `one of ${known.join(', ')}`,
    );
  }

  number(key: string, node: Node, least: number, most: number): number {
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw this.wrong(offsetOf(node), `${key} is a whole number from ${least} to ${most}`);
  }

  /** In milliseconds. */
  duration(key: string, node: Node, most: number): number {
    const value = isScalar(node) ? node.value : undefined;
    const match = typeof value === 'string' ? /^(\d{1,9})(ms|s|m|h)$/.exec(value) : null;
    const [, digits = '', unit = ''] = match ?? [];
    const duration = Number(digits) * (UNITS.get(unit) ?? 0);
    if (duration >= 1 && duration <= most) return duration;
    throw this.wrong(
      offsetOf(node),
      `${key} is a duration such as 500ms, 30s, 10m or 1h, at most ${most / 3_600_000}h`,
    );
  }

  wrong(offset: number, message: string): FailureError {
    return fail('bad-data', `${this.file}, line ${this.lineOf(offset)}: ${message}`, 'correct the policy file');
  }

  lineOf(offset: number): number {
    return Math.max(1, this.#lines.linePos(offset).line);
  }

  #items<T>(key: string, node: Node, form: string, read: (value: unknown) => T | undefined, what: string): T[] {
    if (!isSeq(node)) throw this.wrong(offsetOf(node), `${key} is ${form}`);
    return node.items.map((item) => {
      const value = read(isScalar(item) ? item.value : undefined);
      if (value !== undefined) return value;
      throw this.wrong(isScalar(item) ? offsetOf(item) : offsetOf(node), `${key} holds what is not ${what}`);
    });
  }
}

export function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);
