// An app that holds what it is asked against what it promised: for requests of HTTP under fuzzing. It stores nothing and reaches nobody.
import { isDeepStrictEqual } from 'node:util';
import type { App, Host, Job, JobRequest } from '../../../controller/api.js';
import { scriptsToRead } from '../../../controller/approval/approval.js';
import { requestHash } from '../../../controller/approval/request-hash.js';
import { type Audit, entryLine } from '../../../controller/audit/audit.js';
import type { AuditEntry } from '../../../controller/audit/audit-entry.js';
import { type Actor, auditedApp } from '../../../controller/audit/audited-app.js';
import { readEntry } from '../../../controller/audit/read-entry.js';
import { storedIdentities } from '../../../controller/enroll/identities.js';
import { matchesSelector, parseSelector } from '../../../controller/fleet/selector.js';
import { checkRequest } from '../../../controller/jobs/job-lookup.js';
import { planWaves } from '../../../controller/jobs/rollout-plan.js';
import { storedTeams } from '../../../controller/jobs/stored-teams.js';
import { TOP_BY } from '../../../controller/questions/top-question.js';
import { checkSchedule } from '../../../controller/schedule/check-schedule.js';
import type { Schedule } from '../../../controller/schedule/schedule.js';
import { tickJob } from '../../../controller/schedule/tick-job.js';
import type { IdentityStore } from '../../../controller/store/identity-store.js';
import type { StoredUser, UserStore } from '../../../controller/store/user-store.js';
import { secretHash } from '../../../controller/users/token.js';
import { type Authenticator, storedUsers, type Users } from '../../../controller/users/users.js';
import { EMPTY_CHAIN } from '../../../proto/audit-chain.js';
import { auditedSpec } from '../../../proto/audited-spec.js';
import { canonicalSpec } from '../../../proto/canonical-spec.js';
import type { CaptureSpec, ProcessSelector } from '../../../proto/capture.js';
import { formatEnrollToken, parseEnrollToken } from '../../../proto/enroll-token.js';
import { fail } from '../../../proto/failure.js';
import { matchesGlob } from '../../../proto/glob.js';
import { captureAgentService as service } from '../../../proto/service.js';
import { selectorFromMessage, selectorToMessage, specFromMessage, specToMessage } from '../../../proto/spec-codec.js';
import { RECORD } from '../../controller/specs.js';
import { promise } from '../target.js';

const HOSTS: readonly Host[] = [
  { name: 'db1', labels: { role: 'db', region: 'eu' }, address: { transport: 'local' } },
  { name: 'web1', labels: { role: 'web' }, address: { transport: 'dial-in' } },
];

const NOW = 1_700_000_000_000;

export const AUDIT: Audit = {
  async append(entry) {
    const written = readEntry(entryLine(EMPTY_CHAIN, NOW, entry).line);
    const said: AuditEntry & { sequence: number; time: number } = { ...entry, sequence: 1, time: NOW };
    promise(
      isDeepStrictEqual(written, asStored(said)),
      'what was written into the audit log is read as something else',
    );
  },
};

/** Of bob. */
export const KNOWN_TOKEN = { id: '0123456789abcdef', secret: 'ab'.repeat(32), caSha256: 'cd'.repeat(32) };

const BOB: StoredUser = {
  ...{ name: 'bob', role: 'viewer', team: 'default', created: NOW, expires: 0, revoked: 0, tokenId: KNOWN_TOKEN.id },
  secretHash: secretHash(KNOWN_TOKEN.secret),
};

const store: UserStore = {
  add: async (user) => {
    promise(isDeepStrictEqual(asStored(user), user), 'a user is stored as something else');
    return user.name !== 'bob';
  },
  list: async () => [BOB],
  byName: async (name) => (name === 'bob' ? BOB : undefined),
  byTokenId: async (id) => (id === KNOWN_TOKEN.id ? BOB : undefined),
  revoke: async (name) => (name === 'bob' ? BOB : undefined),
};

const identityStore: IdentityStore = {
  addToken: async (token) => {
    const text = formatEnrollToken({ id: token.id, secret: 'ab'.repeat(32), caSha256: CA });
    promise(parseEnrollToken(text) !== undefined, 'a token is given that nobody can use');
    promise(isDeepStrictEqual(asStored(token), token), 'a token is stored as something else');
  },
  ...{ token: async () => undefined, tokens: async () => [], revokeToken: async () => undefined },
  ...{ certificates: async () => [], certificate: async () => undefined, revoke: async () => undefined },
  ...{ revoked: async () => [], enroll: async () => 'overtaken' as const, host: async () => undefined },
  ...{
    hosts: async () => [],
    hostsMark: async () => '',
    forgetHost: async () => undefined,
    seen: async () => undefined,
  },
};

const CA = 'cd'.repeat(32);

const SCHEDULE: Schedule = {
  definition: {
    ...{ name: 's', timing: { kind: 'every', every: 60_000, from: 0 }, timeZone: 'UTC', windows: [], blackouts: [] },
    ...{ jitter: 0, overlap: 'skip', missed: 'skip', tolerance: 0, retention: {} },
    job: { spec: RECORD, selectorText: '', maxParallel: 1, grace: 1000, note: '' },
  },
  ...{ state: 'active', requester: 'alice@server', created: NOW, nextDue: 0 },
};

/** @param actor in whose name everything is asked for */
export function promisingApp(actor: Actor): App & { readonly users: Users & Authenticator } {
  const users = storedUsers({ store, now: () => NOW, caSha256: async () => CA, localName: 'me' });
  const job: Job = {
    ...{ id: '20260101-000000-abc', state: 'succeeded', created: NOW, started: NOW, ended: NOW },
    request: requestOf({ spec: RECORD, hosts: HOSTS }),
  };
  const app: App & { readonly users: Users & Authenticator } = {
    users,
    teams: storedTeams({
      teams: async () => [],
      setTeam: async ({ weight, mostJobs, mostHosts }) => {
        promise(weight > 0 && Number.isInteger(mostJobs + mostHosts), 'a quota that is none');
      },
      resetTeam: async () => true,
    }),
    identities: storedIdentities({
      ...{ store: identityStore, now: () => NOW, caDirectory: '/nonexistent' },
      caSha256: async () => CA,
    }),
    approvals: {
      get: async () => ({
        ...{ jobId: job.id, requester: 'me', requestSha256: CA, scripts: [], hosts: [], expires: NOW },
        decision: undefined,
      }),
      approve: async () => undefined,
      reject: async () => undefined,
    },
    schedules: {
      async add(definition) {
        const calendar = checkSchedule(definition, NOW);
        promise((calendar.nextAfter(NOW) ?? Number.POSITIVE_INFINITY) > NOW, 'a schedule that was due before');
        const schedule: Schedule = { ...SCHEDULE, definition };
        promise(isDeepStrictEqual(asStored(schedule), schedule), 'a schedule is stored as something else');
        const hosts = (selectorText: string) => {
          const selector = parseSelector(selectorText);
          return HOSTS.filter((host) => matchesSelector(host, selector));
        };
        checkJob(tickJob(schedule, { hosts, due: NOW }));
        return schedule;
      },
      list: async () => [],
      get: async () => SCHEDULE,
      remove: async () => undefined,
      pause: async () => SCHEDULE,
      resume: async () => SCHEDULE,
      runNow: async () => job.id,
      async next(_name, count) {
        promise(Number.isSafeInteger(count) && count > 0 && count <= 1000, 'a count that is none');
        return [];
      },
      async history(_name, limit) {
        promise(Number.isSafeInteger(limit) && limit > 0, 'a limit that is none');
        return [];
      },
    },
    questions: {
      top: async ({ selectorText, since, until, limit, by, groupBy }) => {
        parseSelector(selectorText);
        promise(Number.isSafeInteger(limit) && limit > 0, 'a limit that is none');
        promise(since >= 0 && until >= 0 && Number.isFinite(since + until), 'a span of time that is none');
        promise(TOP_BY.includes(by) && groupBy !== '', 'a question about nothing');
        return {
          ...{ event: '', type: { type: '', unit: 'count' }, groups: [], leftOut: [], losses: [], sampling: [] },
          ...{ captures: 0, jobs: 0, hosts: 0, samples: 0, weight: 0, recorded: 0, firstJob: 0, lastJob: 0 },
        };
      },
    },
    auditLogs: {
      entries: async ({ who, limit }) => {
        promise(Number.isSafeInteger(limit) && limit > 0, 'a limit that is none');
        matchesGlob(who, 'alice@server');
        return [];
      },
      verify: async () => ({ lines: 0, end: EMPTY_CHAIN, problems: [] }),
      ofHosts: async (hosts) => hosts.map((host) => ({ host, ok: true, value: [] })),
      verifyHosts: async () => [],
    },
    hosts(selectorText) {
      const selector = parseSelector(selectorText);
      return HOSTS.filter((host) => matchesSelector(host, selector));
    },
    describe: async () => [],
    scripts: async () => [],
    listProcesses: async (_hosts, selector) => {
      checkSelectorTravels(selector);
      return [];
    },
    preflight: async (_hosts, spec) => {
      checkTravels(spec);
      return [];
    },
    submit: async (request) => {
      checkJob(request);
      return { ...job, request, state: 'awaiting-approval', ended: 0 };
    },
    run: async () => job,
    resume: async () => job,
    cancel: async () => job,
    trigger: async () => [],
    job: async () => job,
    jobs: async ({ limit }) => {
      promise(Number.isSafeInteger(limit) && limit > 0, 'a limit that is none');
      return [job];
    },
    hostRuns: async () => [],
    deleteJob: async () => undefined,
    profile: async () => undefined,
    series: async () => undefined,
    histograms: async () => undefined,
    text: async () => [],
    async *fetchArtifact(_job, _host, _name, offset) {
      promise(Number.isSafeInteger(offset) && offset >= 0, 'an offset that is none');
      yield { data: new Uint8Array(3), end: { sha256: CA, size: 3 } };
    },
    cleanHosts: async () => [],
    close: async () => undefined,
  };
  return { ...auditedApp(app, AUDIT, actor), users };
}

function requestOf(given: Pick<JobRequest, 'spec' | 'hosts'>): JobRequest {
  return { ...given, selectorText: '', requester: 'me', maxParallel: 1, grace: 1000, note: '' };
}

/** What becomes of a job that is asked for, up to its agents. */
function checkJob(request: JobRequest): void {
  checkRequest(request);
  const stored = asStored(request);
  promise(isDeepStrictEqual(stored, request), 'a request is stored as something else');
  promise(requestHash(stored) === requestHash(request), 'a request that was stored is none that can be approved');
  const started = planWaves(request.hosts, request.rollout).flat();
  promise(isDeepStrictEqual(started, request.hosts), 'not every host is in one wave');
  scriptsToRead(request.spec, 'stap-own');
  promise(JSON.stringify(auditedSpec(request.spec)).length <= 33_000, 'an entry of the audit log is too long');
  checkTravels(request.spec);
}

/** Null-prototype objects and the like would differ although nothing is lost. */
function asStored<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

/** The agent reads of the wire what the controller was asked for, or refuses it. */
function checkTravels(spec: CaptureSpec): void {
  const bytes = service.preflight.requestSerialize({ spec: specToMessage(spec) });
  const read = specFromMessage(service.preflight.requestDeserialize(Buffer.from(bytes)).spec);
  promise(canonicalSpec(settled(read)) === canonicalSpec(settled(spec)), 'an agent is asked for another capture');
}

function checkSelectorTravels(selector: ProcessSelector): void {
  const bytes = service.listProcesses.requestSerialize({ selector: selectorToMessage(selector) });
  const read = selectorFromMessage(service.listProcesses.requestDeserialize(Buffer.from(bytes)).selector);
  promise(isDeepStrictEqual(settled(read), settled(selector)), 'an agent is asked for other processes');
}

/** Without what means the same as its absence, which does not travel. */
function settled<T>(value: T): T {
  const text = JSON.stringify(value, (key, inner: unknown) => {
    if (key === 'evenIfBusy' && inner === false) return undefined;
    if ((key === 'command' || key === 'comms') && Array.isArray(inner) && inner.length === 0) return undefined;
    if (key === 'mmapPages' && inner === 0) return undefined;
    return inner;
  });
  return JSON.parse(text);
}

/** @throws FailureError for a body that the HTTP library takes for an attack, as for one that is no JSON */
export function jsonBody(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text, (key, value: unknown) => {
      if (key === '__proto__') throw new SyntaxError('it has a key __proto__');
      // -0 is stored as 0, which is no other number.
      return value === 0 ? 0 : value;
    });
  } catch (error) {
    if (error instanceof SyntaxError) throw fail('bad-request', `the body is no JSON: ${error.message}`);
    throw error;
  }
}
