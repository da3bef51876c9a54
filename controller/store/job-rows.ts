// Jobs and host runs as rows, and how a new job is written: in one transaction with whatever it comes from.
import { type Selectable, sql, type Transaction } from 'kysely';
import { fail } from '../../proto/failure.js';
import { type HostRun, type JobRequest, PRIORITIES } from '../api.js';
import { entryLine } from '../audit/audit.js';
import { jobSubmitted } from '../audit/job-entries.js';
import { DEFAULT_TEAM } from '../users/team.js';
import { NEXT_STATES, type StoredJob, type StoredJobState } from './control-store.js';
import { termsOf } from './job-terms.js';
import { appendAuditLine } from './sql-audit-store.js';
import type { SqlDatabase } from './sql-database.js';
import type { HostRunTable, JobTable, Tables } from './tables.js';

/** Rows per insert: SQLite takes 32,766 parameters. */
const insertRows = 1000;

/** @throws FailureError 'conflict' when the id is taken */
export async function insertJob(
  change: Transaction<Tables>,
  { where, clock }: Pick<SqlDatabase, 'where' | 'clock'>,
  job: StoredJob,
  runs: readonly HostRun[],
): Promise<void> {
  const added = await change
    .insertInto('jobs')
    .values({ ...toRow(job), owner_seen: clock })
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
  await insertTerms(change, job.id, job.request);
  await appendAuditLine(change, where, (end) => entryLine(end, job.created, jobSubmitted(job)));
}

export async function insertTerms(change: Transaction<Tables>, id: string, request: JobRequest): Promise<void> {
  const terms = termsOf(request).map((term) => ({ term, job_id: id }));
  if (terms.length > 0) {
    await change
      .insertInto('job_terms')
      .values(terms)
      .onConflict((conflict) => conflict.columns(['term', 'job_id']).doNothing())
      .execute();
  }
}

function toRow(job: StoredJob): Omit<JobTable, 'owner_seen' | 'stop_requested'> {
  const { request } = job;
  const { team = DEFAULT_TEAM, priority = 'normal', notBefore, schedule } = request;
  return {
    ...{ id: job.id, request: JSON.stringify(request), requester: request.requester, state: job.state },
    ...{ created: job.created, started: job.started, ended: job.ended, owner: job.owner },
    ...{ cancel_requested: job.isCancelRequested ? 1 : 0, team, priority: PRIORITIES.indexOf(priority) },
    ...{ not_before: notBefore ?? 0, hosts: Math.min(request.maxParallel, request.hosts.length) },
    ...{ serial: schedule?.isSerial ? `schedule ${schedule.name}` : '', schedule: schedule?.name ?? '', is_indexed: 1 },
  };
}

/** Of a row of `jobs`, as `toJob` takes it. */
export function silenceOf({ clock }: Pick<SqlDatabase, 'clock'>) {
  return sql<number>`${clock} - owner_seen`.as('owner_silence');
}

export type JobRow = Selectable<JobTable> & { readonly owner_silence: number };

export function toJob(row: JobRow, where: string): StoredJob {
  const { state } = row;
  if (!isState(state)) throw fail('bad-data', `${where}: job ${row.id} has the unknown state '${row.state}'`);
  return {
    id: row.id,
    request: parse<JobRequest>(row.request, `${where}: job ${row.id}`),
    state,
    created: row.created,
    started: row.started,
    ended: row.ended,
    owner: row.owner,
    ownerSilence: row.owner_silence,
    isCancelRequested: row.cancel_requested === 1,
  };
}

function isState(text: string): text is StoredJobState {
  return Object.hasOwn(NEXT_STATES, text);
}

function toRunRow(run: HostRun, position: number): HostRunTable {
  return { job_id: run.jobId, host: run.host, position, state: run.state, run: JSON.stringify(run) };
}

/** JSON leaves out what is undefined, and runs of older versions have no parts; these fields are always there. */
export function toRun(row: Selectable<HostRunTable>, where: string): HostRun {
  const run = parse<HostRun>(row.run, `${where}: host run ${row.job_id} ${row.host}`);
  const parts = run.parts ?? [];
  return { ...run, captureState: run.captureState, failure: run.failure, cost: run.cost, parts, module: run.module };
}

/** This program wrote the text, and the database guards it; the codec of the JSON columns is this one cast. */
export function parse<T>(text: string, where: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw fail('bad-data', `${where} cannot be read`, 'restore the database from a backup', cause);
  }
}
