// The ApprovalStore in SQL.
import { fail } from '../../proto/failure.js';
import type { Decision } from '../approval/approval.js';
import type { ApprovalStore } from './approval-store.js';
import type { SqlDatabase } from './sql-database.js';

const kinds: readonly Decision['kind'][] = ['approved', 'rejected', 'expired'];

export function sqlApprovalStore({ db, guard, where }: SqlDatabase): ApprovalStore {
  async function read(jobId: string): Promise<Decision | undefined> {
    const row = await db.selectFrom('approval_decisions').selectAll().where('job_id', '=', jobId).executeTakeFirst();
    if (row === undefined) return undefined;
    const kind = kinds.find((known) => known === row.decision);
    if (kind === undefined) {
      throw fail('bad-data', `${where}: the approval of job ${jobId} is the unknown '${row.decision}'`);
    }
    return { kind, who: row.who, reason: row.reason, requestSha256: row.request_sha256, decided: row.decided };
  }

  return {
    decision: (jobId) => guard('reading an approval', () => read(jobId)),
    decide: (jobId, { kind, who, reason, requestSha256, decided }) =>
      guard('writing down an approval', async () => {
        return db.transaction().execute(async (change) => {
          const released = await change
            .updateTable('jobs')
            .set({ state: 'queued', cancel_requested: kind === 'approved' ? 0 : 1 })
            .where('id', '=', jobId)
            .where('state', '=', 'awaiting-approval')
            .executeTakeFirst();
          if (released.numUpdatedRows !== 1n) return false;
          const row = { job_id: jobId, decision: kind, who, reason, request_sha256: requestSha256, decided };
          await change.insertInto('approval_decisions').values(row).execute();
          return true;
        });
      }),
  };
}
