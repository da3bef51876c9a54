// A copy of a file of SQLite as it is at one moment, made while others read and write it; and a file that is there only when it is whole.
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { fail } from '../../proto/failure.js';
import { makePrivateDirectory } from '../directories.js';
import { goOn } from './copy-store.js';
import { refusalOf } from './migrations.js';
import { explain } from './sqlite-failures.js';
import { damaged, problemsOf, versionOf } from './sqlite-versions.js';

/** 64 MiB of usual pages. */
const pagesAtOnce = 16_384;
/** SQLite begins again when another process writes meanwhile; after so many times the rest is copied in one go, and writers wait. */
const mostRestarts = 3;

/**
 * @param onProgress of pages
 * @throws FailureError 'bad-data' when the copy is damaged, which it is when the file is, and for a file that is no store; 'conflict' for
 * one of a newer program; 'not-found', 'cancelled', 'exhausted', 'permission'
 */
export async function backupSqlite(
  file: string,
  target: string,
  onProgress: (done: number, of: number) => void,
  signal: AbortSignal,
): Promise<void> {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw fail('not-found', `there is no file ${file}`, 'name one that `perftrawl store backup` has made');
  }
  try {
    const source = new Database(file, { readonly: true, fileMustExist: true });
    let [most, restarts, all] = [0, 0, 0];
    try {
      checkIsStore(source, file);
      await source.backup(target, {
        progress({ totalPages, remainingPages }) {
          goOn(signal);
          const done = totalPages - remainingPages;
          if (done < most) restarts++;
          most = done;
          all = totalPages;
          onProgress(done, totalPages);
          return restarts < mostRestarts ? pagesAtOnce : Math.max(1, totalPages);
        },
      });
      // What was copied in one go could not be ended before.
      goOn(signal);
      onProgress(all, all);
    } finally {
      source.close();
    }
    const copy = new Database(target);
    try {
      // One file that needs no others beside it.
      copy.pragma('journal_mode = DELETE');
      const [problem] = problemsOf(copy, 'quick');
      if (problem !== undefined) throw damaged(file, problem);
    } finally {
      copy.close();
    }
  } catch (error) {
    throw explain(file, `copying it to ${target}`, error);
  }
}

/** Before anything is deleted for the sake of what it holds. @throws FailureError 'bad-data', 'conflict' */
function checkIsStore(source: Database.Database, file: string): void {
  const version = versionOf(source);
  const refusal = refusalOf(version, file);
  if (refusal !== undefined) throw refusal;
  if (version > 0) return;
  throw fail('bad-data', `${file} is no store of perftrawl`, 'name a file that `perftrawl store backup` has made');
}

/**
 * Run `make` with the name of a new, empty file beside `target`, for its owner alone, which becomes `target` once it is complete and on the disk.
 * @throws FailureError 'conflict' when there is a file of that name, also when somebody makes one meanwhile
 */
export async function madeWhole(target: string, make: (file: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) throw taken(target);
  const temporary = `${target}.part-${process.pid}`;
  try {
    makePrivateDirectory(dirname(target));
    // It has all that the store has; who may read that is not for the umask to say.
    rmSync(temporary, { force: true });
    closeSync(openSync(temporary, 'wx', 0o600));
    await make(temporary);
    for (const path of [temporary, dirname(target)]) {
      const opened = openSync(path, 'r');
      fsyncSync(opened);
      closeSync(opened);
    }
    linkSync(temporary, target);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw taken(target);
    throw explain(target, 'making the file', error);
  } finally {
    for (const ending of ['', '-wal', '-shm', '-journal']) rmSync(`${temporary}${ending}`, { force: true });
  }
}

function taken(target: string) {
  return fail('conflict', `${target} is there already`, 'name another file, or remove that one');
}
