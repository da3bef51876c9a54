// Bytes at an offset: what the ELF parser reads from, whether they are a file, a section or memory.

/** Reads never fail for being out of range: they give what there is, which may be nothing. */
export interface ByteSource {
  /** Bytes. */
  readonly size: number;
  /** At most `length` bytes from `offset` on. The result must not be written to. */
  read(offset: number, length: number): Uint8Array;
  /** Fill `into` with the bytes from `offset` on. @returns how many there were */
  copy(offset: number, into: Uint8Array): number;
}

export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(Math.min(offset, bytes.length), Math.min(offset + length, bytes.length)),
    copy: (offset, into) => {
      const part = bytes.subarray(Math.min(offset, bytes.length), Math.min(offset + into.length, bytes.length));
      into.set(part);
      return part.length;
    },
  };
}

/** Bytes `offset` to `offset + size` of `source`, cut to what it has. */
export function sliceSource(source: ByteSource, offset: number, size: number): ByteSource {
  const end = Math.min(offset + size, source.size);
  const length = Math.max(0, end - offset);
  return {
    size: length,
    read: (from, count) => source.read(offset + Math.min(from, length), Math.max(0, Math.min(count, length - from))),
    copy: (from, into) => {
      const start = Math.min(from, length);
      return source.copy(offset + start, into.subarray(0, Math.max(0, Math.min(into.length, length - start))));
    },
  };
}

/** Room for files that do not tell their size; memory that is not written to costs nothing. */
const UNKNOWN_SIZE = 1 << 23;

/** Everything to the end, even where `size` does not tell (in /proc, or in a file that grows); at most `limit` bytes. */
export function readToEnd(source: ByteSource, limit: number): Uint8Array {
  let bytes = Buffer.allocUnsafeSlow(Math.min(limit, source.size === 0 ? UNKNOWN_SIZE : source.size + 1));
  for (let length = 0; ; ) {
    length += source.copy(length, bytes.subarray(length));
    if (length < bytes.length || length >= limit) return bytes.subarray(0, length);
    const bigger = Buffer.allocUnsafeSlow(Math.min(limit, bytes.length * 2));
    bytes.copy(bigger);
    bytes = bigger;
  }
}

const BLOCK = 1 << 14;
const BLOCKS_PER_SLAB = 64;
const MAX_BLOCKS = 2048;
const MAX_NAME = 1 << 16;

/**
 * A string table that reads only the blocks in which wanted strings lie, and keeps at most 32 MiB of them. Blocks lie in slabs: an
 * allocation for each would keep the garbage collector busy.
 */
export class StringTable {
  readonly #source: ByteSource;
  readonly #slots = new Map<number, number>();
  readonly #slabs: Buffer[] = [];
  readonly #lengths: number[] = [];

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The string at `offset`, up to its NUL, the end of the table or 64 KiB; '' outside the table. */
  at(offset: number): string {
    const parts: Buffer[] = [];
    for (let from = offset; from - offset < MAX_NAME; ) {
      const block = this.#block(Math.floor(from / BLOCK));
      const start = from % BLOCK;
      if (start >= block.length) break;
      const end = block.indexOf(0, start);
      if (end >= 0 && parts.length === 0) return block.toString('utf8', start, end);
      parts.push(Buffer.from(block.subarray(start, end < 0 ? block.length : end)));
      if (end >= 0) break;
      from += block.length - start;
    }
    return Buffer.concat(parts).toString('utf8');
  }

  /** Valid until the next call. */
  #block(index: number): Buffer {
    let slot = this.#slots.get(index);
    if (slot === undefined) {
      if (this.#slots.size >= MAX_BLOCKS) this.#slots.clear();
      slot = this.#slots.size;
      this.#lengths[slot] = this.#source.copy(index * BLOCK, this.#room(slot));
      this.#slots.set(index, slot);
    }
    return this.#room(slot).subarray(0, this.#lengths[slot]);
  }

  #room(slot: number): Buffer {
    const slab = Math.floor(slot / BLOCKS_PER_SLAB);
    this.#slabs[slab] ??= Buffer.allocUnsafeSlow(BLOCKS_PER_SLAB * BLOCK);
    const start = (slot % BLOCKS_PER_SLAB) * BLOCK;
    return this.#slabs[slab].subarray(start, start + BLOCK);
  }
}
