// Cuts chunks of text into lines without copying them, whatever the chunking.

export interface LineReader {
  /** Take a line that is recognized by its bytes at `at`, before its end is looked for; the position behind its newline, or -1. */
  known(bytes: Uint8Array, at: number, limit: number): number;
  /** Take the line `bytes[start..end)`; `bytes[end]` is a newline. */
  line(bytes: Uint8Array, start: number, end: number): void;
  /** A line was longer than LONGEST_LINE and is left out. */
  tooLong(): void;
}

const NEWLINE = 0x0a;
/** In bytes; demangled C++ names reach some tens of thousands. */
export const LONGEST_LINE = 1 << 20;

export class LineSplitter {
  readonly #reader: LineReader;
  /** The beginning of a line that did not end with its chunk. */
  #carry = new Uint8Array(4096);
  #carried = 0;
  #isTooLong = false;

  constructor(reader: LineReader) {
    this.#reader = reader;
  }

  push(chunk: Uint8Array): void {
    const reader = this.#reader;
    let at = this.#carried > 0 || this.#isTooLong ? this.#complete(chunk) : 0;
    while (at < chunk.length) {
      const next = reader.known(chunk, at, chunk.length);
      if (next > 0) {
        at = next;
        continue;
      }
      const newline = chunk.indexOf(NEWLINE, at);
      if (newline < 0) {
        this.#keep(chunk, at, chunk.length);
        return;
      }
      if (newline - at > LONGEST_LINE) reader.tooLong();
      else reader.line(chunk, at, newline);
      at = newline + 1;
    }
  }

  /** The text is over; a last line may lack its newline. */
  end(): void {
    if (this.#carried > 0 || this.#isTooLong) this.#complete(Uint8Array.of(NEWLINE));
  }

  /** Finish the carried line with the beginning of `chunk`; the position behind it. */
  #complete(chunk: Uint8Array): number {
    const newline = chunk.indexOf(NEWLINE);
    this.#keep(chunk, 0, newline < 0 ? chunk.length : newline + 1);
    if (newline < 0) return chunk.length;
    const length = this.#carried;
    this.#carried = 0;
    if (this.#isTooLong) {
      this.#isTooLong = false;
      this.#reader.tooLong();
    } else if (this.#reader.known(this.#carry, 0, length) < 0) {
      this.#reader.line(this.#carry, 0, length - 1);
    }
    return newline + 1;
  }

  #keep(chunk: Uint8Array, from: number, to: number): void {
    const length = this.#carried + to - from;
    const text = to > from && chunk[to - 1] === NEWLINE ? length - 1 : length;
    if (this.#isTooLong || text > LONGEST_LINE) {
      this.#isTooLong = true;
      this.#carried = 0;
      return;
    }
    if (length > this.#carry.length) {
      const grown = new Uint8Array(Math.max(length, this.#carry.length * 2));
      grown.set(this.#carry.subarray(0, this.#carried));
      this.#carry = grown;
    }
    this.#carry.set(chunk.subarray(from, to), this.#carried);
    this.#carried = length;
  }
}
