// Cuts a stream of bytes into perf records without copying them: one buffer, read as 32-bit words, refilled from the front.
//
//   buffer   |· read ·|◀── whole records ──▶|◀ begun ▶|     free     |
//                     at                              filled         length
//
// A record is at most 64 KiB by format, so the buffer never grows. Records are 8 bytes aligned but behind a compressed one, whose
// size is any number of bytes: a record off the word grid is copied to a small buffer of its own first.
import type { RecordView } from './record-view.js';

const LARGEST_RECORD = 65_536;
const HEADER_SIZE = 8;
/** Large enough to make reading cheap, small enough to stay in the cache from reading to counting. */
const BUFFER_SIZE = 512 << 10;

export interface RecordHandler {
  /** The hot call: one SAMPLE record as words `at` to `at + length`. */
  sample(words: Uint32Array, at: number, length: number): void;
  /** Any other record. @returns bytes of payload that follow the record and are to be skipped, mostly 0 */
  record(type: number, record: RecordView): number;
}

const SAMPLE = 9;

export class RecordFramer {
  readonly #words = new Uint32Array((BUFFER_SIZE + LARGEST_RECORD) >>> 2);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #apart = new Uint32Array(LARGEST_RECORD >>> 2);
  readonly #apartBytes = new Uint8Array(this.#apart.buffer);
  readonly #handler: RecordHandler;
  #at = 0;
  #filled = 0;
  #skip = 0;

  constructor(handler: RecordHandler) {
    this.#handler = handler;
  }

  /** Free space to read bytes into, never empty; call `commit` with how many there are now. */
  reserve(): Uint8Array {
    if (this.#filled + BUFFER_SIZE / 2 > this.#bytes.length || this.#at === this.#filled) {
      this.#bytes.copyWithin(0, this.#at, this.#filled);
      this.#filled -= this.#at;
      this.#at = 0;
    }
    return this.#bytes.subarray(this.#filled);
  }

  /**
   * Read the records that are whole by now.
   * @returns false when the next header cannot be a record's: what follows is unreadable
   */
  commit(length: number): boolean {
    this.#filled += length;
    return this.#scan();
  }

  /** Bytes committed that are not part of a record yet, or of no record at all. */
  get pending(): number {
    return this.#filled - this.#at;
  }

  /** Payload bytes that are still missing. */
  get missingPayload(): number {
    return this.#skip;
  }

  #scan(): boolean {
    const words = this.#words;
    const handler = this.#handler;
    const end = this.#filled;
    let at = this.#at;
    for (;;) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, end - at);
        this.#skip -= skipped;
        at += skipped;
      }
      if (end - at < HEADER_SIZE) break;
      if ((at & 3) !== 0) {
        const size = this.#bytes[at + 6] | (this.#bytes[at + 7] << 8);
        if (size < HEADER_SIZE) return this.#stop(at);
        if (at + size > end) break;
        this.#apartBytes.set(this.#bytes.subarray(at, at + size));
        at += size;
        this.#handle(this.#apart, this.#apartBytes, 0, size);
        continue;
      }
      const word = at >>> 2;
      const size = words[word + 1] >>> 16;
      if (at + size > end) {
        if (size < HEADER_SIZE) return this.#stop(at);
        break;
      }
      if (words[word] === SAMPLE && size >= HEADER_SIZE) handler.sample(words, word, size >>> 2);
      else if (size < HEADER_SIZE) return this.#stop(at);
      else this.#handle(words, this.#bytes, word, size);
      at += size;
    }
    this.#at = at;
    return true;
  }

  #handle(words: Uint32Array, bytes: Uint8Array, at: number, size: number): void {
    if (words[at] === SAMPLE) this.#handler.sample(words, at, size >>> 2);
    else this.#skip = this.#handler.record(words[at], { words, bytes, at, size });
  }

  #stop(at: number): boolean {
    this.#at = at;
    return false;
  }
}
