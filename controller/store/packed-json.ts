// Compressed JSON with each text once: how columns become blobs.
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { z } from 'zod';
import type { Loss } from '../../profile/loss.js';
import { type FailureError, fail } from '../../proto/failure.js';

/** Numbers for texts, in the order in which they are first met. */
export class TextRows {
  readonly #rows = new Map<string, number>();

  row(text: string): number {
    const known = this.#rows.get(text);
    if (known !== undefined) return known;
    this.#rows.set(text, this.#rows.size);
    return this.#rows.size - 1;
  }

  /** By number. */
  texts(): string[] {
    return [...this.#rows.keys()];
  }
}

export function packJson(value: unknown): Uint8Array {
  return brotliCompressSync(JSON.stringify(value), { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } });
}

/** @throws FailureError 'bad-data' that says `where`; also for more than 256 MiB, which this program does not write */
export function unpackJson<T>(data: Uint8Array, schema: z.ZodType<T>, where: string): T {
  try {
    return schema.parse(JSON.parse(brotliDecompressSync(data, { maxOutputLength: MOST_BYTES }).toString('utf8')));
  } catch (cause) {
    throw damaged(where, cause);
  }
}

const MOST_BYTES = 256 * 1024 ** 2;

/** Reads rows of columns that belong together. */
export class RowReader {
  readonly #where: string;

  constructor(where: string) {
    this.#where = where;
  }

  /** @throws FailureError 'bad-data' when there is no such row */
  at<T>(column: readonly T[], row: number): T {
    const value = column[row];
    if (value === undefined) throw damaged(this.#where);
    return value;
  }

  /** @throws FailureError 'bad-data' unless all columns have that many rows */
  checkLength(length: number, columns: readonly (readonly unknown[])[]): void {
    if (columns.some((column) => column.length !== length)) throw damaged(this.#where);
  }

  /** Losses whose texts are rows of `texts`; they were losses of this program when they were written. */
  losses(losses: readonly (readonly [number, number, number])[], texts: readonly string[]): Loss[] {
    const plain = losses.map(([kind, count, detail]) => ({
      kind: this.at(texts, kind),
      count,
      detail: this.at(texts, detail),
    }));
    return plain as Loss[];
  }
}

function damaged(where: string, cause?: unknown): FailureError {
  return fail('bad-data', `${where} cannot be read`, 'restore the database from a backup', cause);
}
