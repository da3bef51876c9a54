// A request to fire a watch as text: who asks and why. Whoever may write to the state directory may have written anything.
import { fail } from '../../proto/failure.js';

export interface TriggerRequest {
  readonly who: string;
  readonly reason: string;
}

const LONGEST_WHO = 256;
const LONGEST_REASON = 2048;
/** Bytes; each of its UTF-16 units may be written as `\u0000`. */
export const LONGEST_REQUEST = 6 * (LONGEST_WHO + LONGEST_REASON) + 100;

/** What is too long is cut. */
export function triggerText({ who, reason }: TriggerRequest): string {
  return JSON.stringify({ who: who.slice(0, LONGEST_WHO), reason: reason.slice(0, LONGEST_REASON) });
}

/** @throws FailureError `bad-data` */
export function readTrigger(bytes: Uint8Array): TriggerRequest {
  const value = parsed(Buffer.from(bytes).toString('utf8'));
  const isObject = typeof value === 'object' && value !== null && 'who' in value && 'reason' in value;
  if (!isObject || typeof value.who !== 'string' || typeof value.reason !== 'string') {
    throw fail('bad-data', 'a request to fire says neither who asks nor why', 'ask with perftrawl trigger');
  }
  return { who: value.who.slice(0, LONGEST_WHO), reason: value.reason.slice(0, LONGEST_REASON) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw fail('bad-data', 'a request to fire is no JSON', 'ask with perftrawl trigger', cause);
  }
}
