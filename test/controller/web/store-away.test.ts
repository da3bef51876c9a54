// A server whose PostgreSQL stops for a while and comes back: captures go on, results arrive, nothing is lost; clients are told to come again.
import { get } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { HostRun } from '../../../controller/api.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { profileLog, type Script } from '../fake-agent.js';
import { type PostgresServer, postgresServer } from '../store/postgres-server.js';
import { type ServedApp, servedApp } from './served-app.js';

const minutes = 60_000;
/** How long the database is away, in milliseconds. */
const away = 20_000;
let postgres: PostgresServer;
let served: ServedApp;
/** What the captures of a host wait for. */
const gates: Record<string, { readonly opened: Promise<void>; open: () => void }> = {};

const profile = drawProfile('main;touch 5\nmain;read 2');

function gated(name: string): Script {
  let open: () => void = () => undefined;
  gates[name] = { opened: new Promise((resolve) => (open = resolve)), open: () => open() };
  return async ({ emit }) => {
    const [first, ...rest] = profileLog(profile);
    emit(first);
    await gates[name].opened;
    emit({ kind: 'progress', elapsed: 1, samples: 1, bytes: 1, lost: 0 }, ...rest);
  };
}

beforeAll(async () => {
  postgres = await postgresServer();
  served = await servedApp(
    { before: gated('before'), during: gated('during'), after: gated('after') },
    { store: await postgres.newStore() },
  );
});
afterAll(async () => {
  await served.close();
  await postgres.close();
});

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

function ask(path: string, token: string): Promise<Answer> {
  const options = { ca: served.ca, headers: { authorization: `Bearer ${token}` }, agent: false as const };
  return new Promise((resolve, reject) => {
    get(new URL(path, served.url()), options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body });
      });
    }).on('error', reject);
  });
}

it(
  'brings a job to its end whose database was away while its hosts finished',
  async () => {
    const token = await served.token('ada', 'admin');
    const remote = await served.remote(token);
    const job = await remote.submit({
      spec: {
        ...{ kind: 'record', target: { kind: 'system' }, duration: 1000, events: [{ name: 'page-faults' }] },
        ...{
          callGraph: { mode: 'fp' },
          detail: { split: 'comm', keepTimestamps: false, lines: false },
          keepRaw: false,
        },
      },
      ...{ hosts: remote.hosts(''), selectorText: '', requester: 'me', maxParallel: 8, note: '' },
      // Less than the database is away: its absence is not the hosts' time.
      grace: away / 2,
    });
    const runs = async () => new Map((await served.app.hostRuns(job.id)).map((run: HostRun) => [run.host, run.state]));
    await vi.waitFor(
      async () => expect([...(await runs()).values()]).toEqual(['running', 'running', 'running']),
      minutes,
    );
    gates.before.open();
    await vi.waitFor(async () => expect((await runs()).get('before')).toBe('succeeded'), minutes);
    expect(await ask('/healthz', '')).toMatchObject({ status: 200, body: '{"status":"ok"}' });

    await postgres.stop('immediate');
    gates.during.open();
    await vi.waitFor(async () => expect((await ask('/healthz', '')).status).toBe(503), minutes);
    expect(await ask('/healthz', '')).toEqual({ status: 503, retryAfter: '5', body: '{"status":"store-away"}' });
    const refused = await ask('/v1/jobs', token);
    expect(refused).toMatchObject({ status: 503, retryAfter: '5' });
    expect(JSON.parse(refused.body)).toMatchObject({ error: { code: 'unreachable' } });
    await sleep(away);
    await postgres.start();

    expect((await ask('/v1/jobs', token)).status).toBe(200);
    gates.after.open();
    await vi.waitFor(async () => expect((await served.app.job(job.id)).state).toBe('succeeded'), minutes);
    expect(await ask('/healthz', '')).toMatchObject({ status: 200 });
    expect([...(await runs()).values()]).toEqual(['succeeded', 'succeeded', 'succeeded']);
    for (const host of ['before', 'during', 'after']) {
      expect((await served.app.profile(job.id, host))?.samples).toEqual(profile.samples);
    }
    const { problems } = await served.app.auditLogs.verify();
    expect(problems).toEqual([]);
    const entries = await served.app.auditLogs.entries({ since: 0, who: '', jobId: job.id, host: '', limit: 100 });
    expect(entries.map(({ what }) => what).sort()).toEqual([
      ...['host-run-ended', 'host-run-ended', 'host-run-ended', 'job-ended', 'submit-job'],
    ]);
    expect(served.log.filter(({ event }) => event === 'job-failed' || event === 'defect')).toEqual([]);
  },
  3 * minutes,
);
