// One parser under fuzzing: what it is fed with, and what may come of it.
import type { Random } from './random.js';

export interface FuzzTarget {
  readonly name: string;
  /** How inputs are changed besides byte by byte. */
  readonly grammar: 'bytes' | 'text' | 'message' | 'records';
  /** Sound inputs to start from; at least one. */
  readonly seeds: () => readonly Uint8Array[];
  /**
   * Feed one input. What it throws is a find, unless it is a FailureError (of a code other than `internal`) or of a name in `refusals`.
   * `random` is for boundaries of chunks and for options: it depends on the input alone.
   */
  readonly run: (input: Uint8Array, random: Random) => void | Promise<void>;
  /** Names of errors by which this parser says that the input is bad. */
  readonly refusals?: readonly string[];
}

/** A parser broke a promise of its own: not by an exception, but by what it gave. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}

export function promise(isKept: boolean, words: string): void {
  if (!isKept) throw new BrokenPromise(words);
}

/** Cut at a few random places; pieces may be empty. */
export function pieces(bytes: Uint8Array, random: Random): Uint8Array[] {
  if (random.once(16))
    return Array.from(bytes.subarray(0, 2000), (_, at) => bytes.subarray(at, at + 1)).concat(bytes.subarray(2000));
  const cuts = Array.from({ length: random.smallBelow(12) }, () => random.below(bytes.length + 1)).sort(
    (a, b) => a - b,
  );
  return [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i] ?? bytes.length));
}
