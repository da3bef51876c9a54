// A whole store copied into another one, whichever engines they have: exactly, and all or nothing.
import { type Kysely, sql, type Transaction } from 'kysely';
import { fail } from '../../proto/failure.js';
import { auditGuards } from './audit-guards.js';
import type { SqlDatabase } from './sql-database.js';
import { type Row, rowsOf, TableDigest } from './table-rows.js';
import { checkSameShapes, type TableShape, tableShapes } from './table-shapes.js';
import type { Tables } from './tables.js';

export interface CopiedTable {
  readonly name: string;
  readonly rows: number;
  /** Of what its rows say, lower-case hex; the same of the copy as of the original. */
  readonly sha256: string;
}

export interface CopyOptions {
  /** What the target has is deleted, in the same transaction. */
  readonly replaces: boolean;
  readonly onProgress: (progress: CopyProgress) => void;
  readonly signal: AbortSignal;
  /** What else belongs to the copy, in the same transaction; the audit log is guarded again. */
  readonly whenCopied: (target: Transaction<Tables>, tables: readonly CopiedTable[]) => Promise<void>;
}

/** `checking`: the copy is read again and compared. */
export interface CopyProgress {
  readonly doing: 'copying' | 'checking';
  readonly table: string;
  readonly rows: number;
  readonly of: number;
}

/**
 * The source as it is at one moment; whoever uses it may go on. Nobody else may use the target.
 * @throws FailureError 'conflict' for a target that is not empty; 'bad-data' when the copy is not what was copied; then, as after any other
 * failure, the target is as it was
 */
export async function copyStore(
  from: SqlDatabase,
  to: SqlDatabase,
  options: CopyOptions,
): Promise<readonly CopiedTable[]> {
  const shapes = await from.guard('reading the tables', () => tableShapes(from));
  checkSameShapes(shapes, await to.guard('reading the tables', () => tableShapes(to)));
  return from.guard('copying the store', () =>
    snapshot(from, (source) =>
      to.guard('writing the copy', () =>
        to.durably(async (target) => {
          await withoutTimeouts(to, target);
          const { up, down } = auditGuards[to.engine];
          await run(target, down).catch(explainGuards);
          for (const shape of shapes) await clear(target, shape, options.replaces, to.where);
          const copied: CopiedTable[] = [];
          for (const shape of shapes) copied.push(await copyTable(source, target, shape, options));
          for (const [at, shape] of shapes.entries()) await checkTable(target, shape, copied[at], options);
          if (to.engine === 'postgres') for (const shape of shapes) await moveSequence(target, shape);
          await run(target, up);
          await options.whenCopied(target, copied);
          return copied;
        }),
      ),
    ),
  );
}

/** @throws FailureError 'cancelled' */
export function goOn(signal: AbortSignal): void {
  if (signal.aborted) throw fail('cancelled', 'the copy was ended before it was complete: the target is as it was');
}

/** One moment for all that is read. */
function snapshot<T>(database: SqlDatabase, work: (source: Transaction<Tables>) => Promise<T>): Promise<T> {
  const transaction = database.db.transaction();
  if (database.engine === 'sqlite') return transaction.execute(work);
  return transaction
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (source) => {
      await withoutTimeouts(database, source);
      return work(source);
    });
}

/** A copy takes as long as it takes. */
async function withoutTimeouts({ engine }: SqlDatabase, change: Transaction<Tables>): Promise<void> {
  if (engine === 'sqlite') return;
  await sql`select set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`.execute(
    change,
  );
}

function explainGuards(cause: unknown): never {
  throw fail(
    'bad-data',
    'the audit log of the target has lost its guards',
    'somebody has changed it: copy into a new store',
    cause,
  );
}

/** One at a time: SQLite takes no more through this interface. */
async function run(change: Transaction<Tables>, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(change);
}

/** New tables have one row each of these: the empty head of the audit log, and the first turn of the queue. */
const filledWhenNew = ['audit_head', 'queue_turn'];

async function clear(
  target: Transaction<Tables>,
  { name }: TableShape,
  replaces: boolean,
  where: string,
): Promise<void> {
  if (!replaces && !filledWhenNew.includes(name) && (await countOf(target, name)) > 0) {
    throw fail('conflict', `${where} is not empty: it has rows in ${name}`, 'copy into an empty store');
  }
  await sql`delete from ${sql.table(name)}`.execute(target);
}

async function copyTable(
  source: Kysely<Tables>,
  target: Kysely<Tables>,
  shape: TableShape,
  { onProgress, signal }: CopyOptions,
): Promise<CopiedTable> {
  const digest = new TableDigest(shape);
  const of = await countOf(source, shape.name);
  let rows = 0;
  for await (const piece of rowsOf(source, shape)) {
    goOn(signal);
    digest.add(piece);
    await insert(target, shape, piece);
    rows += piece.length;
    onProgress({ doing: 'copying', table: shape.name, rows, of });
  }
  return { name: shape.name, ...digest.end() };
}

async function insert(target: Kysely<Tables>, { name, columns }: TableShape, rows: readonly Row[]): Promise<void> {
  const values = rows.map((row) => sql`(${sql.join(columns.map((column) => row[column]))})`);
  await sql`insert into ${sql.table(name)} (${sql.join(columns.map((column) => sql.ref(column)))})
    values ${sql.join(values)}`.execute(target);
}

/** @throws FailureError 'bad-data' */
async function checkTable(
  target: Kysely<Tables>,
  shape: TableShape,
  copied: CopiedTable,
  { onProgress, signal }: CopyOptions,
): Promise<void> {
  const digest = new TableDigest(shape);
  let rows = 0;
  for await (const piece of rowsOf(target, shape)) {
    goOn(signal);
    digest.add(piece);
    rows += piece.length;
    onProgress({ doing: 'checking', table: shape.name, rows, of: copied.rows });
  }
  const found = digest.end();
  if (found.rows === copied.rows && found.sha256 === copied.sha256) return;
  throw fail(
    'bad-data',
    `the copy of ${shape.name} is not what was copied: ${found.rows} rows of ${copied.rows}, or other contents`,
    'nothing was changed; look at the disks of both databases',
  );
}

/** Keys that the database makes go on after those that were copied. */
async function moveSequence(target: Kysely<Tables>, { name, key }: TableShape): Promise<void> {
  if (key.length !== 1 || key[0] !== 'id') return;
  const found = await sql<{
    sequence: string | null;
  }>`select pg_get_serial_sequence(${name}, 'id') as sequence`.execute(target);
  const sequence = found.rows[0]?.sequence;
  if (sequence === null || sequence === undefined) return;
  await sql`select setval(${sequence}::regclass, (select coalesce(max(id), 0) + 1 from ${sql.table(name)}), false)`.execute(
    target,
  );
}

export async function countOf(db: Kysely<Tables>, table: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from ${sql.table(table)}`.execute(db);
  return Number(rows[0]?.count ?? 0);
}
