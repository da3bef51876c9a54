// The file of SQLite as it is found: new, of this program, of an older one, of a newer one, damaged, or somebody else's.
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { fail } from '../../proto/failure.js';
import { migrationsTable, newestVersion, refusalOf, stepsFrom } from './migrations.js';

/** How long to wait for another process's transaction, in milliseconds. */
export const busyTimeout = 10_000;

/** Files up to this are checked whenever they are opened: it takes a few milliseconds. */
const quicklyChecked = 8 * 1024 ** 2;

/**
 * Bring the database to the newest version; several processes may try at once. A file that is refused is not changed.
 * @throws FailureError 'bad-data', 'conflict', and what SQLite throws
 */
export function bringUpToDate(database: Database.Database, path: string, now: number): void {
  // As of one moment: another process may be making the tables.
  const [version, isForeign] = database.transaction(() => {
    const found = versionOf(database);
    return [found, found === 0 && hasTables(database)] as const;
  })();
  const refusal = refusalOf(version, path);
  if (refusal !== undefined) throw refusal;
  if (isForeign) {
    throw fail('bad-data', `${path} is a database of another program`, 'name another file');
  }
  if (version > 0 && (version < newestVersion || sizeOf(database) <= quicklyChecked)) {
    const [problem] = problemsOf(database, 'quick');
    if (problem !== undefined) throw damaged(path, problem);
  }
  useWal(database);
  if (version === newestVersion) return;
  if (version > 0) keepCopy(database, `${path}.before-v${newestVersion}`);
  migrate(database, path, now);
}

/** What is damaged, in SQLite's words; at most 100 lines. `full` also compares indices with their tables. */
export function problemsOf(database: Database.Database, how: 'quick' | 'full'): readonly string[] {
  const lines: unknown[] = database
    .prepare(`pragma ${how === 'quick' ? 'quick_check' : 'integrity_check'}(100)`)
    .pluck()
    .all();
  return lines.map(String).filter((line) => line !== 'ok');
}

export function damaged(path: string, problem: string) {
  return fail(
    'bad-data',
    `${path} is damaged: ${problem.replaceAll(/\s+/g, ' ').slice(0, 300)}`,
    'the file is left as it is: move it away, and restore a sound backup in its place (perftrawl store restore)',
  );
}

/** 0 for an empty file, and for one of another program. */
export function versionOf(database: Database.Database): number {
  const table = database.prepare("select count(*) from sqlite_master where name = 'migrations'").pluck().get();
  if (table !== 1) return 0;
  return Number(database.prepare('select coalesce(max(version), 0) from migrations').pluck().get());
}

function hasTables(database: Database.Database): boolean {
  return database.prepare("select count(*) from sqlite_master where type = 'table'").pluck().get() !== 0;
}

function sizeOf(database: Database.Database): number {
  const pages = Number(database.pragma('page_count', { simple: true }));
  return pages * Number(database.pragma('page_size', { simple: true }));
}

/** A copy of the database as it is, on the disk when this returns; it replaces an older copy of that name, never by a newer version. */
function keepCopy(database: Database.Database, target: string): void {
  const temporary = `${target}.${process.pid}`;
  rmSync(temporary, { force: true });
  try {
    database.prepare('vacuum into ?').run(temporary);
    const copy = new Database(temporary, { readonly: true });
    const version = versionOf(copy);
    copy.close();
    // Another process was faster: the copy is what it made of the file, and its own copy is there.
    if (version === newestVersion) return;
    const file = openSync(temporary, 'r+');
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function migrate(database: Database.Database, path: string, now: number): void {
  database
    .transaction(() => {
      database.exec(migrationsTable('sqlite'));
      const version = versionOf(database);
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
