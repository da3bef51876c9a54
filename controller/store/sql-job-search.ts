// Finding jobs by words, labels, hosts, times and the rest. Jobs of before there was an index get into it when somebody asks.
import type { Kysely, SelectQueryBuilder } from 'kysely';
import type { JobRequest } from '../api.js';
import type { JobQuery } from './control-store.js';
import { insertTerms, type JobRow, parse, silenceOf } from './job-rows.js';
import { askedTerms, type Term } from './job-terms.js';
import type { SqlDatabase } from './sql-database.js';
import type { Tables } from './tables.js';

type Jobs = SelectQueryBuilder<Tables, 'jobs', JobRow>;

/** Jobs that are indexed in one transaction. */
const batch = 200;

/** The newest first. */
export function selectJobs(database: SqlDatabase, query: JobQuery): Jobs {
  const { db } = database;
  const { limit, states, since, until, team, requester, schedule, host, after, search = '', labels = {} } = query;
  let jobs: Jobs = db.selectFrom('jobs').selectAll().select(silenceOf(database));
  if (states !== undefined) jobs = jobs.where('state', 'in', [...states]);
  if (since !== undefined) jobs = jobs.where('created', '>=', since);
  if (until !== undefined) jobs = jobs.where('created', '<', until);
  if (team !== undefined) jobs = jobs.where('team', '=', team);
  if (requester !== undefined) jobs = jobs.where('requester', '=', requester);
  if (schedule !== undefined) jobs = jobs.where('schedule', '=', schedule);
  if (host !== undefined) {
    jobs = jobs.where('id', 'in', db.selectFrom('host_runs').select('job_id').where('host', '=', host));
  }
  if (after !== undefined) {
    const { id, created } = after;
    jobs = jobs.where(({ and, eb, or }) =>
      or([eb('created', '<', created), and([eb('created', '=', created), eb('id', '<', id)])]),
    );
  }
  for (const term of askedTerms(search, labels)) jobs = jobs.where('id', 'in', jobsWith(db, term));
  return jobs.orderBy('created', 'desc').orderBy('id', 'desc').limit(limit);
}

function jobsWith(db: Kysely<Tables>, { term, isPrefix }: Term) {
  const found = db.selectFrom('job_terms').select('job_id');
  return isPrefix
    ? found.where('term', '>=', term).where('term', '<', `${term}\u{10ffff}`)
    : found.where('term', '=', term);
}

/** As far as the question needs it. */
export async function indexOldJobs({ db, durably, where }: SqlDatabase, { search, labels }: JobQuery): Promise<void> {
  if (askedTerms(search ?? '', labels ?? {}).length === 0) return;
  for (;;) {
    const old = await db
      .selectFrom('jobs')
      .select(['id', 'request'])
      .where('is_indexed', '=', 0)
      .limit(batch)
      .execute();
    if (old.length === 0) return;
    await durably(async (change) => {
      for (const { id, request } of old) {
        await change.updateTable('jobs').set({ is_indexed: 1 }).where('id', '=', id).execute();
        await insertTerms(change, id, parse<JobRequest>(request, `${where}: job ${id}`));
      }
    });
  }
}
