// Fields of messages: what protobufjs calls nullable, and words of a fixed set.
import { fail } from './failure.js';

/** The member of `known` that equals `text`. */
export function oneOf<T extends string>(known: readonly T[], text: string, what: string): T {
  const found = known.find((candidate) => candidate === text);
  if (found === undefined)
    throw fail('bad-data', `unknown ${what} ${JSON.stringify(text)}`, 'update perftrawl on this machine');
  return found;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], null> };

/** protobufjs types fields as nullable; decoded messages never hold null. */
export function defined<T extends object>(message: T): Defined<T> {
  return message as Defined<T>;
}
