// Distinct call chains, each stored once as the words perf wrote (markers included). Finding one again is the hot path of reading.
//
// Words are read with their sign: V8 keeps those as they are, while every unsigned word above 2^31, as all of the kernel's addresses
// have, is an object on the heap for as long as code is not optimized, which in recordings of some seconds is most of the time.

/** Words of a segment: 1 MiB. A chain never straddles two; the longest that fits into a record has 16 Ki words. */
const SEGMENT = 1 << 18;

export class ChainTable {
  length = 0;
  readonly #segments: Int32Array[] = [];
  #segmentFill = SEGMENT;
  #slots = new Int32Array(1 << 12).fill(-1);
  #hash = new Int32Array(1 << 11);
  #start = new Float64Array(1 << 11);
  #size = new Int32Array(1 << 11);
  readonly #mostSegments: number;

  /** @param mostBytes memory that the chains may take, their index not counted */
  constructor(mostBytes: number) {
    this.#mostSegments = Math.max(1, Math.ceil(mostBytes / (SEGMENT * 4)));
    this.add(new Int32Array(0), 0, 0);
  }

  /** The row of the chain without entries. */
  static readonly EMPTY = 0;

  /** The row of the chain in words `at` to `at + size`; -1 when it is new and there is no memory left for it. */
  add(words: Int32Array, at: number, size: number): number {
    const end = at + size;
    // Two lanes, so that one multiplication need not wait for the other.
    let a = size;
    let b = 0x9e3779b9;
    let i = at;
    for (const pairs = end - 3; i < pairs; i += 4) {
      a = Math.imul(a ^ words[i] ^ (words[i + 1] << 5), 0x85ebca6b);
      b = Math.imul(b ^ words[i + 2] ^ (words[i + 3] << 5), 0xc2b2ae35);
      a = (a << 13) | (a >>> 19);
      b = (b << 15) | (b >>> 17);
    }
    if (i < end) a = Math.imul(a ^ words[i] ^ (words[i + 1] << 5), 0x85ebca6b);
    let hash = Math.imul(a ^ (a >>> 16) ^ Math.imul(b ^ (b >>> 15), 0x9e3779b1), 0x2c1b3c6d);
    hash ^= hash >>> 15;
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const row = slots[slot];
      if (row < 0) return this.#insert(slot, hash, words, at, size);
      if (this.#hash[row] === hash && this.#size[row] === size && this.#equals(row, words, at, size)) return row;
      slot = (slot + 1) & mask;
    }
  }

  /** Words of a row: `words` from `start` to `start + size`. */
  at(row: number): { readonly words: Int32Array; readonly start: number; readonly size: number } {
    const start = this.#start[row];
    return { words: this.#segments[Math.floor(start / SEGMENT)], start: start % SEGMENT, size: this.#size[row] };
  }

  #equals(row: number, words: Int32Array, at: number, size: number): boolean {
    const start = this.#start[row];
    const index = Math.floor(start / SEGMENT);
    const segment = this.#segments[index];
    const from = start - index * SEGMENT;
    let i = from;
    let k = at;
    // Differences are gathered four words at a time: a branch per word would cost more than the words.
    for (const end = from + size - 3; i < end; i += 4, k += 4) {
      const difference =
        (segment[i] ^ words[k]) |
        (segment[i + 1] ^ words[k + 1]) |
        (segment[i + 2] ^ words[k + 2]) |
        (segment[i + 3] ^ words[k + 3]);
      if (difference !== 0) return false;
    }
    for (const end = from + size; i < end; i++, k++) if (segment[i] !== words[k]) return false;
    return true;
  }

  #insert(slot: number, hash: number, words: Int32Array, at: number, size: number): number {
    if (this.#segmentFill + size > SEGMENT) {
      if (this.#segments.length >= this.#mostSegments) return -1;
      this.#segments.push(new Int32Array(SEGMENT));
      this.#segmentFill = 0;
    }
    const last = this.#segments.length - 1;
    const segment = this.#segments[last];
    const from = this.#segmentFill;
    for (let i = 0; i < size; i++) segment[from + i] = words[at + i];
    this.#segmentFill += size;
    const row = this.length++;
    if (row === this.#hash.length) this.#growRows();
    this.#hash[row] = hash;
    this.#start[row] = last * SEGMENT + from;
    this.#size[row] = size;
    this.#slots[slot] = row;
    if (this.length * 2 > this.#slots.length) this.#growSlots();
    return row;
  }

  #growRows(): void {
    const { length } = this.#hash;
    const hash = new Int32Array(length * 2);
    const start = new Float64Array(length * 2);
    const size = new Int32Array(length * 2);
    hash.set(this.#hash);
    start.set(this.#start);
    size.set(this.#size);
    this.#hash = hash;
    this.#start = start;
    this.#size = size;
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (let row = 0; row < this.length; row++) {
      let slot = this.#hash[row] & mask;
      while (slots[slot] >= 0) slot = (slot + 1) & mask;
      slots[slot] = row;
    }
    this.#slots = slots;
  }
}
