// What clients ask a server for, and what a server answers.
import { parse as parseQuery } from 'node:querystring';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '../../../controller/clock.js';
import { FrameReader, frameOf } from '../../../controller/http-api/frames.js';
import { partsOf, ROUTES, type Route } from '../../../controller/http-api/routes.js';
import { EventParser } from '../../../controller/remote/event-parser.js';
import { tokenText } from '../../../controller/users/token.js';
import { authenticate } from '../../../controller/web/authentication.js';
import type { Call, Endpoint, Reply } from '../../../controller/web/endpoint.js';
import { alertEndpoint } from '../../../controller/web/endpoints/alert-endpoint.js';
import { auditEndpoints } from '../../../controller/web/endpoints/audit-endpoints.js';
import { hostEndpoints } from '../../../controller/web/endpoints/host-endpoints.js';
import { identityEndpoints } from '../../../controller/web/endpoints/identity-endpoints.js';
import { jobEndpoints } from '../../../controller/web/endpoints/job-endpoints.js';
import { metricsEndpoint } from '../../../controller/web/endpoints/metrics-endpoint.js';
import { questionEndpoints } from '../../../controller/web/endpoints/question-endpoints.js';
import { resultEndpoints } from '../../../controller/web/endpoints/result-endpoints.js';
import { scheduleEndpoints } from '../../../controller/web/endpoints/schedule-endpoints.js';
import { userEndpoints } from '../../../controller/web/endpoints/user-endpoints.js';
import { JobRunner } from '../../../controller/web/job-runner.js';
import { LoginLimit } from '../../../controller/web/login-limit.js';
import { FailureError, fail } from '../../../proto/failure.js';
import { encodeProfile, type ProfileChunk } from '../../../proto/profile-codec.js';
import { SPECS } from '../../controller/specs.js';
import { texts } from '../seeds.js';
import { type FuzzTarget, pieces, promise } from '../target.js';
import { AUDIT, jsonBody, KNOWN_TOKEN, promisingApp } from './http-app.js';
import { soundProfile } from './sound-events.js';

const ACTOR = { who: 'alice@server', by: 'token', from: '127.0.0.1:5' } as const;
const APP = promisingApp(ACTOR);
const RUNNER = new JobRunner({ app: APP, log: () => undefined, mostJobs: 4, random: () => 0.5 });
type FollowedRoute = 'GET /v1/jobs/:job/events' | 'GET /v1/openapi.json';
const ENDPOINTS: Readonly<Record<Exclude<Route, FollowedRoute>, Endpoint>> = {
  ...{
    ...hostEndpoints(),
    ...jobEndpoints({
      runner: RUNNER,
      dispatch: { look: async () => undefined },
      audit: AUDIT,
      requestStop: async () => undefined,
      submit: (request) => APP.submit(request),
      submitted: async () => undefined,
    }),
    ...resultEndpoints(),
  },
  ...questionEndpoints(systemClock),
  ...metricsEndpoint({ contentType: 'text/plain', text: async () => '' }),
  ...scheduleEndpoints({ look: async () => undefined }),
  ...alertEndpoint({ answerAlerts: async () => [], dispatch: { look: async () => undefined }, audit: AUDIT }),
  ...{ ...auditEndpoints(), ...userEndpoints(), ...identityEndpoints() },
};

const ORDER = {
  ...{ hosts: ['db1', 'web1'], selectorText: 'role=db', maxParallel: 20, grace: 60_000, note: 'a note' },
  rollout: {
    canary: { kind: 'hosts', hosts: 1 },
    waves: [{ kind: 'percent', percent: 50 }],
    failFast: 20,
    abortOn: [{ of: 'load', limit: 2 }],
    settle: 1000,
  },
  sync: { lead: 500 },
  sample: { seed: 's', of: 3, stratify: 'role', strata: [{ value: 'db', hosts: 2, chosen: 1 }], left: ['db2'] },
  ...{ team: 'db', priority: 'high', labels: { ticket: 'OPS-1' }, spread: 5000, notBefore: 1000 },
};
const SCHEDULE = {
  ...{ name: 'nightly', timeZone: 'Europe/Berlin', windows: ['mon-fri 09:00-17:00'], blackouts: ['2026-12-24'] },
  ...{ jitter: 1000, overlap: 'queue', missed: 'once', tolerance: 60_000, until: 5_000_000_000_000 },
  retention: { count: 3, age: 1e9, bytes: 1e9, hoursAfter: 1e7, daysAfter: 1e8 },
  job: {
    ...{ spec: SPECS.record, selectorText: '', maxParallel: 5, grace: 1000, note: 'n', labels: { a: 'b' } },
    sample: { size: { kind: 'percent', percent: 50 }, stratify: 'role' },
  },
};
const SELECTOR = { comms: ['postgres'], cmdline: '^x', unit: 'u', container: 'c' };
const RECORD = {
  ...SPECS.record,
  target: { kind: 'pids', pids: [1, 22, 4_194_304] },
  rate: { frequency: 99 },
  callGraph: { mode: 'dwarf', stackBytes: 8192 },
  events: [{ name: 'page-faults', filter: 'a == 1' }],
  budget: { cpuPercent: 5, memoryBytes: 1e9, spoolBytes: 1e9 },
};
const STAP = {
  ...SPECS.stap,
  script: { from: 'request', name: 'x.stp', text: 'probe begin { }', arguments: ['1'], isGuru: true },
  command: ['sleep', '1'],
};
const TOKEN_REQUEST = { labels: { role: 'db' }, namePattern: 'db*', ttl: 3_600_000, uses: 1, certificateLife: 1e9 };

/** The first line as in HTTP, the others are the body. */
const SEEDS: readonly (readonly [string, unknown?])[] = [
  ...[SPECS.record, SPECS.stat, SPECS.stap, SPECS.kit, RECORD, STAP].map(
    (spec) => ['POST /v1/jobs', { ...ORDER, spec }] as const,
  ),
  ['POST /v1/hosts/preflight', { hosts: ['db1'], spec: { ...RECORD, rate: { period: 1000 }, mmapPages: 64 } }],
  ['POST /v1/hosts/preflight', { hosts: ['db1'], spec: { ...SPECS.stat, target: { kind: 'cgroup', path: '/a' } } }],
  ['POST /v1/hosts/processes', { hosts: ['db1'], selector: SELECTOR }],
  ['POST /v1/hosts/describe', { hosts: ['db1', 'web1'] }],
  ['POST /v1/hosts/clean', { hosts: ['db1'], isForced: true }],
  ['GET /v1/hosts?selector=role%3Ddb%2Cregion%21%3Deu'],
  ['GET /v1/jobs?limit=20&state=running'],
  ['GET /v1/jobs/last/profile?host=db1'],
  ['GET /v1/jobs/20260101/artifact?host=db1&name=perf.data&offset=10'],
  ['POST /v1/jobs/last/approve', { requestSha256: 'ab'.repeat(32) }],
  ['POST /v1/jobs/last/reject', { reason: 'no' }],
  ['POST /v1/jobs/last/stop'],
  ['DELETE /v1/jobs/last'],
  ['POST /v1/top', { selectorText: 'role=db', since: 1, event: 'page-faults', by: 'total', groupBy: 'role', limit: 9 }],
  ['POST /v1/top?events=true', { until: 1e12, eachHostEqual: true }],
  ['POST /v1/audit/entries', { since: 0, jobId: '', limit: 10, who: 'a*', host: '' }],
  ['POST /v1/audit/hosts', { since: 1, jobId: 'x', limit: 10, hosts: ['db1'] }],
  ['POST /v1/users', { name: 'bob', role: 'viewer', ttl: 1000, withToken: true }],
  ['DELETE /v1/users/bob'],
  ...[
    { kind: 'cron', pattern: '*/10 0 3 * jan-mar mon#2' },
    { kind: 'every', every: 60_000, from: 1 },
    { kind: 'at', time: 4_000_000_000_000 },
    { kind: 'alert', match: { alertname: 'x' }, hostLabel: 'instance', coolDown: 1000 },
  ].map((timing) => ['POST /v1/schedules', { ...SCHEDULE, timing }] as const),
  ['POST /v1/schedules/nightly/run'],
  ['GET /v1/schedules/nightly/next?count=5'],
  ['GET /v1/schedules/nightly/history?limit=5'],
  ['POST /v1/alerts', { version: '4', alerts: [{ status: 'firing', labels: { alertname: 'x', instance: 'db1:1' } }] }],
  ['POST /v1/teams', { name: 'db', weight: 2, mostJobs: 3, mostHosts: 500 }],
  ['DELETE /v1/teams/db'],
  ['GET /v1/jobs?limit=5&search=page%20faults&label=a=b&label=c=d&since=1&team=db&host=db1&before=x'],
  ['POST /v1/enroll-tokens', { ...TOKEN_REQUEST, mayReplace: false }],
  ['DELETE /v1/enroll-tokens/0123456789abcdef'],
  ['DELETE /v1/enrolled-hosts/db1'],
  ['POST /v1/certificates/revoke', { which: 'AA:BB' }],
];

const requests: FuzzTarget = {
  name: 'http-requests',
  grammar: 'text',
  seeds: () =>
    texts(...SEEDS.map(([line, body]) => (body === undefined ? line : `${line}\n${JSON.stringify(body, null, 1)}`))),
  run: async (input) => {
    const text = Buffer.from(input).toString('utf8');
    const end = text.indexOf('\n');
    const [method, url = ''] = (end < 0 ? text : text.slice(0, end)).split(' ');
    const at = url.indexOf('?');
    const found = routeOf(method, at < 0 ? url : url.slice(0, at));
    if (found === undefined) throw fail('not-found', 'no such route');
    const query = { ...parseQuery(at < 0 ? '' : url.slice(at + 1)) };
    const body = jsonBody(end < 0 ? '' : text.slice(end + 1));
    const { signal } = new AbortController();
    const caller = { name: 'alice', role: 'admin', team: 'default', by: 'token', expires: 0 } as const;
    const call: Call = {
      ...{ app: APP, caller, who: ACTOR.who, actor: ACTOR, repeatable: undefined, lastEventId: '', signal },
    };
    await sent(await ENDPOINTS[found.route].answer({ parameters: found.parameters, query, body }, call));
  },
};

function routeOf(method: string, path: string) {
  const parts = path.split('/');
  for (const route of ROUTES) {
    const known = partsOf(route);
    const names = known.path.split('/');
    if (route === 'GET /v1/jobs/:job/events' || route === 'GET /v1/openapi.json') continue;
    if (known.method !== method || names.length !== parts.length) continue;
    if (!names.every((name, i) => name.startsWith(':') || name === parts[i])) continue;
    const given = names.flatMap((name, i) => (name.startsWith(':') ? [[name.slice(1), decoded(parts[i])]] : []));
    return { route, parameters: Object.fromEntries(given) };
  }
  return undefined;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) throw fail('bad-request', error.message);
    throw error;
  }
}

async function sent(reply: Reply): Promise<void> {
  switch (reply.kind) {
    case 'nothing':
      return;
    case 'json':
    case 'held':
      promise(JSON.stringify(await reply.value) !== undefined, 'an answer without a text');
      return;
    case 'bytes':
      for await (const _ of reply.source);
      reply.trailers();
      return;
    case 'events':
      for await (const _ of reply.source);
  }
}

/** The header, as it came. */
const authorization: FuzzTarget = {
  name: 'http-authorization',
  grammar: 'text',
  seeds: () =>
    texts(
      `Bearer ${tokenText(KNOWN_TOKEN)}`,
      `bearer  ${tokenText({ ...KNOWN_TOKEN, caSha256: undefined })}`,
      `Bearer ${tokenText({ ...KNOWN_TOKEN, id: 'f'.repeat(16) })}`,
    ),
  run: async (input) => {
    const text = Buffer.from(input).toString('latin1');
    const credentials = { authorization: text, certificate: undefined, certificateProblem: '', remoteAddress: '::1' };
    const limit = new LoginLimit(() => systemClock.monotonic());
    const { name } = await authenticate(credentials, {
      ...{ authenticator: APP.users, limit, userOf: async () => 'alice' },
    });
    const isRight = text.includes(`${KNOWN_TOKEN.id}.${KNOWN_TOKEN.secret}`) && /^bearer /i.test(text);
    promise(name === 'bob' && isRight, 'somebody is let in by a token that nobody gave');
  },
};

/** A profile as a server sends it. */
const frames: FuzzTarget = {
  name: 'http-frames',
  grammar: 'bytes',
  seeds: () => {
    const chunks = [...encodeProfile(soundProfile())].map((chunk, i) => frameOf(chunk, i + 1));
    return [Buffer.concat(chunks), ...chunks.slice(0, 1)];
  },
  run: (input, random) => {
    const whole = framesIn([input]);
    promise(
      isDeepStrictEqual(framesIn(pieces(input, random)), whole),
      'the chunks of a profile depend on how it is cut',
    );
    if (whole.failure !== undefined) throw new FailureError(whole.failure);
  },
};

function framesIn(parts: readonly Uint8Array[]) {
  const reader = new FrameReader();
  const chunks: ProfileChunk[] = [];
  try {
    for (const part of parts) for (const chunk of reader.push(part)) chunks.push(chunk);
    reader.finish();
  } catch (error) {
    if (error instanceof FailureError) return { chunks, failure: error.failure };
    throw error;
  }
  return { chunks, failure: undefined };
}

/** Of a job that is followed, as a server sends them. */
const serverEvents: FuzzTarget = {
  name: 'server-sent-events',
  grammar: 'text',
  seeds: () =>
    texts(
      'id: abc-1\nevent: host-run\ndata: {"run":{}}\n\n: still at it\n\nevent: job\ndata: {"job":1}\ndata: more\n\n',
      'data\n\ndata: x\r\n\nid:7\n\n',
    ),
  run: (input, random) => {
    const text = Buffer.from(input).toString('utf8');
    const cut = pieces(Buffer.from(text, 'utf16le'), random);
    const decoder = new TextDecoder('utf-16le', { ignoreBOM: true });
    const parts = cut.map((part) => decoder.decode(part, { stream: true }));
    promise(isDeepStrictEqual(eventsIn(parts), eventsIn([text])), 'events depend on how their text is cut');
  },
};

function eventsIn(parts: readonly string[]) {
  const parser = new EventParser();
  return parts.flatMap((part) => [...parser.push(part)]);
}

export const HTTP_TARGETS: readonly FuzzTarget[] = [requests, authorization, frames, serverEvents];
