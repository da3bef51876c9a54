// Finding jobs, and saying what state they are in: a running job without a living owner is `interrupted`.
import { fail } from '../../proto/failure.js';
import type { Job, JobFilter, JobRequest } from '../api.js';
import { hostNamePattern } from '../fleet/inventory.js';
import type { ControlStore, StoredJob } from '../store/control-store.js';
import { checkSync } from './agreed-start.js';
import { partsOf } from './capture-gives.js';
import type { Owners } from './owner.js';
import { checkRollout } from './rollout-plan.js';

export function toJob(stored: StoredJob, owners: Owners): Job {
  const { id, request, state, created, started, ended, owner, ownerSilence } = stored;
  const isOrphan = state === 'running' && !owners.isAlive(owner, ownerSilence);
  return { id, request, state: isOrphan ? 'interrupted' : state, created, started, ended };
}

/** @param id an id, a unique beginning of one, or `last` @throws FailureError 'not-found', 'bad-request' when several begin so */
export async function findJob(control: ControlStore, id: string): Promise<StoredJob> {
  if (id === 'last') {
    const [newest] = await control.jobs({ limit: 1 });
    if (newest === undefined) throw fail('not-found', 'there are no jobs yet', 'start one with `perftrawl record`');
    return newest;
  }
  const exact = id === '' ? undefined : await control.job(id);
  if (exact !== undefined) return exact;
  const candidates = id === '' ? [] : await control.idsWithPrefix(id, 5);
  if (candidates.length > 1) {
    throw fail('bad-request', `several jobs begin with '${id}': ${candidates.join(', ')}`, 'give more of the id');
  }
  const found = candidates.length === 1 ? await control.job(candidates[0]) : undefined;
  if (found === undefined) throw fail('not-found', `there is no job '${id}'`, '`perftrawl jobs ls` lists the jobs');
  return found;
}

/** The newest first. */
export async function listJobs(control: ControlStore, owners: Owners, filter: JobFilter): Promise<readonly Job[]> {
  const { state, before, ...rest } = filter;
  const query = before === undefined ? rest : { ...rest, after: await findJob(control, before) };
  if (state === undefined) return (await control.jobs(query)).map((job) => toJob(job, owners));
  if (state !== 'running' && state !== 'interrupted') {
    return (await control.jobs({ ...query, states: [state] })).map((job) => toJob(job, owners));
  }
  // Few jobs run at a time: all of them are looked at.
  const running = await control.jobs({ ...query, limit: 10_000, states: ['running'] });
  return running
    .map((job) => toJob(job, owners))
    .filter((job) => job.state === state)
    .slice(0, query.limit);
}

const longestSpread = 24 * 3_600_000;

/** @throws FailureError 'bad-request' */
export function checkRequest(request: JobRequest): void {
  const names = request.hosts.map((host) => host.name);
  const wrong = names.find((name) => !hostNamePattern.test(name));
  if (names.length === 0) throw fail('bad-request', 'a job needs at least one host', '`perftrawl hosts` lists them');
  if (wrong !== undefined) throw fail('bad-request', `'${wrong}' is no host name`, 'mend the inventory');
  if (request.buildHost !== undefined && !hostNamePattern.test(request.buildHost.name)) {
    throw fail('bad-request', `'${request.buildHost.name}' is no host name`, 'mend the inventory');
  }
  if (request.firing !== undefined)
    throw fail('bad-request', 'nobody asks for a firing: its watch does', 'start a watch');
  if (request.rollout !== undefined) checkRollout(request.rollout);
  checkSync(request);
  // What a module of others does is not what the script says that is read and approved.
  if (partsOf(request.spec).some((part) => part.kind === 'stap' && part.module !== undefined)) {
    throw fail('bad-request', 'a job names no module: the controller has them compiled', 'name a build host');
  }
  if (new Set(names).size < names.length) throw fail('bad-request', 'a host is in the job twice');
  if (!Number.isInteger(request.maxParallel) || request.maxParallel < 1) {
    throw fail(
      'bad-request',
      `a job cannot run on ${request.maxParallel} hosts at a time`,
      'give a whole number, 1 or more',
    );
  }
  const { spread = 0 } = request;
  if (!(spread >= 0 && spread <= longestSpread)) {
    throw fail('bad-request', `hosts cannot be spread over ${spread} ms`, 'give a duration of at most 24h');
  }
  if (spread > 0 && request.sync !== undefined) {
    throw fail('bad-request', 'hosts cannot begin both at one moment and spread over time', 'leave one of them out');
  }
  const duration = request.spec.kind === 'file' ? 0 : request.spec.duration;
  if (!(request.grace > 0) || !(duration >= 0) || !Number.isFinite(request.grace + duration)) {
    throw fail(
      'bad-request',
      `a capture of ${duration} ms with ${request.grace} ms of grace cannot be`,
      'give both in seconds',
    );
  }
}
