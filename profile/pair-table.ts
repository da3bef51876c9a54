// Rows of two integers, each pair once: the inner loop of building and merging profiles, so it hashes and compares in place.
import { Int32Column } from './column.js';

export class PairTable {
  readonly first = new Int32Column();
  readonly second = new Int32Column();
  #slots = new Int32Array(256).fill(-1);

  get length(): number {
    return this.first.length;
  }

  /** The row of (first, second), made where it is new: then it is the last one. */
  row(first: number, second: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const firsts = this.first.data;
    const seconds = this.second.data;
    let slot = slotOf(first, second) & mask;
    for (let row = slots[slot]; row >= 0; row = slots[slot]) {
      if (firsts[row] === first && seconds[row] === second) return row;
      slot = (slot + 1) & mask;
    }
    const row = this.first.push(first);
    this.second.push(second);
    slots[slot] = row;
    if (this.length * 2 > slots.length) this.#grow();
    return row;
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    const firsts = this.first.data;
    const seconds = this.second.data;
    for (let row = 0; row < this.length; row++) {
      let slot = slotOf(firsts[row], seconds[row]) & mask;
      while (slots[slot] >= 0) slot = (slot + 1) & mask;
      slots[slot] = row;
    }
    this.#slots = slots;
  }
}

/** Rows of one path are neighbours; adding the parent as it is keeps their slots neighbours as well, which spares a cache miss per row. */
function slotOf(first: number, second: number): number {
  const hash = (first + Math.imul(second + 1, 0x9e3779b1)) | 0;
  return hash ^ (hash >>> 15);
}
