// The engines that the stores run on, for tests that must hold over each of them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../../controller/clock.js';
import { openStore } from '../../../controller/store/open-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { type PostgresServer, postgresServer } from './postgres-server.js';

/** Stores of one engine; each is empty at first. */
export interface EngineGround {
  /** The text of a new store, as `--store` takes it. */
  newStore(): Promise<string>;
  open(store: string): Promise<SqlDatabase>;
  /** A new store as two processes have it. On SQLite it is one: two that wait for each other in one thread wait for ever. */
  openTwice(): Promise<readonly [SqlDatabase, SqlDatabase]>;
}

/** Closes the database and what was made for it. */
export interface Opened<T> {
  readonly store: T;
  close(): Promise<void>;
}

/** One PostgreSQL serves all tests of a file. */
export function onEveryEngine(tests: (engine: string, ground: EngineGround) => void): void {
  let directory: string;
  let postgres: PostgresServer;
  let files = 0;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'perftrawl-store-'));
    postgres = await postgresServer();
  });
  afterAll(async () => {
    await postgres.close();
    await rm(directory, { recursive: true });
  });
  const newFile = async () => `sqlite:${join(directory, `${++files}.db`)}`;
  describe('on SQLite', () =>
    tests('sqlite', {
      ...{ newStore: newFile, open },
      async openTwice() {
        const database = await open(await newFile());
        return [database, database];
      },
    }));
  describe('on PostgreSQL', () =>
    tests('postgres', {
      ...{ newStore: () => postgres.newStore(), open },
      async openTwice() {
        const store = await postgres.newStore();
        return [await open(store), await open(store)];
      },
    }));
}

/** One store of a new database. */
export async function temporary<T>(ground: EngineGround, make: (database: SqlDatabase) => T): Promise<Opened<T>> {
  const database = await ground.open(await ground.newStore());
  return { store: make(database), close: () => database.close() };
}

export function open(store: string): Promise<SqlDatabase> {
  return openStore({
    ...{ store, env: {}, homeDirectory: '/nonexistent', userName: 'nobody', clock: systemClock, random: Math.random },
  });
}
