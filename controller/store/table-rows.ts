// All rows of a table in the order of its key, a few at a time, and a digest by which two tables are known to be equal.
import { createHash, type Hash } from 'node:crypto';
import { type Kysely, type SqlBool, sql } from 'kysely';
import { fail } from '../../proto/failure.js';
import type { TableShape } from './table-shapes.js';
import type { Tables } from './tables.js';

export type Row = Readonly<Record<string, unknown>>;

/** Results are up to a MiB each. */
const rowsAtOnce = 40;

/** Pieces of some rows each. */
export async function* rowsOf(db: Kysely<Tables>, { name, columns, key }: TableShape): AsyncGenerator<readonly Row[]> {
  const list = (names: readonly string[]) => sql.join(names.map((column) => sql.ref(column)));
  let after: Row | undefined;
  for (;;) {
    const last = after;
    const beyond =
      last === undefined
        ? sql<SqlBool>`1 = 1`
        : sql<SqlBool>`(${list(key)}) > (${sql.join(key.map((column) => last[column]))})`;
    const { rows } = await sql<Row>`select ${list(columns)} from ${sql.table(name)}
      where ${beyond} order by ${list(key)} limit ${sql.lit(rowsAtOnce)}`.execute(db);
    if (rows.length > 0) yield rows;
    if (rows.length < rowsAtOnce) return;
    after = rows[rows.length - 1];
  }
}

/** SHA-256 over what the rows say, whatever the engine. */
export class TableDigest {
  readonly #hash: Hash = createHash('sha256');
  readonly #columns: readonly string[];
  #rows = 0;

  constructor({ name, columns }: TableShape) {
    this.#columns = columns;
    this.#hash.update(JSON.stringify([name, columns]));
  }

  /** @throws FailureError 'bad-data' for a value that no store writes */
  add(rows: readonly Row[]): void {
    for (const row of rows) for (const column of this.#columns) this.#hash.update(bytesOf(row[column], column));
    this.#rows += rows.length;
  }

  end(): { readonly rows: number; readonly sha256: string } {
    return { rows: this.#rows, sha256: this.#hash.digest('hex') };
  }
}

/** A letter for the type, the length where that is not fixed, the value. */
function bytesOf(value: unknown, column: string): Buffer {
  if (value === null) return Buffer.from('n');
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9, 'd');
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === 'string') return withLength('s', Buffer.from(value, 'utf8'));
  if (value instanceof Uint8Array) return withLength('b', value);
  throw fail('bad-data', `the column ${column} holds a ${typeof value}`);
}

function withLength(type: string, value: Uint8Array): Buffer {
  const head = Buffer.alloc(9, type);
  head.writeBigUInt64BE(BigInt(value.length), 1);
  return Buffer.concat([head, value]);
}
