// The ControlStore in SQL that SQLite and PostgreSQL share. Decisions between processes are single conditional updates.
import type { Selectable, Transaction } from 'kysely';
import { fail } from '../../proto/failure.js';
import type { HostRun, JobRequest } from '../api.js';
import { entryLine } from '../audit/audit.js';
import type { AuditEntry } from '../audit/audit-entry.js';
import { hostRunEnded, jobEnded, jobSubmitted } from '../audit/job-entries.js';
import type { ControlStore, StoredJob, StoredJobState } from './control-store.js';
import { appendAuditLine } from './sql-audit-store.js';
import type { SqlDatabase } from './sql-database.js';
import type { HostRunTable, JobTable, Tables } from './tables.js';

const endedRunStates = ['succeeded', 'failed', 'lost', 'cancelled', 'skipped'] as const;
const jobStates: readonly StoredJobState[] = [
  'awaiting-approval',
  'running',
  'succeeded',
  'partial',
  'failed',
  'cancelled',
];
/** Rows per insert: SQLite takes 32,766 parameters. */
const insertRows = 1000;

/**
 * The store does not own the database: whoever opened it closes it. That a job was made, and how it and its host runs ended, goes into the
 * audit log in the same transaction.
 */
export function sqlControlStore({ db, guard, durably, where }: SqlDatabase): ControlStore {
  const writeDown = (change: Transaction<Tables>, time: number, entry: AuditEntry) =>
    appendAuditLine(change, where, (end) => entryLine(end, time, entry));

  async function requesterOf(change: Transaction<Tables>, jobId: string): Promise<string> {
    const row = await change.selectFrom('jobs').select('requester').where('id', '=', jobId).executeTakeFirst();
    return row?.requester ?? '';
  }

  return {
    createJob: (job, runs) =>
      guard('writing down a job', async () => {
        await durably(async (change) => {
          const added = await change
            .insertInto('jobs')
            .values(toRow(job))
            .onConflict((conflict) => conflict.column('id').doNothing())
            .executeTakeFirst();
          if (added.numInsertedOrUpdatedRows !== 1n) throw fail('conflict', `there is a job ${job.id} already`);
          const rows = runs.map((run, position) => toRunRow(run, position));
          for (let from = 0; from < rows.length; from += insertRows) {
            await change
              .insertInto('host_runs')
              .values(rows.slice(from, from + insertRows))
              .execute();
          }
          await writeDown(change, job.created, jobSubmitted(job));
        });
      }),

    job: (id) =>
      guard('reading a job', async () => {
        const row = await db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
        return row === undefined ? undefined : toJob(row, where);
      }),

    jobs: ({ limit, states, since, until, after }) =>
      guard('reading the jobs', async () => {
        let query = db.selectFrom('jobs').selectAll();
        if (states !== undefined) query = query.where('state', 'in', [...states]);
        if (since !== undefined) query = query.where('created', '>=', since);
        if (until !== undefined) query = query.where('created', '<', until);
        if (after !== undefined) {
          const { id, created } = after;
          query = query.where(({ and, eb, or }) =>
            or([eb('created', '<', created), and([eb('created', '=', created), eb('id', '<', id)])]),
          );
        }
        const rows = await query.orderBy('created', 'desc').orderBy('id', 'desc').limit(limit).execute();
        return rows.map((row) => toJob(row, where));
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
          .set({ owner, owner_seen: now })
          .where('id', '=', id)
          .where('owner', '=', from)
          .where('state', '=', 'running')
          .executeTakeFirst();
        return done.numUpdatedRows === 1n;
      }),

    cancelAwaiting: (id) =>
      guard('cancelling a job', async () => {
        await db
          .updateTable('jobs')
          .set({ state: 'running', owner: '', cancel_requested: 1 })
          .where('id', '=', id)
          .where('state', '=', 'awaiting-approval')
          .execute();
      }),

    unowned: (limit) =>
      guard('looking for jobs that nobody runs', async () => {
        const rows = await db
          .selectFrom('jobs')
          .select('id')
          .where('state', '=', 'running')
          .where('owner', '=', '')
          .orderBy('created')
          .limit(limit)
          .execute();
        return rows.map((row) => row.id);
      }),

    renewJob: (id, owner, now) =>
      guard('renewing the ownership of a job', async () => {
        const renewed = await db
          .updateTable('jobs')
          .set({ owner_seen: now })
          .where('id', '=', id)
          .where('owner', '=', owner)
          .where('state', '=', 'running')
          .returning('cancel_requested')
          .executeTakeFirst();
        return { isOwner: renewed !== undefined, isCancelRequested: renewed?.cancel_requested === 1 };
      }),

    requestCancel: (id) =>
      guard('cancelling a job', async () => {
        await db
          .updateTable('jobs')
          .set({ cancel_requested: 1 })
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
          if (done.numUpdatedRows !== 1n) return false;
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

    updateHostRun: (run) =>
      guard('writing down a host run', async () => {
        return db.transaction().execute(async (change) => {
          const done = await change
            .updateTable('host_runs')
            .set({ state: run.state, run: JSON.stringify(run) })
            .where('job_id', '=', run.jobId)
            .where('host', '=', run.host)
            .where('state', 'not in', [...endedRunStates])
            .executeTakeFirst();
          if (done.numUpdatedRows !== 1n) return false;
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
        });
      }),
  };
}

function toRow(job: StoredJob): JobTable {
  return {
    id: job.id,
    request: JSON.stringify(job.request),
    requester: job.request.requester,
    state: job.state,
    created: job.created,
    ended: job.ended,
    owner: job.owner,
    owner_seen: job.ownerSeen,
    cancel_requested: job.isCancelRequested ? 1 : 0,
  };
}

function toJob(row: Selectable<JobTable>, where: string): StoredJob {
  const state = jobStates.find((known) => known === row.state);
  if (state === undefined) throw fail('bad-data', `${where}: job ${row.id} has the unknown state '${row.state}'`);
  return {
    id: row.id,
    request: parse<JobRequest>(row.request, `${where}: job ${row.id}`),
    state,
    created: row.created,
    ended: row.ended,
    owner: row.owner,
    ownerSeen: row.owner_seen,
    isCancelRequested: row.cancel_requested === 1,
  };
}

function toRunRow(run: HostRun, position: number): HostRunTable {
  return { job_id: run.jobId, host: run.host, position, state: run.state, run: JSON.stringify(run) };
}

/** JSON leaves out what is undefined, and runs of older versions have no parts; these fields are always there. */
function toRun(row: Selectable<HostRunTable>, where: string): HostRun {
  const run = parse<HostRun>(row.run, `${where}: host run ${row.job_id} ${row.host}`);
  const parts = run.parts ?? [];
  return { ...run, captureState: run.captureState, failure: run.failure, cost: run.cost, parts, module: run.module };
}

/** This program wrote the text, and the database guards it; the codec of the JSON columns is this one cast. */
function parse<T>(text: string, where: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw fail('bad-data', `${where} cannot be read`, 'restore the database from a backup', cause);
  }
}
