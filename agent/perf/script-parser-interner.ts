// Byte strings to small integers: finds a known byte string at a place in a buffer, without making a JavaScript string.

/** More bytes than this are not remembered: the index is emptied and begins anew. */
const MOST_BYTES = 32 << 20;
/** Byte strings of one hash that are looked at; more of them (only hostile input has them) are not remembered. */
const MOST_PROBES = 48;

/** Returned by `find` where nothing matches. */
export const UNKNOWN = -1;

export class ByteStringIndex {
  #slots = new Int32Array(1024).fill(-1);
  #bytes = new Uint8Array(1 << 16);
  #used = 0;
  #count = 0;
  #hash = new Int32Array(256);
  #start = new Int32Array(257);

  /**
   * The number of a known byte string that `bytes` holds at `at`: with `length`, of exactly that length; with length 0,
   * of any length that ends before `limit` (the strings then carry their own terminator, such as a newline).
   */
  find(hash: number, bytes: Uint8Array, at: number, limit: number, length = 0): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = spread(hash) & mask;
    for (let probe = 0; probe < MOST_PROBES; probe++) {
      const entry = slots[slot];
      if (entry < 0) return UNKNOWN;
      if (this.#hash[entry] === hash && this.#isAt(entry, bytes, at, limit, length)) return entry;
      slot = (slot + 1) & mask;
    }
    return UNKNOWN;
  }

  /** Remember `bytes[from..to)`; its number is the count of those before it, or UNKNOWN when it cannot be kept. */
  add(hash: number, bytes: Uint8Array, from: number, to: number): number {
    const length = to - from;
    if (length > MOST_BYTES >> 4) return UNKNOWN;
    const mask = this.#slots.length - 1;
    let slot = spread(hash) & mask;
    let probe = 0;
    while (this.#slots[slot] >= 0) {
      if (++probe === MOST_PROBES) return UNKNOWN;
      slot = (slot + 1) & mask;
    }
    const entry = this.#count++;
    this.#reserve(length);
    this.#bytes.set(bytes.subarray(from, to), this.#used);
    this.#used += length;
    this.#hash[entry] = hash;
    this.#start[entry + 1] = this.#used;
    this.#slots[slot] = entry;
    if (this.#count * 2 > this.#slots.length) this.#rehash();
    return entry;
  }

  lengthOf(entry: number): number {
    return this.#start[entry + 1] - this.#start[entry];
  }

  get isFull(): boolean {
    return this.#used > MOST_BYTES;
  }

  clear(): void {
    this.#slots.fill(-1);
    this.#used = 0;
    this.#count = 0;
  }

  #isAt(entry: number, bytes: Uint8Array, at: number, limit: number, length: number): boolean {
    const known = this.#bytes;
    const start = this.#start[entry];
    const end = this.#start[entry + 1];
    if (end - start > limit - at || (length !== 0 && end - start !== length)) return false;
    for (let i = start, j = at; i < end; i++, j++) {
      if (known[i] !== bytes[j]) return false;
    }
    return true;
  }

  #reserve(length: number): void {
    if (this.#used + length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    if (this.#count >= this.#hash.length) {
      const hash = new Int32Array(this.#hash.length * 2);
      hash.set(this.#hash);
      this.#hash = hash;
      const start = new Int32Array(this.#hash.length + 1);
      start.set(this.#start);
      this.#start = start;
    }
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (let entry = 0; entry < this.#count; entry++) {
      let slot = spread(this.#hash[entry]) & mask;
      while (slots[slot] >= 0) slot = (slot + 1) & mask;
      slots[slot] = entry;
    }
    this.#slots = slots;
  }
}

/** Hash of `bytes[from..to)` for `find` and `add`. */
export function hashBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0;
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + bytes[i]) | 0;
  return hash;
}

function spread(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 13);
}
