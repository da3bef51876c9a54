// One input of a campaign: a seed with a few changes, determined by the campaign's seed, the target and the input's number.
import { changeBytes, MOST_BYTES } from './mutate-bytes.js';
import { changeMessage } from './mutate-message.js';
import { changeRecords } from './mutate-records.js';
import { changeText } from './mutate-text.js';
import { Random } from './random.js';
import type { FuzzTarget } from './target.js';

const GRAMMARS = { bytes: changeBytes, text: changeText, message: changeMessage, records: changeRecords };

export function inputOf(target: FuzzTarget, seeds: readonly Uint8Array[], seed: number, index: number): Uint8Array {
  const random = new Random(seed, target.name, index);
  let bytes = random.pick(seeds);
  for (let changes = random.smallBelow(8); changes >= 0; changes--) {
    const change = random.once(4) ? changeBytes : GRAMMARS[target.grammar];
    bytes = change(bytes, random, random.pick(seeds)).subarray(0, MOST_BYTES);
  }
  return bytes;
}

/** What `run` of a target is to be random by: the input alone, so that a saved input does the same again. */
export function randomOf(input: Uint8Array): Random {
  let sum = input.length;
  for (const byte of input) sum = (Math.imul(sum, 31) + byte) | 0;
  return new Random(sum);
}
