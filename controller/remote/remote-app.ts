// The app of a server elsewhere: the same methods, each a request over HTTPS.
import type { Profile } from '../../profile/profile.js';
import type { ChainReport } from '../../proto/audit-chain.js';
import type { ArtifactPart } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { ProfileDecoder } from '../../proto/profile-codec.js';
import type { Answer, App, Host, HostRun, Job, RunOptions } from '../api.js';
import type { Approval } from '../approval/approval.js';
import type { WrittenEntry } from '../audit/audit-entry.js';
import { matchesSelector, parseSelector } from '../fleet/selector.js';
import { FrameReader } from '../http-api/frames.js';
import { toOrder, toServed } from '../http-api/job-order.js';
import type { Route } from '../http-api/routes.js';
import type { TeamQuota } from '../users/team.js';
import type { AddedUser, Caller, User } from '../users/users.js';
import { ApiClient, type ApiClientOptions, type Asked } from './api-client.js';
import { followToEnd } from './job-following.js';
import { remoteIdentities } from './remote-identities.js';
import { remoteQuestions } from './remote-questions.js';
import { remoteSchedules } from './remote-schedules.js';
import { askRepeatedly, type RepeatingOptions } from './repeated-request.js';

export interface RemoteAppOptions extends ApiClientOptions, Omit<RepeatingOptions, 'client'> {}

/** How long a server may be away while a job is followed. */
const patience = 120_000;

/** Asks for the hosts at once, so that an address or a token that is wrong is told before anything is done. @throws FailureError */
export async function openRemoteApp(options: RemoteAppOptions): Promise<App> {
  const client = new ApiClient(options);
  const { clock } = options;

  /** An answer that is always there. */
  async function ask<T>(route: Route, asked?: Asked): Promise<T> {
    return there(route, await client.json<T>(route, asked));
  }

  /** The same of what must not be done twice: it may be asked for several times, and is done once. */
  async function askOnce<T>(route: Route, asked: Asked): Promise<T> {
    return there(route, await askRepeatedly<T>(route, asked, { ...options, client }));
  }

  let inventory: readonly Host[];
  try {
    ({ hosts: inventory } = await ask<{ hosts: readonly Host[] }>('GET /v1/hosts'));
  } catch (error) {
    client.close();
    throw error;
  }
  const known = new Map(inventory.map((host) => [host.name, JSON.stringify(host)]));
  /** Jobs that were asked for through this app: the server runs them already. */
  const submitted = new Set<string>();

  /** Only hosts of the server: what a name stands for is decided there. @throws FailureError 'bad-request' */
  function nameOf(host: Host): string {
    if (known.get(host.name) === JSON.stringify(host)) return host.name;
    throw fail(
      'bad-request',
      `${host.name} is no host of the server ${client.url.host}`,
      'a server captures on the hosts of its own inventory: `perftrawl hosts` lists them',
    );
  }

  /** Answers in the order of the hosts; those that the server does not have are answered here. */
  async function askHosts<T>(
    route: Route,
    hosts: readonly Host[],
    body: object,
    signal: AbortSignal,
  ): Promise<readonly Answer<T>[]> {
    const ours = hosts.filter((host) => known.has(host.name));
    const asked = { body: { ...body, hosts: ours.map(nameOf) }, signal };
    const answers = ours.length === 0 ? [] : (await ask<{ answers: readonly Answer<T>[] }>(route, asked)).answers;
    const byName = new Map(answers.map((answer) => [answer.host.name, answer]));
    return hosts.map((host): Answer<T> => {
      const failure = { code: 'not-found', message: `the server has no host ${host.name}`, remedy: '' } as const;
      return byName.get(host.name) ?? { host, ok: false, failure };
    });
  }

  const ofJob = (job: string, more: Omit<Asked, 'parameters'> = {}): Asked => ({ ...more, parameters: { job } });
  const follow = (jobId: string, run: RunOptions) => followToEnd(jobId, run, { client, clock, patience });

  async function run(jobId: string, options: RunOptions): Promise<Job> {
    if (submitted.delete(jobId)) return follow(jobId, options);
    const { job } = await ask<{ job: Job }>('POST /v1/jobs/:job/run', ofJob(jobId));
    return follow(job.id, options);
  }

  async function profile(jobId: string, host?: string): Promise<Profile | undefined> {
    const answer = await client.open('GET /v1/jobs/:job/profile', ofJob(jobId, { query: { host } }));
    const decoder = new ProfileDecoder();
    const frames = new FrameReader();
    let isEmpty = true;
    for await (const piece of client.pieces(answer)) {
      for (const chunk of frames.push(piece)) {
        decoder.push(chunk);
        isEmpty = false;
      }
    }
    frames.finish();
    return isEmpty ? undefined : decoder.finish();
  }

  async function* fetchArtifact(
    job: string,
    host: string,
    name: string,
    offset: number,
    signal: AbortSignal,
  ): AsyncGenerator<ArtifactPart> {
    const answer = await client.open(
      'GET /v1/jobs/:job/artifact',
      ofJob(job, { query: { host, name, offset }, signal }),
    );
    for await (const data of client.pieces(answer, signal)) yield { data };
    const { 'perftrawl-sha256': sha256 = '', 'perftrawl-size': size } = answer.trailers;
    if (sha256 === '' || size === undefined) throw fail('lost', `${name} of ${host} broke off`, 'fetch it again');
    yield { data: new Uint8Array(), end: { sha256, size: Number(size) } };
  }

  return {
    hosts(selectorText) {
      const selector = parseSelector(selectorText);
      return inventory.filter((host) => matchesSelector(host, selector));
    },
    describe: (hosts, signal) => askHosts('POST /v1/hosts/describe', hosts, {}, signal),
    listProcesses: (hosts, selector, signal) => askHosts('POST /v1/hosts/processes', hosts, { selector }, signal),
    preflight: async (hosts, spec, signal) =>
      askHosts('POST /v1/hosts/preflight', hosts, { spec: toServed(spec) }, signal),
    async scripts(hosts, signal) {
      const isOfHosts = hosts.some((host) => known.has(host.name) || host.address.transport !== 'local');
      if (isOfHosts) return askHosts('POST /v1/hosts/scripts', hosts, {}, signal);
      type Told = { answers: Awaited<ReturnType<App['scripts']>> };
      return (await ask<Told>('POST /v1/hosts/scripts', { body: {}, signal })).answers;
    },
    cleanHosts: (hosts, isForced, signal) => askHosts('POST /v1/hosts/clean', hosts, { isForced }, signal),
    async submit(request) {
      const { job } = await askOnce<{ job: Job }>('POST /v1/jobs', { body: toOrder(request, nameOf) });
      if (job.state !== 'awaiting-approval') submitted.add(job.id);
      return job;
    },
    run,
    resume: run,
    async cancel(jobId, signal) {
      return (await ask<{ job: Job }>('POST /v1/jobs/:job/cancel', ofJob(jobId, { signal }))).job;
    },
    // Who that is, the server knows better than its client.
    async trigger(jobId, hosts, { reason }, signal) {
      type Told = { answers: Awaited<ReturnType<App['trigger']>> };
      const asked = ofJob(jobId, { body: { hosts, reason }, signal });
      return (await askOnce<Told>('POST /v1/jobs/:job/trigger', asked)).answers;
    },
    async job(id) {
      return (await ask<{ job: Job }>('GET /v1/jobs/:job', ofJob(id))).job;
    },
    async jobs({ labels = {}, ...filter }) {
      const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
      return (await ask<{ jobs: readonly Job[] }>('GET /v1/jobs', { query: { ...filter, label } })).jobs;
    },
    async hostRuns(jobId) {
      return (await ask<{ runs: readonly HostRun[] }>('GET /v1/jobs/:job/host-runs', ofJob(jobId))).runs;
    },
    async deleteJob(jobId) {
      await ask('DELETE /v1/jobs/:job', ofJob(jobId));
    },
    profile,
    async series(jobId, host) {
      const asked = ofJob(jobId, { query: { host } });
      return (await client.json<{ series: Awaited<ReturnType<App['series']>> }>('GET /v1/jobs/:job/series', asked))
        ?.series;
    },
    async histograms(jobId, host) {
      const asked = ofJob(jobId, { query: { host } });
      type Told = { histograms: Awaited<ReturnType<App['histograms']>> };
      return (await client.json<Told>('GET /v1/jobs/:job/histograms', asked))?.histograms;
    },
    async text(jobId, host) {
      type Told = { lines: Awaited<ReturnType<App['text']>> };
      return (await ask<Told>('GET /v1/jobs/:job/text', ofJob(jobId, { query: { host } }))).lines;
    },
    fetchArtifact,
    users: {
      add: (request) => {
        const { ttl, ...rest } = request;
        return ask<AddedUser>('POST /v1/users', { body: { ...rest, ...(ttl === undefined ? {} : { ttl }) } });
      },
      list: async () => (await ask<{ users: readonly User[] }>('GET /v1/users')).users,
      revoke: async (user) => (await ask<{ user: User }>('DELETE /v1/users/:user', { parameters: { user } })).user,
      whoami: async () => (await ask<{ caller: Caller }>('GET /v1/whoami')).caller,
    },
    questions: remoteQuestions(client),
    teams: {
      list: async () => (await ask<{ teams: readonly TeamQuota[] }>('GET /v1/teams')).teams,
      set: async (team) => (await ask<{ team: TeamQuota }>('POST /v1/teams', { body: team })).team,
      async reset(team) {
        await ask('DELETE /v1/teams/:team', { parameters: { team } });
      },
    },
    schedules: remoteSchedules(ask, askOnce),
    identities: remoteIdentities(ask),
    // Who that is, the server knows better than its client.
    approvals: {
      get: async (job) => (await ask<{ approval: Approval }>('GET /v1/jobs/:job/approval', ofJob(job))).approval,
      async approve(job, _who, requestSha256) {
        await ask('POST /v1/jobs/:job/approve', ofJob(job, { body: { requestSha256 } }));
      },
      async reject(job, _who, reason) {
        await ask('POST /v1/jobs/:job/reject', ofJob(job, { body: { reason } }));
      },
    },
    auditLogs: {
      entries: async (body) =>
        (await ask<{ entries: readonly WrittenEntry[] }>('POST /v1/audit/entries', { body })).entries,
      verify: async () => (await ask<{ report: ChainReport }>('POST /v1/audit/verify')).report,
      ofHosts: (hosts, query, signal) => askHosts('POST /v1/audit/hosts', hosts, query, signal),
      verifyHosts: (hosts, signal) => askHosts('POST /v1/audit/hosts/verify', hosts, {}, signal),
    },
    async close() {
      client.close();
    },
  };
}

/** @throws FailureError 'bad-data' when the server answers with nothing */
function there<T>(route: Route, answer: T | undefined): T {
  if (answer === undefined) throw fail('bad-data', `the server says nothing to ${route}`);
  return answer;
}
