// Reads /tmp/perf-PID.map, in which JIT compilers tell where their functions are: `START SIZE NAME` per line, in hex.
//
// The JVM writes 0x before its numbers, node does not. A compiler that reuses memory appends a new line for the same addresses, so
// of several entries that cover an address the last one counts: it is what lay there when the capture ended.
import { lowerBound } from './needed-symbols.js';

const NEWLINE = 10;
const SPACE = 32;
const TAB = 9;
const ZERO = 48;
const LETTER_X = 120;
const MAX_STEPS = 1 << 26;

/**
 * The name of each address, undefined where no entry covers it.
 * @param addresses sorted, distinct
 */
export function scanPerfMap(text: Uint8Array, addresses: Float64Array): (string | undefined)[] {
  const names: (string | undefined)[] = new Array(addresses.length).fill(undefined);
  const nameAt = new Float64Array(addresses.length).fill(-1);
  const number = { value: 0, end: 0 };
  let steps = 0;
  for (let line = 0; line < text.length; ) {
    const found = text.indexOf(NEWLINE, line);
    const end = found < 0 ? text.length : found;
    if (readHex(text, line, end, number)) {
      const start = number.value;
      if (readHex(text, number.end + 1, end, number) && number.end + 1 < end) {
        const stop = start + number.value;
        for (let at = lowerBound(addresses, start); at < addresses.length && addresses[at] < stop; at++) {
          nameAt[at] = number.end + 1;
          if (++steps > MAX_STEPS) return names;
        }
      }
    }
    line = end + 1;
  }
  const known = new Map<number, string>();
  for (let at = 0; at < addresses.length; at++) {
    const from = nameAt[at];
    if (from < 0) continue;
    let name = known.get(from);
    if (name === undefined) {
      const end = text.indexOf(NEWLINE, from);
      name = Buffer.from(text.subarray(from, end < 0 ? text.length : end)).toString('utf8');
      known.set(from, name);
    }
    names[at] = name;
  }
  return names;
}

/** A hex number up to a blank; false when there is none. `into.end` is the place of the blank. */
function readHex(text: Uint8Array, from: number, end: number, into: { value: number; end: number }): boolean {
  let at = from;
  if (text[at] === ZERO && text[at + 1] === LETTER_X) at += 2;
  const first = at;
  let value = 0;
  for (; at < end; at++) {
    const digit = hexDigit(text[at]);
    if (digit < 0) break;
    value = value * 16 + digit;
  }
  if (at === first || at >= end || (text[at] !== SPACE && text[at] !== TAB)) return false;
  into.value = value;
  into.end = at;
  return true;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
