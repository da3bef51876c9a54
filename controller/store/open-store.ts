// The database that a text names: a file of SQLite, or a PostgreSQL server.
import { isAbsolute, resolve } from 'node:path';
import { fail } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import { openPostgres } from './postgres-database.js';
import { isPostgresUrl, type PostgresEnvironment, parsePostgresUrl, withoutPassword } from './postgres-url.js';
import type { SqlDatabase } from './sql-database.js';
import { openSqlite } from './sqlite-database.js';

export interface OpenStoreOptions {
  /** `postgres://…` or `sqlite:FILE`. */
  readonly store: string;
  /** Of PostgreSQL's own variables. */
  readonly env: PostgresEnvironment;
  readonly homeDirectory: string;
  /** The name of the user of this process. */
  readonly userName: string;
  /** The process serves it: one at a time may do that with a file of SQLite. */
  readonly isServing?: boolean;
  readonly clock: Clock;
  readonly random: () => number;
}

/** @throws FailureError 'bad-request' for a text that names none, and those of openSqlite and openPostgres */
export async function openStore(options: OpenStoreOptions): Promise<SqlDatabase> {
  const { store, env, homeDirectory, userName, isServing = false, clock, random } = options;
  if (isPostgresUrl(store)) {
    const target = parsePostgresUrl(store, env, userName);
    return openPostgres({ target, env, homeDirectory, clock, random });
  }
  return openSqlite(sqliteFile(store), clock.now(), isServing);
}

/** @throws FailureError 'bad-request' */
function sqliteFile(store: string): string {
  const file = /^sqlite:(.+)$/s.exec(store)?.[1];
  if (file === undefined) {
    const message = `'${withoutPassword(store).slice(0, 200)}' names no store`;
    throw fail('bad-request', message, 'give postgres://USER@HOST/DATABASE or sqlite:FILE');
  }
  return isAbsolute(file) ? file : resolve(file);
}
