// Integer columns as bytes: differences, sign and magnitude, seven bits at a time (see Column in profile.proto).

/** Most bytes one row takes: 6 bits, then 7 per byte up to 53 bits. */
const MAX_ROW_BYTES = 8;

/** Up to it numbers are shifted. */
const MOST_INT = 2 ** 30 - 1;

/** Writes rows of one column until a byte limit; the next call of `encode` goes on where the last one ended. */
export class ColumnEncoder {
  readonly #rows: ArrayLike<number>;
  #next = 0;
  #previous = 0;

  constructor(rows: ArrayLike<number>) {
    this.#rows = rows;
  }

  get isDone(): boolean {
    return this.#next >= this.#rows.length;
  }

  /** At most about `limit` bytes of rows. */
  encode(limit: number): { readonly rows: number; readonly deltas: Uint8Array } {
    const rows = this.#rows;
    const from = this.#next;
    const out = new Uint8Array(Math.min(limit, (rows.length - from) * MAX_ROW_BYTES) + MAX_ROW_BYTES);
    let at = 0;
    let previous = this.#previous;
    let row = from;
    for (; row < rows.length && at < limit; row++) {
      const value = rows[row];
      const difference = value - previous;
      previous = value;
      let magnitude = difference < 0 ? -difference : difference;
      if (magnitude <= MOST_INT) {
        // The same in whole numbers, as most differences are: faster.
        const sign = difference < 0 ? 1 : 0;
        let rest = magnitude >> 6;
        out[at++] = ((magnitude & 63) << 1) | sign | (rest > 0 ? 0x80 : 0);
        for (; rest >= 128; rest >>= 7) out[at++] = (rest & 0x7f) | 0x80;
        if (rest > 0) out[at++] = rest;
        continue;
      }
      const first = ((magnitude % 64) << 1) | (difference < 0 ? 1 : 0);
      magnitude = Math.floor(magnitude / 64);
      out[at++] = first | 0x80;
      while (magnitude >= 128) {
        out[at++] = (magnitude % 128) | 0x80;
        magnitude = Math.floor(magnitude / 128);
      }
      out[at++] = magnitude;
    }
    this.#next = row;
    this.#previous = previous;
    return { rows: row - from, deltas: out.subarray(0, at) };
  }
}

/** Reads what ColumnEncoder wrote, part by part. */
export class ColumnDecoder {
  #data = new Float64Array(64);
  #length = 0;
  #previous = 0;

  get length(): number {
    return this.#length;
  }

  /** Append `rows` rows. Returns what is wrong with the bytes, or undefined. */
  push(rows: number, deltas: Uint8Array): string | undefined {
    if (rows > deltas.length) return `${rows} rows in ${deltas.length} bytes`;
    this.#reserve(rows);
    const data = this.#data;
    let previous = this.#previous;
    let at = 0;
    for (let row = 0; row < rows; row++) {
      let byte = deltas[at++];
      const isNegative = (byte & 1) === 1;
      let magnitude = (byte & 0x7f) >>> 1;
      let scale = 64;
      for (let extra = 0; byte >= 0x80; extra++) {
        if (at >= deltas.length) return `row ${this.#length} ends outside its bytes`;
        if (extra === MAX_ROW_BYTES) return `row ${this.#length} is longer than ${MAX_ROW_BYTES} bytes`;
        byte = deltas[at++];
        magnitude += (byte & 0x7f) * scale;
        scale *= 128;
      }
      previous += isNegative ? -magnitude : magnitude;
      if (!Number.isSafeInteger(previous)) return `row ${this.#length} is outside 53 bits`;
      data[this.#length++] = previous;
    }
    if (at !== deltas.length) return `${deltas.length - at} bytes after ${rows} rows`;
    this.#previous = previous;
    return undefined;
  }

  toInt32(): Int32Array {
    return new Int32Array(this.#data.subarray(0, this.#length));
  }

  toUint32(): Uint32Array {
    return new Uint32Array(this.#data.subarray(0, this.#length));
  }

  toFloat64(): Float64Array {
    return this.#data.slice(0, this.#length);
  }

  /** Without a copy: whoever pushes more changes it, and it may keep twice its own memory. */
  view(): Float64Array {
    return this.#data.subarray(0, this.#length);
  }

  #reserve(rows: number): void {
    const needed = this.#length + rows;
    if (needed <= this.#data.length) return;
    const bigger = new Float64Array(Math.max(needed, this.#data.length * 2));
    bigger.set(this.#data);
    this.#data = bigger;
  }
}
