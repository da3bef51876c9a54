// Which jobs a pull is about, and which of their hosts.
import { FailureError, fail } from '../../proto/failure.js';
import type { App, HostRun, Job, JobFilter } from '../api.js';
import { matchesSelector, parseSelector } from '../fleet/selector.js';

export interface JobChoice {
  /** Ids of jobs, beginnings of them, `last`, names of schedules; empty: all of that time. */
  readonly names: readonly string[];
  /** Milliseconds since 1970 UTC; jobs that were asked for from then on, also of schedules. Undefined: from the beginning. */
  readonly since: number | undefined;
  /** The same; before then. Undefined: until now. */
  readonly until: number | undefined;
  /** A selector of hosts, by the labels that they had when the job was asked for; '' for all. */
  readonly on: string;
}

export interface ChosenJob {
  readonly job: Job;
  /** All of the job, in its order. */
  readonly runs: readonly HostRun[];
  /** Names of those that are wanted. */
  readonly hosts: ReadonlySet<string>;
}

/** As many as are asked for at once. */
const pageJobs = 500;
/** Of more than this nobody wants all files in one directory. */
const mostJobs = 20_000;

/**
 * Each job once, the oldest first.
 * @throws FailureError 'not-found' when none is left, 'bad-request' for a time with a single job, 'exhausted' when there are too many
 */
export async function chooseJobs(app: App, choice: JobChoice): Promise<readonly ChosenJob[]> {
  const selector = parseSelector(choice.on);
  const jobs = choice.names.length > 0 ? await namedJobs(app, choice) : await allJobs(app, windowOf(choice));
  const chosen: ChosenJob[] = [];
  for (const job of jobs) {
    const hosts = new Set(job.request.hosts.filter((host) => matchesSelector(host, selector)).map((host) => host.name));
    if (hosts.size > 0) chosen.push({ job, hosts, runs: await app.hostRuns(checkedId(job)) });
  }
  if (chosen.length > 0) return chosen;
  const which =
    jobs.length === 0 ? 'no job was asked for in that time' : `no host of these jobs matches '${choice.on}'`;
  throw fail('not-found', which, '`perftrawl jobs ls` lists the jobs, `perftrawl jobs show JOB` their hosts');
}

async function namedJobs(app: App, choice: JobChoice): Promise<readonly Job[]> {
  const jobs = new Map<string, Job>();
  for (const name of choice.names) {
    for (const job of await jobsNamed(app, name, choice)) jobs.set(job.id, job);
  }
  return [...jobs.values()].sort((a, b) => a.created - b.created);
}

/** A job, or those of a schedule. */
async function jobsNamed(app: App, name: string, choice: JobChoice): Promise<readonly Job[]> {
  const window = windowOf(choice);
  let unknown: FailureError;
  try {
    const job = await app.job(name);
    if (window.since === undefined && window.until === undefined) return [job];
    throw fail('bad-request', `${job.id} is one job: a time chooses among those of a schedule, or among all`);
  } catch (error) {
    if (!(error instanceof FailureError) || error.failure.code !== 'not-found') throw error;
    unknown = error;
  }
  const jobs = await allJobs(app, { schedule: name, ...window });
  if (jobs.length > 0) return jobs;
  const remedy = '`perftrawl jobs ls` lists the jobs, with those of schedules';
  throw fail(
    'not-found',
    `there is no job '${name}', nor jobs of a schedule of that name in that time`,
    remedy,
    unknown,
  );
}

function windowOf({ since, until }: JobChoice): Pick<JobFilter, 'since' | 'until'> {
  return { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) };
}

async function allJobs(app: App, filter: Omit<JobFilter, 'limit' | 'before'>): Promise<readonly Job[]> {
  const jobs: Job[] = [];
  for (;;) {
    const last = jobs.at(-1);
    const page = await app.jobs({ ...filter, limit: pageJobs, ...(last === undefined ? {} : { before: last.id }) });
    jobs.push(...page);
    if (page.length < pageJobs) return jobs.reverse();
    if (jobs.length >= mostJobs) {
      throw fail('exhausted', `there are more than ${mostJobs} such jobs`, 'narrow the time with --since and --until');
    }
  }
}

/** It becomes the name of a directory, and a server may be another program. @throws FailureError 'bad-data' */
function checkedId({ id }: Job): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(id)) return id;
  throw fail('bad-data', `'${id.slice(0, 100)}' is no id of a job`, 'is that a server of perftrawl?');
}
