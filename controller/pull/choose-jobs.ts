// Which jobs a pull is about, and which of their hosts.
import { fail } from '../../proto/failure.js';
import type { App, HostRun, Job } from '../api.js';
import { matchesSelector, parseSelector } from '../fleet/selector.js';

export interface JobChoice {
  /** Ids, beginnings of them, `last`; empty: by time. */
  readonly jobs: readonly string[];
  /** Milliseconds since 1970 UTC; jobs that were asked for from then on. Without `jobs` only. */
  readonly since: number;
  /** The same; before then. */
  readonly until: number;
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

/** As many as a server lists at once. */
const mostListed = 1000;

/**
 * Each job once, the oldest first. A job is chosen by its id or by its time; one of a schedule will be one by its `request.schedule`.
 * @throws FailureError 'not-found' when none is left, 'exhausted' when there are more than can be listed
 */
export async function chooseJobs(app: App, choice: JobChoice): Promise<readonly ChosenJob[]> {
  const selector = parseSelector(choice.on);
  const jobs = choice.jobs.length > 0 ? await namedJobs(app, choice.jobs) : await jobsOfTime(app, choice);
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

async function namedJobs(app: App, ids: readonly string[]): Promise<readonly Job[]> {
  const jobs = new Map<string, Job>();
  for (const id of ids) {
    const job = await app.job(id);
    jobs.set(job.id, job);
  }
  return [...jobs.values()].sort((a, b) => a.created - b.created);
}

async function jobsOfTime(app: App, { since, until }: JobChoice): Promise<readonly Job[]> {
  const newest = await app.jobs({ limit: mostListed });
  const oldest = newest.at(-1);
  if (newest.length >= mostListed && oldest !== undefined && oldest.created > since) {
    const reach = new Date(oldest.created).toISOString();
    throw fail(
      'exhausted',
      `there are more jobs than the ${mostListed} that can be listed; they reach back to ${reach}`,
      'give a later --since, or name the older jobs by their ids',
    );
  }
  return newest.filter((job) => job.created >= since && job.created < until).reverse();
}

/** It becomes the name of a directory, and a server may be another program. @throws FailureError 'bad-data' */
function checkedId({ id }: Job): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(id)) return id;
  throw fail('bad-data', `'${id.slice(0, 100)}' is no id of a job`, 'is that a server of perftrawl?');
}
