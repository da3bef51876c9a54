// Random numbers that a seed and a few words determine: the same input can be made again anywhere.

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** sfc32, seeded from the text of `seed`. */
  constructor(...seed: readonly (string | number)[]) {
    let hash = 0x811c9dc5;
    for (const character of seed.join('\0')) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
    this.#a = hash;
    this.#b = Math.imul(hash, 0x9e3779b1);
    this.#c = Math.imul(hash, 0x85ebca6b);
    for (let i = 0; i < 12; i++) this.word();
  }

  /** 0 to 2^32 - 1. */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** 0 to `limit` - 1; 0 for a limit of 0. */
  below(limit: number): number {
    return Math.floor((this.word() / 2 ** 32) * limit);
  }

  /** Mostly small, up to `limit` - 1. */
  smallBelow(limit: number): number {
    return this.below(this.below(Math.min(limit, 1 + this.below(limit))) + 1);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }
}
