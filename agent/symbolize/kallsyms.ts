// Names kernel addresses from the text of /proc/kallsyms, read once as bytes (11 MB): nothing is kept of the other symbols.
//
//   ffffffff81000000 T _text
//   ffffffffc0201000 t ext4_init_fs\t[ext4]
import { lowerBound } from './needed-symbols.js';

export interface KernelNames {
  /** In the order of the addresses; undefined where no symbol covers it. */
  readonly names: readonly (string | undefined)[];
  /** Every address in the file is zero: the kernel hides them from this user (kptr_restrict). */
  readonly isHidden: boolean;
}

const WORD = 4294967296;
const PAGE = 4096;
const TAB = 9;
const NEWLINE = 10;
const ZERO = 48;

/**
 * A kernel address as one exact number, so that addresses sort and can be searched: all kernel addresses begin with eleven ones,
 * which are left out. -1 for an address that is none of the kernel's.
 */
export function kernelKey(lo: number, hi: number): number {
  return hi >>> 21 === 0x7ff ? (hi & 0x1fffff) * WORD + (lo >>> 0) : -1;
}

const DIGITS = hexDigits();
const IS_USED = usedTypes();

/**
 * perf's rules: symbols have no size, each ends where the next begins, and of several at one address the last in the file counts.
 * A module's last symbol, and the kernel's, ends with its page.
 * @param keys sorted, distinct, from kernelKey
 */
export function scanKallsyms(text: Uint8Array, keys: Float64Array): KernelNames {
  const count = keys.length;
  const before = new Float64Array(count).fill(-1);
  const beforeLine = new Int32Array(count).fill(-1);
  const after = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const afterLine = new Int32Array(count).fill(-1);
  const modules = moduleLines(text);
  let isHidden = modules === 0 || isZero(text, lineOf(text, modules - 1));
  for (let at = 0; at < count && !isHidden; at++) {
    const above = lineAbove(text, modules, keys[at]);
    beforeLine[at] = usedLine(text, above, -1, modules);
    if (beforeLine[at] >= 0) before[at] = keyOf(text, beforeLine[at]);
    afterLine[at] = usedLine(text, above, 1, modules);
    if (afterLine[at] >= 0) after[at] = keyOf(text, afterLine[at]);
  }
  let last = -1;
  let slot = 0;
  for (let line = modules; line >= 0 && line + 19 < text.length; ) {
    if (isHidden && !isZero(text, line)) isHidden = false;
    if (IS_USED[text[line + 17]] === 1 && DIGITS[text[line]] >= 8) {
      const key = keyOf(text, line);
      if (key >= last) while (slot < count && keys[slot] < key) slot++;
      else slot = lowerBound(keys, key);
      last = key;
      if (slot < count && key >= before[slot]) {
        before[slot] = key;
        beforeLine[slot] = line;
      }
      const previous = slot < count && keys[slot] === key ? slot : slot - 1;
      if (slot > 0 && previous === slot - 1 && key < after[previous]) {
        after[previous] = key;
        afterLine[previous] = line;
      }
    }
    const end = text.indexOf(NEWLINE, line + 19);
    line = end < 0 ? -1 : end + 1;
  }
  for (let at = 1; at < count; at++) {
    if (before[at] >= before[at - 1]) continue;
    before[at] = before[at - 1];
    beforeLine[at] = beforeLine[at - 1];
  }
  for (let at = count - 2; at >= 0; at--) {
    if (after[at] <= after[at + 1]) continue;
    after[at] = after[at + 1];
    afterLine[at] = afterLine[at + 1];
  }
  const nameOf = lineNames(text);
  const names = Array.from(keys, (key, at) => {
    if (beforeLine[at] < 0) return undefined;
    const found = nameOf(beforeLine[at]);
    const endsWithPage = afterLine[at] < 0 || nameOf(afterLine[at]).module !== found.module;
    if (endsWithPage && key >= Math.ceil((before[at] + PAGE) / PAGE) * PAGE) return undefined;
    return found.name;
  });
  return { names, isHidden: isHidden && text.length > 0 };
}

/** Where the lines of modules begin. The kernel's own come first, sorted by address, and can be searched instead of read. */
function moduleLines(text: Uint8Array): number {
  const tab = text.indexOf(TAB);
  return tab < 0 ? text.length : lineOf(text, tab);
}

/** The first of the lines before `end` whose address is above `key`; `end` when none is. */
function lineAbove(text: Uint8Array, end: number, key: number): number {
  let from = 0;
  let to = end;
  while (from < to) {
    const line = lineOf(text, (from + to) >>> 1);
    if (keyOf(text, line) > key) to = line;
    else from = lineAfter(text, line);
  }
  return from;
}

/** The nearest line of code or data before (-1) the line at `from`, or from there on (1); -1 when there is none. */
function usedLine(text: Uint8Array, from: number, direction: -1 | 1, end: number): number {
  let line = direction === 1 ? from : from - 1;
  while (line >= 0 && line < end) {
    line = lineOf(text, line);
    if (line + 19 < text.length && IS_USED[text[line + 17]] === 1 && DIGITS[text[line]] >= 8) return line;
    line = direction === 1 ? lineAfter(text, line) : line - 1;
  }
  return -1;
}

/** Where the line that holds byte `at` begins. */
function lineOf(text: Uint8Array, at: number): number {
  let start = at;
  while (start > 0 && text[start - 1] !== NEWLINE) start--;
  return start;
}

function lineAfter(text: Uint8Array, line: number): number {
  let end = line;
  while (end < text.length && text[end] !== NEWLINE) end++;
  return Math.min(end + 1, text.length);
}

function keyOf(text: Uint8Array, line: number): number {
  return kernelKey(word(text, line + 8), word(text, line));
}

/** The address of a symbol by its exact name, as a key; -1 when there is none. */
export function kallsymsAddress(text: Uint8Array, name: string): number {
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  for (let at = bytes.indexOf(` ${name}\n`); at >= 18; at = bytes.indexOf(` ${name}\n`, at + 1)) {
    const line = at - 18;
    if (line === 0 || text[line - 1] === NEWLINE) return kernelKey(word(text, line + 8), word(text, line));
  }
  return -1;
}

function lineNames(text: Uint8Array): (line: number) => { readonly name: string; readonly module: string } {
  const known = new Map<number, { name: string; module: string }>();
  return (line) => {
    let found = known.get(line);
    if (found === undefined) {
      let end = line + 19;
      while (end < text.length && text[end] !== NEWLINE) end++;
      let nameEnd = line + 19;
      while (nameEnd < end && text[nameEnd] !== TAB) nameEnd++;
      const decode = (from: number, to: number): string => Buffer.from(text.subarray(from, to)).toString('utf8');
      found = { name: decode(line + 19, nameEnd), module: decode(nameEnd, end).trim() };
      known.set(line, found);
    }
    return found;
  };
}

function isZero(text: Uint8Array, line: number): boolean {
  for (let at = line; at < line + 16; at++) if (text[at] !== ZERO) return false;
  return true;
}

function word(text: Uint8Array, at: number): number {
  let value = 0;
  for (let digit = at; digit < at + 8; digit++) value = (value << 4) | (DIGITS[text[digit]] & 15);
  return value >>> 0;
}

function hexDigits(): Uint8Array {
  const digits = new Uint8Array(256);
  for (let value = 0; value < 16; value++) digits[value.toString(16).charCodeAt(0)] = value;
  return digits;
}

/** Code and data, local or global; `w`: weak. */
function usedTypes(): Uint8Array {
  const types = new Uint8Array(256);
  for (const type of 'TtWwDdBb') types[type.charCodeAt(0)] = 1;
  return types;
}
