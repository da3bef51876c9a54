// One `perftrawl serve` per file of SQLite: two would each take up what the other runs. Other commands use the file beside it.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { fail } from '../../proto/failure.js';

export interface ServeLock {
  release(): void;
}

/**
 * A lock of SQLite on a file beside the database: the system lets go of it when the process ends, however it ends.
 * @throws FailureError 'conflict' that names the process that has it
 */
export function takeServeLock(path: string): ServeLock {
  const pidFile = `${path}.serve-pid`;
  const lock = new Database(`${path}.serve-lock`, { timeout: 0 });
  try {
    lock.exec('begin exclusive');
  } catch (error) {
    lock.close();
    if (!(error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY'))) throw error;
    const pid = pidIn(pidFile);
    const who = pid === undefined ? 'another process' : `process ${pid}`;
    throw fail(
      'conflict',
      `${path} is served already, by ${who}`,
      `stop that one first${pid === undefined ? '' : ` (kill ${pid})`}, use another data directory (PERFTRAWL_DATA), or share a PostgreSQL (--store)`,
    );
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return {
    release() {
      // First: whoever takes the lock next writes its own.
      rmSync(pidFile, { force: true });
      lock.close();
    },
  };
}

function pidIn(file: string): string | undefined {
  try {
    return /^[0-9]{1,10}$/.exec(readFileSync(file, 'utf8').trim())?.[0];
  } catch {
    // It is about to be written, or has just been removed.
    return undefined;
  }
}
