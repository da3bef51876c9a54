// Bytes kept until they can be read as a whole: headers and feature sections, up to a limit.

export class ByteStore {
  length = 0;
  #bytes = new Uint8Array(4096);
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns how many bytes were kept: fewer than given once the limit is reached */
  append(bytes: Uint8Array): number {
    const kept = Math.min(bytes.length, this.#limit - this.length);
    if (this.length + kept > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#limit, Math.max(2 * this.#bytes.length, this.length + kept)));
      grown.set(this.#bytes.subarray(0, this.length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes.subarray(0, kept), this.length);
    this.length += kept;
    return kept;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}
