// One PostgreSQL database for all stores, shared by controllers on several machines. Its errors become failures here.
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import {
  Kysely,
  type PostgresCursor,
  PostgresDialect,
  type PostgresPool,
  type PostgresPoolClient,
  type PostgresQueryResult,
  sql,
} from 'kysely';
import pg from 'pg';
import type { Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import { migrationsTable, newestVersion, refusalOf, stepsFrom } from './migrations.js';
import { explainPostgres, isAway, isWorthRepeating } from './postgres-failures.js';
import { filedPassword } from './postgres-password.js';
import type { PostgresEnvironment, PostgresTarget } from './postgres-url.js';
import type { SqlDatabase } from './sql-database.js';
import type { Tables } from './tables.js';

export interface PostgresOptions {
  readonly target: PostgresTarget;
  readonly env: PostgresEnvironment;
  readonly homeDirectory: string;
  readonly clock: Clock;
  /** Numbers from 0 up to, not including, 1. */
  readonly random: () => number;
}

const mostConnections = 8;
const connectTimeout: Milliseconds = 10_000;
const statementTimeout: Milliseconds = 60_000;
/** A server that says nothing for so long, although it should have given up, is gone. */
const answerTimeout: Milliseconds = statementTimeout + 15_000;
const lockTimeout: Milliseconds = 20_000;
const migrationTimeout: Milliseconds = 10 * 60_000;
/** Of a transaction that lost against others. */
const mostAttempts = 8;
/** Of the advisory lock under which the tables are made: a number that nothing else uses. */
const migrationLock = 7_337_160_250;

/** Of its own for each wait: many wait at a time. */
const never = () => new AbortController().signal;

/** Brings the tables to the newest version first. @throws FailureError as `explainPostgres`, 'conflict' for tables that are too new */
export async function openPostgres(options: PostgresOptions): Promise<SqlDatabase> {
  const { target, clock, random } = options;
  const { where } = target;
  const pool = await connectionPool(options);
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: endingBroken(pool) }) });
  const database: SqlDatabase = {
    engine: 'postgres',
    where,
    db,
    clock: sql<number>`(extract(epoch from clock_timestamp())::double precision * 1000)`,
    async guard(doing, work) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await work();
        } catch (error) {
          if (!isWorthRepeating(error) || attempt === mostAttempts) throw explainPostgres(where, doing, error);
          await clock.sleep(random() * 10 * 2 ** attempt, never());
        }
      }
    },
    durably: (work) => db.transaction().execute(work),
    close: () => db.destroy(),
  };
  try {
    await database.guard('opening the database', () => migrate(db, where, clock.now()));
  } catch (error) {
    await database.close();
    throw error;
  }
  return database;
}

async function connectionPool({ target, env, homeDirectory }: PostgresOptions): Promise<pg.Pool> {
  const { host, port, user, database, schema, where } = target;
  const password = target.password ?? (await filedPassword(target, env, homeDirectory));
  const pool = new pg.Pool({
    ...{ host, port, user, database, ssl: await sslOf(target), application_name: 'perftrawl' },
    // The driver asks its own password file when there is none; that was done, and says more here.
    password: password ?? '',
    ...{ max: mostConnections, connectionTimeoutMillis: connectTimeout, idleTimeoutMillis: 30_000, keepAlive: true },
    ...{ query_timeout: answerTimeout, types: { getTypeParser: parserOf } },
    onConnect: (client) => prepare(client, schema, where),
  });
  // Of connections that nobody uses at the moment, and between the statements of a transaction: the next use of them tells.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** What every connection begins with. The pool waits for it. */
async function prepare(client: pg.ClientBase, schema: string | undefined, where: string): Promise<void> {
  const settings = [
    // What the stores are written for, whatever the server is set to.
    "set default_transaction_isolation = 'read committed'",
    `set statement_timeout = ${statementTimeout}`,
    `set lock_timeout = ${lockTimeout}`,
    `set idle_in_transaction_session_timeout = ${statementTimeout}`,
    ...(schema === undefined ? [] : [`set search_path = ${client.escapeIdentifier(schema)}`]),
    // A commit that others may rely on is on the disk; a server that promises more than that keeps to it.
    "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'",
  ];
  await client.query(settings.join('; '));
  const { rows } = await client.query<{ encoding: string }>("select current_setting('server_encoding') as encoding");
  if (rows[0]?.encoding === 'UTF8') return;
  throw fail(
    'bad-request',
    `the encoding of ${where} is ${rows[0]?.encoding}: it cannot hold every text`,
    'make another database with `createdb --encoding=UTF8 --template=template0`',
  );
}

/** What kysely takes connections from. */
function endingBroken(pool: pg.Pool): PostgresPool {
  return { connect: async () => new EndingClient(await pool.connect()), end: () => pool.end() };
}

/** A connection that has failed as such is not used again; the driver would keep one that did not answer. */
class EndingClient implements PostgresPoolClient {
  readonly #client: pg.PoolClient;
  #broken: unknown;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  query<Row>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<Row>>;
  query<Row>(cursor: PostgresCursor<Row>): PostgresCursor<Row>;
  query(text: unknown, values: readonly unknown[] = []): unknown {
    if (typeof text !== 'string') throw fail('internal', 'no store uses cursors');
    return this.#ask(text, values);
  }

  release(): void {
    this.#client.release(this.#broken !== undefined);
  }

  async #ask(text: string, values: readonly unknown[]): Promise<unknown> {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      return await this.#client.query(text, [...values]);
    } catch (error) {
      if (isAway(error)) this.#broken = error;
      throw error;
    }
  }
}

async function sslOf(target: PostgresTarget): Promise<ConnectionOptions | false> {
  const { sslMode, sslRootCert, sslCert, sslKey } = target;
  if (sslMode === 'disable') return false;
  const ca = await pem('sslrootcert', sslRootCert);
  const isChecked = sslMode !== 'require' || ca !== undefined;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(sslCert === undefined ? {} : { cert: await pem('sslcert', sslCert) }),
    ...(sslKey === undefined ? {} : { key: await pem('sslkey', sslKey) }),
    rejectUnauthorized: isChecked,
    // Whoever has a certificate of that CA: as libpq does.
    ...(sslMode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  };
}

async function pem(parameter: string, file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw fail('not-found', `${parameter} of the PostgreSQL store: ${message}`, 'name a PEM file', cause);
  }
}

/** Whole numbers of 8 bytes come as texts otherwise; those of the stores are below 2^53. */
function parserOf(type: number, format?: 'text' | 'binary') {
  if (type === pg.types.builtins.INT8 && format !== 'binary') return Number;
  return pg.types.getTypeParser(type, format);
}

/** Several controllers may try at once: one of them does it, and the others wait. */
async function migrate(db: Kysely<Tables>, where: string, now: number): Promise<void> {
  if ((await versionOf(db)) === newestVersion) return;
  await db.transaction().execute(async (change) => {
    await sql`select set_config('lock_timeout', ${String(migrationTimeout)}, true),
      set_config('statement_timeout', ${String(migrationTimeout)}, true)`.execute(change);
    await sql`select pg_advisory_xact_lock(${migrationLock})`.execute(change);
    await sql.raw(migrationsTable('postgres')).execute(change);
    const version = await versionOf(change);
    const refusal = refusalOf(version, where);
    if (refusal !== undefined) throw refusal;
    for (const step of stepsFrom(version, 'postgres')) {
      await sql.raw(step.sql).execute(change);
      await sql`insert into migrations (version, applied) values (${step.version}, ${now})`.execute(change);
    }
  });
}

/** 0 for a database without tables. */
async function versionOf(db: Kysely<Tables>): Promise<number> {
  const table = await sql<{ there: boolean }>`select to_regclass('migrations') is not null as there`.execute(db);
  if (table.rows[0]?.there !== true) return 0;
  const found = await sql<{ version: number }>`select coalesce(max(version), 0) as version from migrations`.execute(db);
  return found.rows[0]?.version ?? 0;
}
