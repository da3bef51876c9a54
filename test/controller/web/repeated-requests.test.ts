// Requests with an Idempotency-Key, as any client of HTTP may send them: sent twice, to one server or to two, they start one job.
import { once } from 'node:events';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createApp, type LocalApp } from '../../../controller/app.js';
import { systemClock } from '../../../controller/clock.js';
import { identityFilesIn } from '../../../controller/transport/identity.js';
import type { HttpServer } from '../../../controller/web/http-server.js';
import { serveApp } from '../../../controller/web/serve-app.js';
import { serverIdentity } from '../../../controller/web/server-identity.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { finished, profileLog, type Script } from '../fake-agent.js';
import { RECORD, WATCH } from '../specs.js';
import { type PostgresServer, postgresServer } from '../store/postgres-server.js';
import { type ServedApp, servedApp } from './served-app.js';

const recorded: Script = async ({ emit }) => emit(...profileLog(drawProfile('main;touch 5')));

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: an answer as it came, of which each test looks at what it is about
  readonly body: any;
}

const template = { spec: RECORD, selectorText: '', maxParallel: 8, grace: 30_000, note: '' };
const order = { ...template, hosts: ['web1'] };

function asker(ca: string) {
  return async (url: URL, method: string, token: string, key?: string | string[], body?: unknown): Promise<Answer> => {
    const sent = request(url, {
      ...{ ca, method, agent: false },
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'Idempotency-Key': key }),
      },
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [answer] = await once(sent, 'response');
    let text = '';
    for await (const piece of answer) text += String(piece);
    return { status: answer.statusCode, body: text === '' ? undefined : JSON.parse(text) };
  };
}

describe('a server', () => {
  let served: ServedApp;
  let alice: string;
  let bob: string;
  beforeAll(async () => {
    served = await servedApp({ web1: recorded });
    alice = await served.token('alice', 'operator');
    bob = await served.token('bob', 'operator');
  });
  afterAll(() => served.close());

  const ask = (path: string, token: string, key?: string | string[], body?: unknown, method = 'POST') =>
    asker(served.ca)(new URL(path, served.url()), method, token, key, body);
  const submit = (token: string, key?: string | string[], more: object = {}) =>
    ask('/v1/jobs', token, key, { ...order, ...more });
  const jobIds = async () => (await served.app.jobs({ limit: 1000 })).map(({ id }) => id);

  it('makes one job of a request that comes often, at once and later, whatever the order of its fields', async () => {
    const before = await jobIds();
    const answers = await Promise.all(Array.from({ length: 8 }, () => submit(alice, 'k1')));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    const [id] = new Set(answers.map(({ body }) => body.job.id));
    expect((await jobIds()).length).toBe(before.length + 1);
    await vi.waitFor(async () => expect((await served.app.job(id)).state).toBe('succeeded'), 30_000);
    const again = await ask('/v1/jobs', alice, 'k1', Object.fromEntries(Object.entries(order).reverse()));
    expect(again).toMatchObject({ status: 200, body: { job: { id, state: 'succeeded' } } });
    expect(served.agents.web1.calls.filter((call) => call === `start ${id}.web1`)).toHaveLength(1);
    const entries = await served.app.auditLogs.entries({ since: 0, who: '', jobId: id, host: '', limit: 100 });
    expect(entries.filter(({ what }) => what === 'submit-job')).toHaveLength(1);
  });

  it('makes two jobs of two keys, and of requests without one', async () => {
    const answers = [await submit(alice, 'k2'), await submit(alice, 'k3'), await submit(alice), await submit(alice)];
    expect(new Set(answers.map(({ body }) => body.job.id)).size).toBe(4);
  });

  it('refuses another request with the same key', async () => {
    const { body } = await submit(alice, 'k5');
    const before = await jobIds();
    const refused = [
      await submit(alice, 'k5', { note: 'another' }),
      await ask('/v1/jobs/last/trigger', alice, 'k5', { hosts: [], reason: '' }),
    ];
    expect(refused[0]).toEqual({
      status: 409,
      body: {
        error: {
          code: 'conflict',
          message: `this Idempotency-Key belongs to another request, which was for job ${body.job.id}`,
          remedy: 'give each request a new key, and the same one only to what is sent again unchanged',
        },
      },
    });
    expect(refused[1]).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } });
    expect(await jobIds()).toEqual(before);
  });

  it('keeps the keys of users apart: nobody finds the job of another by his key', async () => {
    const hers = await submit(alice, 'k6');
    const his = await submit(bob, 'k6', { note: 'something else' });
    expect(his).toMatchObject({ status: 200, body: { job: { request: { requester: 'bob@server' } } } });
    expect(his.body.job.id).not.toBe(hers.body.job.id);
  });

  it.each<[string | string[], string]>([
    ['', 'nothing'],
    ['a b', 'a space'],
    ['ü'.normalize('NFC'), 'no ASCII'],
    ['x'.repeat(256), 'too long'],
    [['k7', 'k8'], 'two of them'],
  ])('refuses the key %j: %s', async (key, _why) => {
    const before = await jobIds();
    const answer = await submit(alice, key);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({
      code: 'bad-request',
      message: expect.stringMatching(/^Idempotency-Key: /),
    });
    expect(await jobIds()).toEqual(before);
  });

  it('takes keys as long and as strange as they may be', async () => {
    const key = `"${'~!/'.repeat(84)}"`;
    expect(key).toHaveLength(254);
    const ids = [await submit(alice, key), await submit(alice, key)].map(({ body }) => body.job.id);
    expect(new Set(ids).size).toBe(1);
  });

  it('forgets the key with the job', async () => {
    const { body } = await submit(alice, 'k9');
    await vi.waitFor(async () => expect((await served.app.job(body.job.id)).state).toBe('succeeded'), 30_000);
    await served.app.deleteJob(body.job.id);
    const again = await submit(alice, 'k9');
    expect(again.status).toBe(200);
    expect(again.body.job.id).not.toBe(body.job.id);
  });

  it('runs a schedule once for each key, and writes one tick down', async () => {
    const timing = { kind: 'at', time: Date.now() + 3_600_000 } as const;
    await served.app.schedules.add(
      {
        ...{ name: 'now', timing, timeZone: 'UTC', windows: [], blackouts: [], jitter: 0 },
        ...{ overlap: 'allow', missed: 'skip', tolerance: 0, retention: {}, job: template },
      },
      'alice@server',
    );
    const run = (key: string) => ask('/v1/schedules/now/run', alice, key);
    const answers = await Promise.all([run('s1'), run('s1'), run('s1'), run('s2')]);
    const ids = answers.map(({ body }) => body.job.id);
    expect([new Set(ids.slice(0, 3)).size, new Set(ids).size]).toEqual([1, 2]);
    const ticks = await served.app.schedules.history('now', 100);
    expect(ticks.map(({ jobId }) => jobId).toSorted()).toEqual([...new Set(ids)].toSorted());
  });

  it('describes the header where it counts', async () => {
    const { body } = await ask('/v1/openapi.json', alice, undefined, undefined, 'GET');
    const header = (path: string) =>
      body.paths[path].post.parameters.find((parameter: { name: string }) => parameter.name === 'Idempotency-Key');
    for (const path of ['/v1/jobs', '/v1/schedules/{schedule}/run', '/v1/jobs/{job}/trigger']) {
      expect(header(path)).toMatchObject({
        ...{ in: 'header', required: false, description: expect.stringMatching(/conflict/) },
        schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
      });
    }
    expect(header('/v1/alerts')).toBeUndefined();
  });
});

describe('a server that was started anew', () => {
  it('answers about the same job, also when that could not be asked for any more', async () => {
    const served = await servedApp({ web1: recorded });
    try {
      const token = await served.token('alice', 'operator');
      const submit = (key: string) => asker(served.ca)(new URL('/v1/jobs', served.url()), 'POST', token, key, order);
      const { id } = (await submit('k1')).body.job;
      await vi.waitFor(async () => expect((await served.app.job(id)).state).toBe('succeeded'), 30_000);
      await served.fleet.writeInventory([{ name: 'web9', port: 9 }]);
      await served.restart();
      expect(await submit('k1')).toMatchObject({ status: 200, body: { job: { id, state: 'succeeded' } } });
      expect((await submit('k2')).body.error).toMatchObject({ message: expect.stringMatching(/web1/) });
    } finally {
      await served.close();
    }
  });
});

describe('a watch', () => {
  it('fires once for each key, on each host', async () => {
    let release: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (release = resolve));
    const served = await servedApp({
      web1: async ({ emit }) => {
        emit({ kind: 'state', state: 'running', detail: '' });
        await ended;
        emit(finished);
      },
    });
    try {
      const token = await served.token('alice', 'operator');
      const asked: string[] = [];
      served.agents.web1.trigger = async ({ who, reason, requestId }) => {
        asked.push(requestId);
        return {
          ...{ number: 1, time: 5, cause: { kind: 'asked', who, reason } },
          capture: { ok: true, captureId: 'x' },
        };
      };
      const ask = (path: string, key: string | undefined, body: unknown) =>
        asker(served.ca)(new URL(path, served.url()), 'POST', token, key, body);
      const { body } = await ask('/v1/jobs', undefined, { ...order, spec: WATCH });
      const { id } = body.job;
      await vi.waitFor(async () => expect((await served.app.hostRuns(id))[0].state).toBe('running'), 30_000);
      const trigger = (job: string, key: string | undefined, reason = 'slow') =>
        ask(`/v1/jobs/${job}/trigger`, key, { hosts: [], reason });
      expect((await trigger('last', 't1')).body.answers).toMatchObject([{ ok: true }]);
      // What is the last job by now is not what was meant.
      await ask('/v1/jobs', undefined, { ...order, notBefore: Date.now() + 3_600_000 });
      expect((await trigger('last', 't1')).body.answers).toMatchObject([{ ok: true }]);
      expect((await trigger('last', 't1', 'another')).body.error).toMatchObject({ code: 'conflict' });
      await trigger(id, 't2');
      await trigger(id, undefined);
      // The agent fires once for each of these.
      expect(asked).toHaveLength(4);
      expect(asked[0]).toBe(asked[1]);
      expect(new Set(asked).size).toBe(3);
      for (const requestId of asked) expect(requestId).toMatch(/^[A-Za-z0-9]{1,64}$/);
    } finally {
      release();
      await served.close();
    }
  });
});

describe('two servers of one store', () => {
  let postgres: PostgresServer;
  let served: ServedApp;
  let app: LocalApp;
  let server: HttpServer;
  beforeAll(async () => {
    postgres = await postgresServer();
    const store = await postgres.newStore();
    served = await servedApp({ web1: recorded, web2: recorded }, { store });
    const { fleet } = served;
    app = await createApp({
      ...{ dataDir: join(fleet.directory, 'data-2'), configDir: fleet.directory, agentCommand: ['/nonexistent'] },
      ...{ queue: { mostHosts: 0 }, store: { name: store, env: {}, homeDirectory: fleet.directory } },
    });
    server = await serveApp({
      ...{ app, listen: { host: '127.0.0.1', port: 0 }, clock: systemClock, random: Math.random, name: 'server' },
      ...{ version: '1.2.3', mostJobs: 64, log: () => undefined },
      identity: await serverIdentity({
        ...{ caDirectory: fleet.caDirectory, files: identityFilesIn(fleet.caDirectory, 'server') },
        ...{ isIssuable: true, addresses: ['localhost'], now: Date.now() },
      }),
    });
  });
  afterAll(async () => {
    await server.close();
    await app.close();
    await served.close();
    await postgres.close();
  });

  it('make one job of a request that comes to both at the same time, and its hosts capture once', async () => {
    const token = await served.token('alice', 'operator');
    const urls = [served.url(), new URL(`https://localhost:${server.address.port}`)];
    const ask = asker(served.ca);
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          ask(new URL('/v1/jobs', urls[i % 2]), 'POST', token, `r${round}`, { ...order, hosts: ['web1', 'web2'] }),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
      expect(new Set(answers.map(({ body }) => body.job.id)).size).toBe(1);
    }
    const jobs = await app.jobs({ limit: 100 });
    expect(jobs).toHaveLength(5);
    await vi.waitFor(async () => {
      for (const { id } of jobs) expect((await app.job(id)).state).toBe('succeeded');
    }, 60_000);
    const starts = ['web1', 'web2'].map((host) => served.agents[host].calls.filter((call) => call.startsWith('start')));
    expect(starts.map((calls) => [calls.length, new Set(calls).size])).toEqual([
      [5, 5],
      [5, 5],
    ]);
  });
});
