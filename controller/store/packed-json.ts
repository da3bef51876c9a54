// Compressed JSON with each text once: how columns become blobs.
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { z } from 'zod';
import { fail } from '../../proto/failure.js';

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

/** @throws FailureError 'bad-data' that says `where` */
export function unpackJson<T>(data: Uint8Array, schema: z.ZodType<T>, where: string): T {
  try {
    return schema.parse(JSON.parse(brotliDecompressSync(data).toString('utf8')));
  } catch (cause) {
    throw fail('bad-data', `${where} cannot be read`, 'restore the database from a backup', cause);
  }
}
