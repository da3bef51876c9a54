// One SQLite file for both stores, used by several processes at once (WAL). Errors of SQLite become failures here.
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect, sql } from 'kysely';
import { type FailureError, fail } from '../../proto/failure.js';
import { makePrivateDirectory } from '../directories.js';
import { migrationsTable, refusalOf, stepsFrom } from './migrations.js';
import type { SqlDatabase } from './sql-database.js';
import type { Tables } from './tables.js';

/** How long to wait for another process's transaction, in milliseconds. */
const busyTimeout = 10_000;

/**
 * kysely hands the one connection of this process to one query or transaction at a time.
 * @throws FailureError 'bad-data' when the file is no database, 'conflict' when it is too new, 'permission', 'exhausted'
 */
export function openSqlite(path: string, now: number): SqlDatabase {
  const raw = explained(path, 'opening the database', () => {
    makePrivateDirectory(dirname(path));
    const opened = new Database(path, { timeout: busyTimeout });
    try {
      useWal(opened);
      opened.pragma('synchronous = NORMAL');
      migrate(opened, path, now);
    } catch (error) {
      opened.close();
      throw error;
    }
    return opened;
  });
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: raw }) });
  return {
    engine: 'sqlite',
    where: path,
    db,
    async guard(doing, work) {
      try {
        return await work();
      } catch (error) {
        throw explain(path, doing, error);
      }
    },
    durably: (work) =>
      db.connection().execute(async (connection) => {
        await sql`pragma synchronous = full`.execute(connection);
        try {
          return await connection.transaction().execute(work);
        } finally {
          await sql`pragma synchronous = normal`.execute(connection);
        }
      }),
    async close() {
      await db.destroy();
      // kysely closes only what it has used.
      if (raw.open) raw.close();
    },
  };
}

/** Bring the database to `newestVersion`; several processes may try at once. */
function migrate(database: Database.Database, path: string, now: number): void {
  database
    .transaction(() => {
      database.exec(migrationsTable('sqlite'));
      const current: unknown = database.prepare('select coalesce(max(version), 0) from migrations').pluck().get();
      const version = Number(current);
      const refusal = refusalOf(version, path);
      if (refusal !== undefined) throw refusal;
      for (const step of stepsFrom(version, 'sqlite')) {
        database.exec(step.sql);
        database.prepare('insert into migrations (version, applied) values (?, ?)').run(step.version, now);
      }
    })
    .immediate();
}

/**
 * Several processes may make the file at once, and SQLite does not wait in this one step (waiting might never end where two want to
 * change the mode): try again for as long as any other step would wait.
 */
function useWal(database: Database.Database): void {
  const pause = 20;
  for (let waited = 0; ; waited += pause) {
    try {
      if (database.pragma('journal_mode', { simple: true }) !== 'wal') database.pragma('journal_mode = WAL');
      return;
    } catch (error) {
      const isBusy = error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
      if (!isBusy || waited >= busyTimeout) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
    }
  }
}

function explained<T>(path: string, doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explain(path, doing, error);
  }
}

function explain(path: string, doing: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const said = error instanceof Error ? error.message : String(error);
  const failed = (kind: Parameters<typeof fail>[0], remedy: string): FailureError =>
    fail(kind, `${doing} (${path}): ${said}`, remedy, error);
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return failed('bad-data', 'the file is left as it is: move it away, or restore it from a backup');
  }
  if (code.startsWith('SQLITE_BUSY') || code === 'SQLITE_LOCKED') {
    return failed('exhausted', 'another process holds the database; try again');
  }
  if (code === 'SQLITE_FULL' || code === 'ENOSPC') return failed('exhausted', 'make room on the disk');
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN') || code === 'SQLITE_PERM') {
    return failed('permission', 'choose a data directory that you may write (PERFTRAWL_DATA)');
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    return failed('permission', 'choose a data directory that you may write (PERFTRAWL_DATA)');
  }
  if (code.startsWith('SQLITE_IOERR')) return failed('exhausted', 'the disk has failed; look at the kernel log');
  return error;
}
