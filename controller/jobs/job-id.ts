// Ids of jobs: short, sortable by time, safe in file names and capture ids, easy to read out loud.
import { createHash } from 'node:crypto';

/** Crockford's base 32 in lower case: no i, l, o, u. */
const digits = '0123456789abcdefghjkmnpqrstvwxyz';
const timeDigits = 7;
const randomDigits = 4;

/** Seconds since 1970 in seven digits (sortable for a thousand years), then four random ones: `1nf0c2kx7qa`. */
export function newJobId(now: number, random: () => number): string {
  let id = timePart(now);
  for (let i = 0; i < randomDigits; i++) id += digits[Math.floor(random() * 32)];
  return id;
}

/** The same for the same time and key, whichever controller makes it: what was made before is found again. @param attempt from 0 */
export function derivedJobId(time: number, key: string, attempt: number): string {
  const bytes = createHash('sha256').update(`${attempt} ${key}`).digest();
  let id = timePart(time);
  for (let i = 0; i < randomDigits; i++) id += digits[bytes[i] % 32];
  return id;
}

function timePart(time: number): string {
  let text = '';
  let seconds = Math.floor(time / 1000);
  for (let i = 0; i < timeDigits; i++) {
    text = digits[seconds % 32] + text;
    seconds = Math.floor(seconds / 32);
  }
  return text;
}
