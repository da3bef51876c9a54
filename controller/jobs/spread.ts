// At which moments hosts begin that are spread over a time: evenly, and each at the same one each time.
import { createHash } from 'node:crypto';
import type { Milliseconds } from '../../proto/capture.js';

/** @returns how long after the first moment each one begins, less than `spread` */
export function spreadOffsets(names: readonly string[], spread: Milliseconds): ReadonlyMap<string, Milliseconds> {
  const hash = new Map(names.map((name) => [name, createHash('sha256').update(name).digest('hex')]));
  const ordered = names.toSorted((a, b) => ((hash.get(a) ?? '') < (hash.get(b) ?? '') ? -1 : 1));
  return new Map(ordered.map((name, index) => [name, Math.floor((index * spread) / ordered.length)]));
}
