// Clients whose answers are lost: they ask again, are told so, and there is one job; against real servers over a connection that breaks.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { App, JobRequest } from '../../../controller/api.js';
import type { Clock } from '../../../controller/clock.js';
import type { Route } from '../../../controller/http-api/routes.js';
import { Unanswered } from '../../../controller/remote/api-client.js';
import type { RemoteAppOptions } from '../../../controller/remote/remote-app.js';
import { askRepeatedly } from '../../../controller/remote/repeated-request.js';
import { toFailure } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { finished, profileLog, type Script } from '../fake-agent.js';
import { RECORD, WATCH } from '../specs.js';
import { LossyWay } from '../store/lossy-way.js';
import { postgresServer } from '../store/postgres-server.js';
import { type ServedApp, servedApp } from '../web/served-app.js';
import { type CuttingProxy, cuttingProxy } from './cutting-proxy.js';

const recorded: Script = async ({ emit }) => emit(...profileLog(drawProfile('main;touch 5')));
const never = new AbortController().signal;

let served: ServedApp;
let proxy: CuttingProxy;
const told: string[] = [];
const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  told.length = 0;
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function serve(script: Script, more: Partial<RemoteAppOptions> = {}, store?: string): Promise<App> {
  served = await servedApp({ web1: script }, store === undefined ? {} : { store });
  opened.push(served);
  proxy = await cuttingProxy(served.url());
  opened.push(proxy);
  const token = await served.token('alice', 'operator');
  return served.remote(token, { url: proxy.url, tell: (text) => told.push(text), ...more });
}

/** Waits as long as it is asked to, in no time. */
function hasty(pauses: number[] = []): Clock {
  let passed = 0;
  return {
    now: () => Date.now(),
    monotonic: () => passed,
    async sleep(duration, signal) {
      pauses.push(duration);
      passed += duration;
      return signal.aborted ? 'aborted' : 'elapsed';
    },
  };
}

const request = (app: App, more: Partial<JobRequest> = {}): JobRequest => ({
  ...{ spec: RECORD, hosts: app.hosts(''), selectorText: '', requester: 'me', maxParallel: 8, grace: 30_000, note: '' },
  ...more,
});
const jobsOf = () => served.app.jobs({ limit: 100 });
const failureOf = async (promise: Promise<unknown>) =>
  toFailure(
    await promise.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error,
    ),
  );

describe('a client whose connection breaks when the server has done what it asked for', () => {
  it('gets the one job that it asked for', async () => {
    const remote = await serve(recorded);
    proxy.holdAnswers();
    const submitted = remote.submit(request(remote));
    await vi.waitFor(async () => expect(await jobsOf()).toHaveLength(1), 30_000);
    proxy.cut();
    const job = await submitted;
    expect((await jobsOf()).map(({ id }) => id)).toEqual([job.id]);
    expect(told).toEqual([
      expect.stringMatching(/the server localhost.*; asking localhost:\d+ for the same again in 1 s \(2 of 6\)$/),
    ]);
    expect((await remote.run(job.id, { signal: never, onEvent: () => undefined })).state).toBe('succeeded');
    expect(served.agents.web1.calls.filter((call) => call.startsWith('start'))).toEqual([`start ${job.id}.web1`]);
  });

  it('makes another job of another request', async () => {
    const remote = await serve(recorded);
    const jobs = [await remote.submit(request(remote)), await remote.submit(request(remote))];
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(2);
    expect(told).toEqual([]);
  });

  it('gets the one job of a schedule', async () => {
    const remote = await serve(recorded);
    const job = { spec: RECORD, selectorText: '', maxParallel: 8, grace: 30_000, note: '' };
    await served.app.schedules.add(
      {
        ...{ name: 'now', timing: { kind: 'at', time: Date.now() + 3_600_000 }, timeZone: 'UTC', windows: [] },
        ...{ blackouts: [], jitter: 0, overlap: 'allow', missed: 'skip', tolerance: 0, retention: {}, job },
      },
      'alice@server',
    );
    proxy.holdAnswers();
    const run = remote.schedules.runNow('now', 'me');
    await vi.waitFor(async () => expect(await jobsOf()).toHaveLength(1), 30_000);
    proxy.cut();
    expect(await run).toBe((await jobsOf())[0].id);
    expect(await jobsOf()).toHaveLength(1);
    expect(told).toHaveLength(1);
  });

  it('has a watch fire once', async () => {
    let release: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (release = resolve));
    const remote = await serve(async ({ emit }) => {
      emit({ kind: 'state', state: 'running', detail: '' });
      await ended;
      emit(finished);
    });
    const asked: string[] = [];
    served.agents.web1.trigger = async ({ who, reason, requestId }) => {
      asked.push(requestId);
      return {
        ...{ number: 1, time: 5, cause: { kind: 'asked', who, reason } },
        capture: { ok: true, captureId: 'x' },
      };
    };
    const { id } = await remote.submit(request(remote, { spec: WATCH }));
    await vi.waitFor(async () => expect((await served.app.hostRuns(id))[0].state).toBe('running'), 30_000);
    proxy.holdAnswers();
    const triggered = remote.trigger(id, [], { who: 'me', reason: 'slow' }, never);
    await vi.waitFor(() => expect(asked).toHaveLength(1), 30_000);
    proxy.cut();
    expect(await triggered).toMatchObject([{ ok: true, value: { number: 1 } }]);
    // By which the agent knows that it has fired already.
    expect(asked).toEqual([asked[0], asked[0]]);
    release();
  });
});

describe('a client whose server is away', () => {
  it('asks six times at most, later each time, and says that nobody knows', async () => {
    const pauses: number[] = [];
    const remote = await serve(recorded, { clock: hasty(pauses) });
    const wanted = request(remote);
    proxy.goAway();
    const failure = await failureOf(remote.submit(wanted));
    expect(failure).toMatchObject({
      ...{
        code: 'unreachable',
        message: expect.stringMatching(/^asked 6 times, the last time: .*the server localhost/),
      },
      remedy: 'it may have been done all the same: look with `perftrawl jobs ls` before you ask again',
    });
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000]);
    expect(told).toHaveLength(5);
    expect(told[4]).toMatch(/ in 16 s \(6 of 6\)$/);
    expect(await jobsOf()).toEqual([]);
  });

  it('stops asking when it is interrupted', async () => {
    const stop = new AbortController();
    const remote = await serve(recorded, { interrupt: stop.signal, clock: hasty() });
    const wanted = request(remote);
    proxy.goAway();
    stop.abort();
    const failure = await failureOf(remote.submit(wanted));
    expect(failure).toMatchObject({ code: 'cancelled', remedy: expect.stringMatching(/jobs ls/) });
    expect(told).toHaveLength(1);
  });

  it('does not ask again what was refused', async () => {
    const remote = await serve(recorded);
    const failure = await failureOf(remote.submit(request(remote, { spread: -1 })));
    expect(failure).toMatchObject({ code: 'bad-request' });
    expect(told).toEqual([]);
  });

  it('asks no server twice that would do it twice', async () => {
    const asked: Route[] = [];
    const client = {
      url: new URL('https://older.example.net'),
      async json<T>(route: Route): Promise<T | undefined> {
        asked.push(route);
        if (route === 'GET /v1/openapi.json') return { paths: { '/v1/jobs': { post: { parameters: [] } } } } as T;
        throw new Unanswered({ code: 'unreachable', message: 'it broke', remedy: '' }, 0);
      },
    };
    const options = { client, clock: hasty(), newKey: () => 'k', tell: () => undefined, interrupt: never };
    expect(await failureOf(askRepeatedly('POST /v1/jobs', {}, options))).toMatchObject({
      ...{
        code: 'lost',
        message: expect.stringMatching(/^older.example.net .* is of a version that would do it twice/),
      },
      remedy: expect.stringMatching(/jobs ls/),
    });
    expect(asked).toEqual(['POST /v1/jobs', 'GET /v1/openapi.json']);
  });

  it('gets the one job of which its server does not know whether PostgreSQL has it', async () => {
    const postgres = await postgresServer();
    const way = new LossyWay(postgres.port);
    opened.push(postgres, way);
    const port = await way.listen();
    const remote = await serve(recorded, {}, (await postgres.newStore()).replace(`:${postgres.port}/`, `:${port}/`));
    way.losses = 1;
    const { id } = await remote.submit(request(remote));
    expect(way.losses).toBe(0);
    expect(told).toHaveLength(1);
    expect((await jobsOf()).map((job) => job.id)).toEqual([id]);
    await vi.waitFor(async () => expect((await served.app.job(id)).state).toBe('succeeded'), 60_000);
    expect(served.agents.web1.calls.filter((call) => call.startsWith('start'))).toHaveLength(1);
  }, 120_000);

  it('waits as long as the server wants while its PostgreSQL is away, and gets its one job', async () => {
    const postgres = await postgresServer();
    opened.push(postgres);
    const remote = await serve(recorded, {}, await postgres.newStore());
    await postgres.stop('fast');
    await vi.waitFor(async () => expect(await served.app.health()).toBeDefined(), 30_000);
    const submitted = remote.submit(request(remote));
    await vi.waitFor(() => expect(told).toHaveLength(1), 60_000);
    // As Retry-After has it.
    expect(told[0]).toMatch(/asking localhost:\d+ for the same again in 5 s \(2 of 6\)$/);
    await postgres.start();
    const { id } = await submitted;
    expect((await jobsOf()).map((job) => job.id)).toEqual([id]);
    await vi.waitFor(async () => expect((await served.app.job(id)).state).toBe('succeeded'), 60_000);
  }, 180_000);
});
