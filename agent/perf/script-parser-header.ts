// One header line of `perf script` text: who was sampled, where, when, how much, which event. Scans bytes, makes no strings.
//
//   tmux: server  4711/4712  [003] 158665.570607:     250000 cpu-clock:u:   7f12 main+0x1 (/bin/x)
//   ╰── comm ──╯  ╰─ ids ─╯ ╰cpu╯ ╰─── time ───╯  ╰─period─╯ ╰─ event ─╯   ╰─────── rest ────────╯
//
// Everything but comm and ids may be missing, depending on perf's version and its -F. A comm may hold spaces, digits,
// dashes and colons, so the line is read backwards from the time, which is the one part that looks like nothing else.

const COLON = 0x3a;
const DOT = 0x2e;
const SLASH = 0x2f;
const MINUS = 0x2d;
const OPEN = 0x5b;
const CLOSE = 0x5d;

/** How far into the line the time is looked for; comm, ids and CPU take less. */
const LONGEST_PREFIX = 256;

/** A header without time, as from `-F comm,tid,event,ip,sym`: comm, id or pid/tid, CPU, period, event. */
const withoutTime = /^\s*(?:(\S.*?)\s+)?((-?\d+)(?:\/(-?\d+))?)(?:\s+\[(\d+)\])?(?:\s+(\d+))?(?:\s+(\S+):)?\s*$/d;

/** The values of the header that was read last; offsets are into the bytes that it was read from. */
export class HeaderLine {
  commStart = 0;
  commEnd = 0;
  /** End of the ids: the bytes from commStart to here name a thread. */
  idsEnd = 0;
  /** NaN where the line has one id only: perf then prints the thread's. */
  pid = Number.NaN;
  tid = 0;
  /** -1 when not printed. */
  cpu = -1;
  hasTime = false;
  seconds = 0;
  nanoseconds = 0;
  /** 1 when not printed, or printed as 0. */
  period = 1;
  eventStart = 0;
  /** Without the colon; equal to eventStart when no event is printed. */
  eventEnd = 0;
  restStart = 0;

  /** Whether `bytes[start..end)` is a header with a time; then the fields tell what it says. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    const limit = Math.min(end, start + LONGEST_PREFIX);
    for (let i = start + 1; i < limit; i++) {
      if (bytes[i] !== COLON || !isDigit(bytes[i - 1]) || (i + 1 < end && !isBlank(bytes[i + 1]))) continue;
      const timeStart = this.#readTime(bytes, start, i);
      if (timeStart < 0 || !this.#readThread(bytes, start, timeStart)) continue;
      this.#readEvent(bytes, i + 1, end);
      return true;
    }
    return false;
  }

  /** Whether the line is a header without a time. Many a line looks like that: believe it only when a stack follows. */
  readWithoutTime(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start > LONGEST_PREFIX || end === start || !isHeaderEnd(bytes[end - 1])) return false;
    const match = withoutTime.exec(latin1(bytes, start, end));
    const [, comm, ids, , , , , event] = match?.indices ?? [];
    if (match === null || ids === undefined) return false;
    this.commStart = start + (comm ?? ids)[0];
    this.commEnd = comm === undefined ? this.commStart : start + comm[1];
    this.idsEnd = start + ids[1];
    this.pid = match[4] === undefined ? Number.NaN : Number(match[3]);
    this.tid = Number(match[4] ?? match[3]);
    this.cpu = Number(match[5] ?? -1);
    this.period = Number(match[6] ?? 1) || 1;
    this.eventStart = event === undefined ? end : start + event[0];
    this.eventEnd = event === undefined ? end : start + event[1];
    this.restStart = end;
    this.hasTime = false;
    return true;
  }

  /** The time that ends at the colon; where it starts, or -1. */
  #readTime(bytes: Uint8Array, start: number, colon: number): number {
    let fraction = colon;
    while (fraction > start && isDigit(bytes[fraction - 1])) fraction--;
    if (colon - fraction > 9 || fraction - 2 < start || bytes[fraction - 1] !== DOT) return -1;
    const dot = fraction - 1;
    let whole = dot;
    while (whole > start && isDigit(bytes[whole - 1])) whole--;
    if (whole === dot || dot - whole > 12 || (whole > start && !isBlank(bytes[whole - 1]))) return -1;
    this.hasTime = true;
    this.seconds = decimal(bytes, whole, dot);
    this.nanoseconds = decimal(bytes, fraction, colon) * 10 ** (9 - (colon - fraction));
    return whole;
  }

  /** comm, ids, CPU and the letters of `-F misc`, which end before `end`. */
  #readThread(bytes: Uint8Array, start: number, end: number): boolean {
    this.cpu = -1;
    let last = skipBlanksBackwards(bytes, start, end);
    let token = tokenStart(bytes, start, last);
    if (isMiscFlags(bytes, token, last)) {
      last = skipBlanksBackwards(bytes, start, token);
      token = tokenStart(bytes, start, last);
    }
    if (bytes[token] === OPEN && bytes[last - 1] === CLOSE && isNumber(bytes, token + 1, last - 1)) {
      this.cpu = decimal(bytes, token + 1, last - 1);
      last = skipBlanksBackwards(bytes, start, token);
      token = tokenStart(bytes, start, last);
    }
    return this.#readIds(bytes, start, token, last);
  }

  /** `123`, `-1`, `120/123`, or the end of `comm-123`, at token to end. */
  #readIds(bytes: Uint8Array, start: number, token: number, end: number): boolean {
    let last = end;
    while (last > token && isDigit(bytes[last - 1])) last--;
    if (last === end || end - last > 10) return false;
    this.tid = decimal(bytes, last, end);
    this.pid = Number.NaN;
    let commEnd = token;
    if (last > token && bytes[last - 1] === MINUS) {
      last--;
      if (last === token || bytes[last - 1] === SLASH) this.tid = -this.tid;
      else commEnd = last;
    }
    if (last > token && commEnd === token) {
      const slash = last - 1;
      const sign = bytes[token] === MINUS ? 1 : 0;
      if (bytes[slash] !== SLASH || !isNumber(bytes, token + sign, slash)) return false;
      this.pid = (sign === 1 ? -1 : 1) * decimal(bytes, token + sign, slash);
    }
    this.idsEnd = end;
    this.commStart = skipBlanks(bytes, start, commEnd);
    this.commEnd = skipBlanksBackwards(bytes, this.commStart, commEnd);
    return true;
  }

  /** Period and event, which both may be missing, from behind the time. */
  #readEvent(bytes: Uint8Array, from: number, end: number): void {
    let token = skipBlanks(bytes, from, end);
    let last = tokenEnd(bytes, token, end);
    this.period = 1;
    if (isNumber(bytes, token, last) && last - token < 20) {
      this.period = decimal(bytes, token, last) || 1;
      token = skipBlanks(bytes, last, end);
      last = tokenEnd(bytes, token, end);
    }
    this.eventStart = token;
    this.eventEnd = token;
    this.restStart = token;
    if (last - token > 1 && bytes[last - 1] === COLON) {
      this.eventEnd = last - 1;
      this.restStart = skipBlanks(bytes, last, end);
    }
  }
}

/** Bytes as a string of one character per byte. */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

export function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHeaderEnd(byte: number): boolean {
  return isDigit(byte) || byte === COLON || byte === CLOSE || isBlank(byte);
}

function isNumber(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!isDigit(bytes[i])) return false;
  return end > start;
}

/** perf's `-F misc` prints up to five letters: K, U, H, G, g, P, M, E, S and a few more. */
function isMiscFlags(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const letter = bytes[i] | 0x20;
    if (letter < 0x61 || letter > 0x7a) return false;
  }
  return end > start && end - start <= 5;
}

function decimal(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 10 + (bytes[i] - 0x30);
  return value;
}

function skipBlanks(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && isBlank(bytes[i])) i++;
  return i;
}

function skipBlanksBackwards(bytes: Uint8Array, start: number, end: number): number {
  let i = end;
  while (i > start && isBlank(bytes[i - 1])) i--;
  return i;
}

function tokenStart(bytes: Uint8Array, start: number, end: number): number {
  let i = end;
  while (i > start && !isBlank(bytes[i - 1])) i--;
  return i;
}

function tokenEnd(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && !isBlank(bytes[i])) i++;
  return i;
}
