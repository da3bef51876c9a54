// From (address space, address) to the row of the location table, so that each address of each space is looked up once. Addresses are
// two signed words, as chain-table.ts has them.

export class LocationCache {
  #count = 0;
  #space = new Int32Array(1 << 12);
  #lo = new Int32Array(1 << 12);
  #hi = new Int32Array(1 << 12);
  #location = new Int32Array(1 << 12).fill(-1);
  readonly #resolve: (space: number, lo: number, hi: number) => number;

  /** @param resolve the row for an address that was not asked for before; not negative */
  constructor(resolve: (space: number, lo: number, hi: number) => number) {
    this.#resolve = resolve;
  }

  get(space: number, lo: number, hi: number): number {
    const locations = this.#location;
    const mask = locations.length - 1;
    let slot = hashOf(space, lo, hi) & mask;
    for (let row = locations[slot]; row >= 0; row = locations[slot]) {
      if (this.#lo[slot] === lo && this.#space[slot] === space && this.#hi[slot] === hi) return row;
      slot = (slot + 1) & mask;
    }
    const location = this.#resolve(space, lo, hi);
    this.#set(slot, space, lo, hi, location);
    if (++this.#count * 2 > this.#location.length) this.#grow();
    return location;
  }

  #set(slot: number, space: number, lo: number, hi: number, location: number): void {
    this.#space[slot] = space;
    this.#lo[slot] = lo;
    this.#hi[slot] = hi;
    this.#location[slot] = location;
  }

  #grow(): void {
    const spaces = this.#space;
    const los = this.#lo;
    const his = this.#hi;
    const locations = this.#location;
    const size = locations.length * 2;
    this.#space = new Int32Array(size);
    this.#lo = new Int32Array(size);
    this.#hi = new Int32Array(size);
    this.#location = new Int32Array(size).fill(-1);
    for (let old = 0; old < locations.length; old++) {
      if (locations[old] < 0) continue;
      let slot = hashOf(spaces[old], los[old], his[old]) & (size - 1);
      while (this.#location[slot] >= 0) slot = (slot + 1) & (size - 1);
      this.#set(slot, spaces[old], los[old], his[old], locations[old]);
    }
  }
}

function hashOf(space: number, lo: number, hi: number): number {
  const h = Math.imul(lo ^ Math.imul(space + 1, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(hi, 0xc2b2ae35);
  return h ^ (h >>> 15);
}
