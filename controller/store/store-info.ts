// What a store holds, and whether all of it can be read.
import { type Kysely, sql } from 'kysely';
import { FailureError } from '../../proto/failure.js';
import { countOf } from './copy-store.js';
import type { Engine } from './migrations.js';
import { newestVersion } from './migrations.js';
import type { SqlDatabase } from './sql-database.js';
import { rowsOf, TableDigest } from './table-rows.js';
import { tableShapes } from './table-shapes.js';
import type { Tables } from './tables.js';

export interface TableInfo {
  readonly name: string;
  readonly rows: number;
}

export interface StoreInfo {
  /** Without a password. */
  readonly store: string;
  readonly engine: Engine;
  readonly version: number;
  /** On its disk. */
  readonly bytes: number;
  readonly jobs: Readonly<Record<string, number>>;
  readonly tables: readonly TableInfo[];
}

export function storeInfo(database: SqlDatabase): Promise<StoreInfo> {
  const { db, engine, where } = database;
  return database.guard('looking into the store', async () => {
    const tables: TableInfo[] = [];
    for (const { name } of await tableShapes(database)) tables.push({ name, rows: await countOf(db, name) });
    const byState = await db
      .selectFrom('jobs')
      .select(['state', db.fn.countAll<number>().as('jobs')])
      .groupBy('state')
      .orderBy('state')
      .execute();
    const jobs = Object.fromEntries(byState.map(({ state, jobs: count }) => [state, Number(count)]));
    return { store: where, engine, version: newestVersion, bytes: await bytesOf(engine, db), jobs, tables };
  });
}

async function bytesOf(engine: Engine, db: Kysely<Tables>): Promise<number> {
  const query =
    engine === 'sqlite'
      ? sql<{ bytes: number }>`select page_count * page_size as bytes from pragma_page_count(), pragma_page_size()`
      : sql<{ bytes: number }>`select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint as bytes from pg_class
          where relkind = 'r' and relnamespace = current_schema()::regnamespace`;
  return Number((await query.execute(db)).rows[0]?.bytes ?? 0);
}

/** Read everything, and have SQLite compare its indices with its tables. What cannot be read is a problem, not a failure. */
export async function checkStore(
  database: SqlDatabase,
): Promise<{ readonly problems: readonly string[]; readonly rows: number }> {
  const problems: string[] = [];
  let rows = 0;
  const tried = async (work: () => Promise<void>): Promise<void> => {
    try {
      await database.guard('checking the store', work);
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.code !== 'bad-data') throw error;
      problems.push(error.failure.message);
    }
  };
  if (database.engine === 'sqlite') {
    await tried(async () => {
      const found = await sql<{ integrity_check: string }>`pragma integrity_check(100)`.execute(database.db);
      problems.push(...found.rows.map((row) => row.integrity_check).filter((line) => line !== 'ok'));
    });
  }
  for (const shape of await database.guard('reading the tables', () => tableShapes(database))) {
    await tried(async () => {
      const digest = new TableDigest(shape);
      for await (const piece of rowsOf(database.db, shape)) digest.add(piece);
      rows += digest.end().rows;
    });
  }
  return { problems, rows };
}
