// Bytes at an offset: what the ELF parser reads from, whether they are a file, a section or memory.

/** Reads never fail for being out of range: they give what there is, which may be nothing. */
export interface ByteSource {
  /** Bytes. */
  readonly size: number;
  /** At most `length` bytes from `offset` on. The result must not be written to. */
  read(offset: number, length: number): Uint8Array;
}

export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(Math.min(offset, bytes.length), Math.min(offset + length, bytes.length)),
  };
}

/** Bytes `offset` to `offset + size` of `source`, cut to what it has. */
export function sliceSource(source: ByteSource, offset: number, size: number): ByteSource {
  const end = Math.min(offset + size, source.size);
  const length = Math.max(0, end - offset);
  return {
    size: length,
    read: (from, count) => source.read(offset + Math.min(from, length), Math.max(0, Math.min(count, length - from))),
  };
}

/** Everything to the end, even where `size` does not tell (in /proc, or in a file that grows); at most `limit` bytes. */
export function readToEnd(source: ByteSource, limit: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let chunk = 1 << 16; length < limit; chunk = Math.min(chunk * 4, 1 << 24)) {
    const part = source.read(length, Math.min(chunk, limit - length));
    if (part.length === 0) break;
    parts.push(part);
    length += part.length;
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

const BLOCK = 1 << 12;
const MAX_BLOCKS = 1024;
const MAX_NAME = 1 << 16;

/** A string table that reads only the blocks in which wanted strings lie, and keeps at most 4 MiB of them. */
export class StringTable {
  readonly #source: ByteSource;
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The string at `offset`, up to its NUL, the end of the table or 64 KiB; '' outside the table. */
  at(offset: number): string {
    const parts: Uint8Array[] = [];
    for (let from = offset; from - offset < MAX_NAME; ) {
      const block = this.#block(Math.floor(from / BLOCK));
      const start = from % BLOCK;
      if (start >= block.length) break;
      const end = block.indexOf(0, start);
      parts.push(block.subarray(start, end < 0 ? block.length : end));
      if (end >= 0) break;
      from += block.length - start;
    }
    return Buffer.concat(parts).toString('utf8');
  }

  #block(index: number): Uint8Array {
    let block = this.#blocks.get(index);
    if (block === undefined) {
      if (this.#blocks.size >= MAX_BLOCKS) this.#blocks.clear();
      block = this.#source.read(index * BLOCK, BLOCK);
      this.#blocks.set(index, block);
    }
    return block;
  }
}
