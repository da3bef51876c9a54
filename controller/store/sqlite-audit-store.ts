// The AuditStore in SQL. Triggers of the database refuse to change or delete what it holds.
import { type Kysely, sql, type Transaction } from 'kysely';
import { fail } from '../../proto/failure.js';
import type { AuditStore, NextLine } from './audit-store.js';
import type { SqliteDatabase } from './sqlite-database.js';
import type { Tables } from './tables.js';

export function sqliteAuditStore({ db, guard, path }: SqliteDatabase): AuditStore {
  return {
    append: (next) =>
      guard('writing the audit log', () => durably(db, (change) => appendAuditLine(change, path, next))),
    lines: (after, limit) =>
      guard('reading the audit log', () =>
        db
          .selectFrom('audit')
          .select(['sequence', 'line'])
          .where('sequence', '>', after)
          .orderBy('sequence')
          .limit(limit)
          .execute(),
      ),
    head: () =>
      guard('reading the audit log', async () => {
        const head = await db.selectFrom('audit_head').select(['sequence', 'hash']).executeTakeFirst();
        if (head === undefined) throw headless(path);
        return head;
      }),
  };
}

/** As a part of a change, so that neither is there without the other. It is on disk when that is. */
export async function appendAuditLine(change: Transaction<Tables>, path: string, next: NextLine): Promise<void> {
  // A write: whoever else appends waits here until this transaction has ended.
  const head = await change
    .updateTable('audit_head')
    .set((column) => ({ sequence: column('sequence', '+', 1) }))
    .returning(['sequence', 'hash'])
    .executeTakeFirst();
  if (head === undefined) throw headless(path);
  const { line, end } = next({ sequence: head.sequence - 1, hash: head.hash });
  await change.insertInto('audit').values({ sequence: end.sequence, line }).execute();
  await change.updateTable('audit_head').set({ hash: end.hash }).execute();
}

/** A transaction that is on the disk, also after a power failure, when it resolves: others may be forgotten by one. */
export function durably<T>(db: Kysely<Tables>, work: (change: Transaction<Tables>) => Promise<T>): Promise<T> {
  return db.connection().execute(async (connection) => {
    await sql`pragma synchronous = full`.execute(connection);
    try {
      return await connection.transaction().execute(work);
    } finally {
      await sql`pragma synchronous = normal`.execute(connection);
    }
  });
}

function headless(path: string) {
  return fail(
    'bad-data',
    `${path}: the end of the audit log is not written down`,
    'restore the database from a backup',
  );
}
