// A map of numbers for the innermost loops.

const PAGE_BITS = 8;
const PAGE_MASK = 2 ** PAGE_BITS - 1;

/** Of whole numbers below 2^32, which come in order for the most part: faster than a Map. */
export class NumberMap {
  readonly #pages = new Map<number, Int32Array>();
  #page: Int32Array = new Int32Array(0);
  #at = -1;

  /** @returns -1 for a number that is not there */
  get(number: number): number {
    return this.#turnTo(number >>> PAGE_BITS) ? this.#page[number & PAGE_MASK] : -1;
  }

  set(number: number, value: number): void {
    const at = number >>> PAGE_BITS;
    if (!this.#turnTo(at)) {
      this.#page = new Int32Array(PAGE_MASK + 1).fill(-1);
      this.#at = at;
      this.#pages.set(at, this.#page);
    }
    this.#page[number & PAGE_MASK] = value;
  }

  #turnTo(at: number): boolean {
    if (at === this.#at) return true;
    const page = this.#pages.get(at);
    if (page === undefined) return false;
    this.#page = page;
    this.#at = at;
    return true;
  }
}
