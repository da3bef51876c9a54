// The ControlStore in SQL that SQLite and PostgreSQL share. Decisions between processes are single conditional updates.
import { sql, type Transaction } from 'kysely';
import type { HostRun } from '../api.js';
import { entryLine } from '../audit/audit.js';
import type { AuditEntry } from '../audit/audit-entry.js';
import { hostRunEnded, jobEnded } from '../audit/job-entries.js';
import type { ControlStore } from './control-store.js';
import { checkOwner } from './job-fence.js';
import { insertJob, silenceOf, toJob, toRun } from './job-rows.js';
import { claimRequest, findRequest, forgetOldRequests, forgetRequestsOf } from './request-keys.js';
import { appendAuditLine } from './sql-audit-store.js';
import type { SqlDatabase } from './sql-database.js';
import { indexOldJobs, selectJobs } from './sql-job-search.js';
import type { Tables } from './tables.js';

const endedRunStates = ['succeeded', 'failed', 'lost', 'cancelled', 'skipped'] as const;

/**
 * The store does not own the database: whoever opened it closes it. That a job was made, and how it and its host runs ended, goes into the
 * audit log in the same transaction.
 */
export function sqlControlStore(database: SqlDatabase): ControlStore {
  const { db, guard, durably, where, engine, clock } = database;
  const silence = silenceOf(database);
  const writeDown = (change: Transaction<Tables>, time: number, entry: AuditEntry) =>
    appendAuditLine(change, where, (end) => entryLine(end, time, entry));

  async function requesterOf(change: Transaction<Tables>, jobId: string): Promise<string> {
    const row = await change.selectFrom('jobs').select('requester').where('id', '=', jobId).executeTakeFirst();
    return row?.requester ?? '';
  }

  /** Whether this very end was written down before, by a commit whose answer was lost. */
  async function isFinished(change: Transaction<Tables>, id: string, state: string, ended: number): Promise<boolean> {
    const row = await change.selectFrom('jobs').select(['state', 'ended']).where('id', '=', id).executeTakeFirst();
    return row?.state === state && row.ended === ended;
  }

  /** The same of a host run. */
  async function isWritten(change: Transaction<Tables>, { jobId, host }: HostRun, text: string): Promise<boolean> {
    const found = change.selectFrom('host_runs').select('run').where('job_id', '=', jobId).where('host', '=', host);
    return (await found.executeTakeFirst())?.run === text;
  }

  return {
    createJob: (job, runs) =>
      guard('writing down a job', async () => {
        await durably((change) => insertJob(change, database, job, runs));
      }),

    createJobOnce: (job, runs, request) =>
      guard('writing down a job', async () => {
        await forgetOldRequests(db, clock);
        return durably(async (change) => {
          const id = await claimRequest(change, clock, request, job.id);
          if (id === job.id) await insertJob(change, database, job, runs);
          return id;
        });
      }),

    noteRequest: (request, jobId) =>
      guard('writing down a request', async () => {
        await forgetOldRequests(db, clock);
        return durably((change) => claimRequest(change, clock, request, jobId));
      }),

    jobOfRequest: (request) => guard('looking for the job of a request', () => findRequest(db, clock, request)),

    job: (id) =>
      guard('reading a job', async () => {
        const row = await db.selectFrom('jobs').selectAll().select(silence).where('id', '=', id).executeTakeFirst();
        return row === undefined ? undefined : toJob(row, where);
      }),

    jobs: (query) =>
      guard('reading the jobs', async () => {
        await indexOldJobs(database, query);
        return (await selectJobs(database, query).execute()).map((row) => toJob(row, where));
      }),

    idsWithPrefix: (prefix, limit) =>
      guard('looking for a job', async () => {
        const rows = await db
          .selectFrom('jobs')
          .select('id')
          .where('id', '>=', prefix)
          .where('id', '<', `${prefix}\u{10ffff}`)
          .orderBy('id')
          .limit(limit)
          .execute();
        return rows.map((row) => row.id);
      }),

    claimJob: (id, from, owner, now) =>
      guard('taking up a job', async () => {
        const done = await db
          .updateTable('jobs')
          .set({
            ...{ state: 'running', owner, owner_seen: clock },
            started: sql<number>`case when state = 'queued' then ${now} else started end`,
          })
          .where('id', '=', id)
          .where('owner', 'in', [from, owner])
          .where('state', 'in', ['running', 'queued'])
          .executeTakeFirst();
        return done.numUpdatedRows === 1n;
      }),

    cancelAwaiting: (id) =>
      guard('cancelling a job', async () => {
        await db
          .updateTable('jobs')
          .set({ state: 'queued', cancel_requested: 1 })
          .where('id', '=', id)
          .where('state', '=', 'awaiting-approval')
          .execute();
      }),

    ownerships: (limit) =>
      guard('looking for jobs that nobody runs', async () => {
        const rows = await db
          .selectFrom('jobs')
          .select(['id', 'owner', silence])
          .where('state', '=', 'running')
          .orderBy('created')
          .limit(limit)
          .execute();
        return rows.map(({ id, owner, owner_silence }) => ({ id, owner, ownerSilence: owner_silence }));
      }),

    renewJob: (id, owner) =>
      guard('renewing the ownership of a job', async () => {
        const renewed = await db
          .updateTable('jobs')
          .set({ owner_seen: clock })
          .where('id', '=', id)
          .where('owner', '=', owner)
          .where('state', '=', 'running')
          .returning(['cancel_requested', 'stop_requested'])
          .executeTakeFirst();
        return {
          isOwner: renewed !== undefined,
          isCancelRequested: renewed?.cancel_requested === 1,
          isStopRequested: renewed?.stop_requested === 1,
        };
      }),

    requestCancel: (id) =>
      guard('cancelling a job', async () => {
        await db
          .updateTable('jobs')
          .set({ cancel_requested: 1 })
          .where('id', '=', id)
          .where('state', 'in', ['running', 'queued'])
          .execute();
      }),

    requestStop: (id) =>
      guard('stopping a job', async () => {
        await db
          .updateTable('jobs')
          .set({ stop_requested: 1 })
          .where('id', '=', id)
          .where('state', '=', 'running')
          .execute();
      }),

    finishJob: (id, owner, state, now) =>
      guard('ending a job', async () => {
        return durably(async (change) => {
          const done = await change
            .updateTable('jobs')
            .set({ state, ended: now, owner: '' })
            .where('id', '=', id)
            .where('owner', '=', owner)
            .where('state', '=', 'running')
            .executeTakeFirst();
          if (done.numUpdatedRows !== 1n) return isFinished(change, id, state, now);
          await writeDown(change, now, jobEnded(id, await requesterOf(change, id), state));
          return true;
        });
      }),

    hostRuns: (jobId) =>
      guard('reading the host runs of a job', async () => {
        const rows = await db
          .selectFrom('host_runs')
          .selectAll()
          .where('job_id', '=', jobId)
          .orderBy('position')
          .execute();
        return rows.map((row) => toRun(row, where));
      }),

    updateHostRun: (run, owner) =>
      guard('writing down a host run', async () => {
        const text = JSON.stringify(run);
        return db.transaction().execute(async (change) => {
          const done = await change
            .updateTable('host_runs')
            .set({ state: run.state, run: text })
            .where('job_id', '=', run.jobId)
            .where('host', '=', run.host)
            .where('state', 'not in', [...endedRunStates])
            .executeTakeFirst();
          if (done.numUpdatedRows !== 1n) return isWritten(change, run, text);
          if (owner !== undefined) await checkOwner(change, engine, run.jobId, owner);
          if (endedRunStates.some((state) => state === run.state)) {
            await writeDown(change, run.ended, hostRunEnded(run, await requesterOf(change, run.jobId)));
          }
          return true;
        });
      }),

    deleteJob: (id) =>
      guard('deleting a job', async () => {
        await db.transaction().execute(async (change) => {
          await change.deleteFrom('jobs').where('id', '=', id).execute();
          await change.deleteFrom('host_runs').where('job_id', '=', id).execute();
          await change.deleteFrom('job_terms').where('job_id', '=', id).execute();
          await forgetRequestsOf(change, id);
        });
      }),
  };
}
