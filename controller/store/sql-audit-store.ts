// The AuditStore in SQL. Triggers of the database refuse to change or delete what it holds.
import type { Transaction } from 'kysely';
import { fail } from '../../proto/failure.js';
import type { AuditStore, NextLine, StoredAuditLine } from './audit-store.js';
import type { SqlDatabase } from './sql-database.js';
import type { Tables } from './tables.js';

export function sqlAuditStore({ db, guard, durably, where }: SqlDatabase): AuditStore {
  return {
    append(next) {
      let tried: StoredAuditLine | undefined;
      const noted: NextLine = (end) => {
        const made = next(end);
        tried = { sequence: made.end.sequence, line: made.line };
        return made;
      };
      return guard('writing the audit log', () =>
        durably(async (change) => {
          // The answer to the commit of an earlier attempt may have been lost.
          if (tried === undefined || !(await isWritten(change, tried))) await appendAuditLine(change, where, noted);
        }),
      );
    },
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
        if (head === undefined) throw headless(where);
        return head;
      }),
  };
}

/** As a part of a change, so that neither is there without the other. It is on disk when that is. */
export async function appendAuditLine(change: Transaction<Tables>, where: string, next: NextLine): Promise<void> {
  // A write: whoever else appends waits here until this transaction has ended.
  const head = await change
    .updateTable('audit_head')
    .set((column) => ({ sequence: column('sequence', '+', 1) }))
    .returning(['sequence', 'hash'])
    .executeTakeFirst();
  if (head === undefined) throw headless(where);
  const { line, end } = next({ sequence: head.sequence - 1, hash: head.hash });
  await change.insertInto('audit').values({ sequence: end.sequence, line }).execute();
  await change.updateTable('audit_head').set({ hash: end.hash }).execute();
}

async function isWritten(change: Transaction<Tables>, { sequence, line }: StoredAuditLine): Promise<boolean> {
  // A write: waits for the transaction of that attempt, should it not have ended yet.
  await change
    .updateTable('audit_head')
    .set((column) => ({ hash: column.ref('hash') }))
    .execute();
  const found = await change.selectFrom('audit').select('line').where('sequence', '=', sequence).executeTakeFirst();
  return found?.line === line;
}

function headless(where: string) {
  return fail(
    'bad-data',
    `${where}: the end of the audit log is not written down`,
    'restore the database from a backup',
  );
}
