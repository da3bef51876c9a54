// One string for equal bytes: texts of thousands of blobs are mostly the same, and a map finds a string that it has seen at once.

/** Distinct texts after which it begins anew. */
const MOST_TEXTS = 2_000_000;

export class TextPool {
  #texts: string[] = [];
  #hashes = new Int32Array(1024);
  /** Where the bytes of a text begin in `#bytes`; one more entry than texts. */
  #starts = new Float64Array(1025);
  #bytes = new Uint8Array(16 * 1024);
  /** Rows of texts plus one, by hash; 0: free. A power of two, at most half of it taken. */
  #slots = new Int32Array(2048);

  /** The texts of `bytes`, which have a zero byte between them. */
  split(bytes: Uint8Array): string[] {
    const found: string[] = [];
    let start = 0;
    let hash = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte !== 0) {
        hash = Math.imul(hash ^ byte, 0x01000193);
        continue;
      }
      found.push(this.#text(bytes, start, at, hash));
      start = at + 1;
      hash = 0;
    }
    found.push(this.#text(bytes, start, bytes.length, hash));
    return found;
  }

  #text(bytes: Uint8Array, start: number, end: number, hash: number): string {
    const mask = this.#slots.length - 1;
    // The low bits of the product are of the low bits of the bytes alone.
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const row = this.#slots[slot] - 1;
      if (this.#hashes[row] === hash && this.#isText(row, bytes, start, end)) return this.#texts[row];
    }
    return this.#add(bytes.subarray(start, end), hash, slot);
  }

  #isText(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    let from = this.#starts[row];
    if (this.#starts[row + 1] - from !== end - start) return false;
    for (let at = start; at < end; at++) if (this.#bytes[from++] !== bytes[at]) return false;
    return true;
  }

  #add(bytes: Uint8Array, hash: number, slot: number): string {
    if (this.#texts.length === MOST_TEXTS) this.#clear();
    const row = this.#texts.length;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
    this.#reserve(row, bytes.length);
    this.#bytes.set(bytes, this.#starts[row]);
    this.#starts[row + 1] = this.#starts[row] + bytes.length;
    this.#hashes[row] = hash;
    this.#texts.push(text);
    if (2 * this.#texts.length > this.#slots.length) this.#hashAnew();
    else this.#slots[slot] = row + 1;
    return text;
  }

  #reserve(row: number, bytes: number): void {
    if (row + 1 >= this.#hashes.length) {
      this.#hashes = grown(this.#hashes, new Int32Array(2 * this.#hashes.length));
      this.#starts = grown(this.#starts, new Float64Array(2 * this.#starts.length));
    }
    const needed = this.#starts[row] + bytes;
    if (needed > this.#bytes.length) this.#bytes = grown(this.#bytes, new Uint8Array(2 * needed));
  }

  #hashAnew(): void {
    let size = this.#slots.length;
    while (size < 2 * this.#texts.length) size *= 2;
    this.#slots = new Int32Array(size);
    for (let row = 0; row < this.#texts.length; row++) {
      let slot = (this.#hashes[row] ^ (this.#hashes[row] >>> 15)) & (size - 1);
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (size - 1);
      this.#slots[slot] = row + 1;
    }
  }

  #clear(): void {
    this.#texts = [];
    this.#slots.fill(0);
  }
}

function grown<T extends Int32Array | Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
