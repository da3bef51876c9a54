// Open-addressing index from the contents of rows to row numbers; rows live in columns elsewhere.

/** Mix one 32-bit word into a hash. */
export function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x85ebca6b) ^ Math.imul(word, 0x9e3779b1);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}

export class HashIndex {
  #slots = new Int32Array(256).fill(-1);
  #count = 0;
  readonly #hashOfRow: (row: number) => number;

  /** @param hashOfRow the same hash that `find` is called with, computed anew from a stored row (used when the index grows) */
  constructor(hashOfRow: (row: number) => number) {
    this.#hashOfRow = hashOfRow;
  }

  /** The row for which `same` holds; otherwise the bitwise complement of the free slot to give to `add` (a negative number). */
  find(hash: number, same: (row: number) => boolean): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (;;) {
      const row = slots[slot];
      if (row < 0) return ~slot;
      if (same(row)) return row;
      slot = (slot + 1) & mask;
    }
  }

  /** Put `row` where `find` found nothing; `missed` is what it returned. */
  add(missed: number, row: number): void {
    this.#slots[~missed] = row;
    this.#count++;
    if (this.#count * 2 > this.#slots.length) this.#grow();
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Int32Array(old.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (const row of old) {
      if (row < 0) continue;
      const hash = this.#hashOfRow(row);
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (slots[slot] >= 0) slot = (slot + 1) & mask;
      slots[slot] = row;
    }
    this.#slots = slots;
  }
}
