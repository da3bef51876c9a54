// Cuts chunks of bytes into lines, whatever the chunking. A line longer than the bound keeps its beginning; nothing else is kept.

/** Takes one line without its line end (`\n` or `\r\n`). `isCut`: it was longer than the bound; `isLast`: it came without a line end. */
export type TakeLine = (text: string, isCut: boolean, isLast: boolean) => void;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class LineCutter {
  readonly #limit: number;
  readonly #take: TakeLine;
  /** The beginning of a line that did not end with its chunk; one byte more than the limit tells that it is cut. */
  readonly #carry: Buffer;
  #carried = 0;

  /** `limit`: bytes of a line that are kept, 1 or more. */
  constructor(limit: number, take: TakeLine) {
    this.#limit = limit;
    this.#take = take;
    // a carriage return before the newline does not count
    this.#carry = Buffer.alloc(limit + 2);
  }

  push(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (at < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, at);
      if (newline < 0) {
        this.#keep(chunk, at, chunk.length);
        return;
      }
      if (this.#carried > 0) {
        this.#keep(chunk, at, newline);
        this.#cut(this.#carry, 0, this.#carried, false);
        this.#carried = 0;
      } else {
        this.#cut(chunk, at, newline, false);
      }
      at = newline + 1;
    }
  }

  /** The bytes are over; a last line may lack its newline. */
  end(): void {
    if (this.#carried === 0) return;
    this.#cut(this.#carry, 0, this.#carried, true);
    this.#carried = 0;
  }

  #keep(chunk: Uint8Array, from: number, to: number): void {
    const room = this.#carry.length - this.#carried;
    if (to - from <= room) {
      this.#carry.set(chunk.subarray(from, to), this.#carried);
      this.#carried += to - from;
      return;
    }
    this.#carry.set(chunk.subarray(from, from + room), this.#carried);
    this.#carried = this.#carry.length;
    // whatever ends such a line, it is too long: the last byte must not be taken for half a line end
    this.#carry[this.#carry.length - 1] = 0;
  }

  #cut(bytes: Buffer, start: number, end: number, isLast: boolean): void {
    const last = !isLast && end > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    const isCut = last - start > this.#limit;
    this.#take(bytes.toString('utf8', start, isCut ? start + this.#limit : last), isCut, isLast);
  }
}
