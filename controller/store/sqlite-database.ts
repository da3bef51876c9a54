// One SQLite file for both stores, used by several processes at once (WAL). Errors of SQLite become failures here.
import { closeSync, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { Kysely, type SqliteDatabase, SqliteDialect, sql } from 'kysely';
import { makePrivateDirectory } from '../directories.js';
import { type ServeLock, takeServeLock } from './serve-lock.js';
import type { SqlDatabase } from './sql-database.js';
import { explain, explained } from './sqlite-failures.js';
import { bringUpToDate, busyTimeout } from './sqlite-versions.js';
import type { Tables } from './tables.js';

/**
 * kysely hands the one connection of this process to one query or transaction at a time. A file of an older program is brought up to
 * date, with a copy of what it was beside it.
 * @param now milliseconds since 1970 UTC
 * @param isServing one process at a time serves a file; the database is its own until it is closed
 * @throws FailureError 'bad-data' when the file is damaged or no database, 'conflict' when it is too new or served already,
 * 'permission', 'exhausted'
 */
export function openSqlite(path: string, now: number, isServing = false): SqlDatabase {
  let lock: ServeLock | undefined;
  const raw = explained(path, 'opening the database', () => {
    makePrivateDirectory(dirname(path));
    // In a directory that others may enter too, for its owner alone: it has hashes of tokens, and whatever was captured.
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    if (isServing) lock = takeServeLock(path);
    let opened: Database.Database | undefined;
    try {
      opened = new Database(path, { timeout: busyTimeout });
      bringUpToDate(opened, path, now);
      opened.pragma('synchronous = NORMAL');
      return opened;
    } catch (error) {
      opened?.close();
      lock?.release();
      throw error;
    }
  });
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: undoable(raw) }) });
  return {
    engine: 'sqlite',
    where: path,
    db,
    clock: sql<number>`(unixepoch('subsec') * 1000.0)`,
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
      lock?.release();
    },
  };
}

/**
 * SQLite undoes a whole transaction by itself when the disk is full or fails. What kysely says then to undo it would be an error, which
 * would be told in place of the reason.
 */
function undoable(raw: Database.Database): SqliteDatabase {
  return {
    prepare: (text) => raw.prepare(text === 'rollback' && !raw.inTransaction ? 'select 1' : text),
    close: () => void raw.close(),
  };
}
