// What SQLite and the file system say about a database's file, as failures with a remedy.
import { type FailureError, fail } from '../../proto/failure.js';
import { StoreAway } from './store-away.js';

/** Run `work`; what SQLite throws comes out as a FailureError that says what was `doing`. */
export function explained<T>(path: string, doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explain(path, doing, error);
  }
}

/** @returns the error itself when it is none of SQLite's */
export function explain(path: string, doing: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const said = error instanceof Error ? error.message : String(error);
  const failed = (kind: Parameters<typeof fail>[0], remedy: string): FailureError =>
    fail(kind, `${doing} (${path}): ${said}`, remedy, error);
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return failed(
      'bad-data',
      'the file is left as it is: move it away, and restore a sound backup in its place (perftrawl store restore)',
    );
  }
  if (code.startsWith('SQLITE_BUSY') || code === 'SQLITE_LOCKED') {
    return failed('exhausted', 'another process holds the database; try again');
  }
  if (code === 'SQLITE_FULL' || code === 'ENOSPC') {
    return new StoreAway(failed('exhausted', 'make room on the disk').failure, error);
  }
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN') || code === 'SQLITE_PERM') {
    return failed('permission', 'choose a data directory that you may write (PERFTRAWL_DATA)');
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    return failed('permission', 'choose a data directory that you may write (PERFTRAWL_DATA)');
  }
  if (code.startsWith('SQLITE_IOERR')) return failed('exhausted', 'the disk has failed; look at the kernel log');
  return error;
}
