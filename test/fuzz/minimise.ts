// Makes the input of a find smaller while it stays the same find: for exceptions, which can be tried again in this process.
import { outcomeOf } from './outcome.js';
import type { FuzzTarget } from './target.js';

const MOST_TRIES = 3000;

export async function minimise(target: FuzzTarget, input: Uint8Array, what: string): Promise<Uint8Array> {
  let best = input;
  let tries = 0;
  const isStill = async (candidate: Uint8Array) => {
    tries++;
    const outcome = await outcomeOf(target, candidate);
    return outcome.kind === 'find' && outcome.what === what;
  };
  if (!(await isStill(input))) return input;
  for (
    let size = Math.ceil(best.length / 2);
    size >= 1 && tries < MOST_TRIES;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < best.length && tries < MOST_TRIES; ) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (await isStill(shorter)) best = shorter;
      else at += size;
    }
  }
  return best;
}
