// The ReleaseStore in SQL.
import type { Address } from '../api.js';
import type { ReleaseStore } from './release-store.js';
import type { SqlDatabase } from './sql-database.js';

/** After so many milliseconds any agent has deleted a capture by itself, or is no more. */
const longestKept = 30 * 24 * 3_600_000;

const unfinished = ['waiting', 'connecting', 'running', 'fetching'] as const;

export function sqlReleaseStore({ db, guard }: SqlDatabase): ReleaseStore {
  return {
    note: ({ jobId, host, address, captureId }, now) =>
      guard('noting a capture to release', async () => {
        await db
          .deleteFrom('pending_releases')
          .where('noted', '<', now - longestKept)
          .execute();
        await db
          .insertInto('pending_releases')
          .values({ capture_id: captureId, job_id: jobId, host, address: addressText(address), noted: now })
          .onConflict((conflict) => conflict.column('capture_id').doNothing())
          .execute();
      }),

    forget: (captureId) =>
      guard('forgetting a capture to release', async () => {
        await db.deleteFrom('pending_releases').where('capture_id', '=', captureId).execute();
      }),

    releasable: (host, address, limit) =>
      guard('looking for captures to release', async () => {
        const rows = await db
          .selectFrom('pending_releases')
          .select('capture_id')
          .where('host', '=', host)
          .where('address', '=', addressText(address))
          .where(({ not, exists, selectFrom }) =>
            not(
              exists(
                selectFrom('host_runs')
                  .select('host_runs.host')
                  .whereRef('host_runs.job_id', '=', 'pending_releases.job_id')
                  .whereRef('host_runs.host', '=', 'pending_releases.host')
                  .where('host_runs.state', 'in', [...unfinished]),
              ),
            ),
          )
          .orderBy('noted')
          .limit(limit)
          .execute();
        return rows.map((row) => row.capture_id);
      }),
  };
}

/** The same text for equal addresses. */
function addressText(address: Address): string {
  return JSON.stringify(Object.fromEntries(Object.entries(address).sort(([a], [b]) => (a < b ? -1 : 1))));
}
