// Requests while PostgreSQL is away: each is written down and done, or refused with nothing done; never one without the other.
import { request } from 'node:https';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '../../../controller/clock.js';
import { LossyWay } from '../store/lossy-way.js';
import { type PostgresServer, postgresServer } from '../store/postgres-server.js';
import { type ServedApp, servedApp } from './served-app.js';

const fast: Clock = {
  now: () => systemClock.now(),
  monotonic: () => 20 * systemClock.monotonic(),
  sleep: (time, signal) => systemClock.sleep(time / 20, signal),
};
/** Until a request has come to what is not there. */
const cut = () => vi.waitFor(() => expect(way.isCut).toBe(true), 10_000);
let postgres: PostgresServer;
let way: LossyWay;
let served: ServedApp;
/** Beside it, on the same store: its time passes twenty times as fast, so that it loses patience soon. */
let hasty: ServedApp;
let admin: string;
let viewer: string;

beforeAll(async () => {
  postgres = await postgresServer();
  way = new LossyWay(postgres.port);
  const port = await way.listen();
  const store = (await postgres.newStore()).replace(`:${postgres.port}/`, `:${port}/`);
  served = await servedApp({ db: async () => undefined }, { store });
  hasty = await servedApp({ db: async () => undefined }, { store, clock: fast });
  [admin, viewer] = [await served.token('ada', 'admin'), await served.token('vera', 'viewer')];
});
afterEach(() => way.open());
afterAll(async () => {
  await hasty.close();
  await served.close();
  await way.close();
  await postgres.close();
});

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

function post(to: ServedApp, path: string, token: string, value: unknown): Promise<Answer> {
  const body = JSON.stringify(value);
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const options = { method: 'POST', ca: to.ca, headers, agent: false as const };
  return new Promise((resolve, reject) => {
    request(new URL(path, to.url()), options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body: text });
      });
    })
      .on('error', reject)
      .end(body);
  });
}

const setTeam = (name: string, token = admin, to = served) =>
  post(to, '/v1/teams', token, { name, weight: 1, mostJobs: 1, mostHosts: 0 });

/** What the log says about a team, and whether it is there. */
async function known(name: string) {
  const entries = await served.app.auditLogs.entries({ since: 0, who: '', jobId: '', host: '', limit: 1000 });
  const told = entries.filter(({ what, subject }) => what === 'set-team' && subject === name);
  const teams = await served.app.teams.list();
  expect((await served.app.auditLogs.verify()).problems).toEqual([]);
  return {
    isThere: teams.some((team) => team.name === name),
    told: told.map(({ failure }) => failure?.code ?? 'asked'),
  };
}

it('does what was asked for while PostgreSQL restarted, once', async () => {
  await postgres.stop('fast');
  const asked = setTeam('restarted');
  await postgres.start();
  expect(await asked).toMatchObject({ status: 200 });
  expect(await known('restarted')).toEqual({ isThere: true, told: ['asked'] });
});

it('refuses with 503 what was asked for while PostgreSQL stayed away, and has not done it', async () => {
  await postgres.stop('immediate');
  const answers = await Promise.all([
    setTeam('away1', admin, hasty),
    setTeam('away2', admin, hasty),
    setTeam('away3', viewer, hasty),
  ]);
  await postgres.start();
  for (const answer of answers) {
    expect(answer).toMatchObject({ status: 503, retryAfter: '5' });
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'unreachable' } });
  }
  for (const name of ['away1', 'away2', 'away3']) expect(await known(name)).toEqual({ isThere: false, told: [] });
  expect(await setTeam('away1')).toMatchObject({ status: 200 });
});

it('does what was asked for by somebody who was known, when the log could be written a moment later', async () => {
  way.cutAt = 'update "audit_head"';
  const asked = setTeam('later');
  await cut();
  way.open();
  expect(await asked).toMatchObject({ status: 200 });
  expect(await known('later')).toEqual({ isThere: true, told: ['asked'] });
});

it('refuses him with 503, and has not done it, when the log cannot be written', async () => {
  way.cutAt = 'update "audit_head"';
  const answer = await setTeam('unwritten', admin, hasty);
  way.open();
  expect(answer).toMatchObject({ status: 503, retryAfter: '5' });
  expect(await known('unwritten')).toEqual({ isThere: false, told: [] });
});

it('writes down that it failed, once the store is back, when it went away between the log and the deed', async () => {
  way.cutAt = 'insert into "teams"';
  const asked = setTeam('between');
  await cut();
  way.open();
  expect(await asked).toMatchObject({ status: 503, retryAfter: '5' });
  expect(await known('between')).toEqual({ isThere: false, told: ['asked', 'unreachable'] });
});

it('says 503 when neither the deed nor that it failed could be written', async () => {
  way.cutAt = 'insert into "teams"';
  const answer = await setTeam('neither', admin, hasty);
  way.open();
  expect(answer).toMatchObject({ status: 503, retryAfter: '5' });
  expect(JSON.parse(answer.body).error.message).toContain('nor could that be written down');
  expect(await known('neither')).toEqual({ isThere: false, told: ['asked'] });
});

it('refuses who may not, also when that cannot be written down; its own log has it', async () => {
  way.cutAt = 'update "audit_head"';
  expect(await setTeam('forbidden', viewer, hasty)).toMatchObject({ status: 403 });
  way.open();
  expect(hasty.log).toContainEqual(expect.objectContaining({ event: 'unaudited', who: 'vera@server' }));
  expect(await known('forbidden')).toEqual({ isThere: false, told: [] });
  expect([...served.log, ...hasty.log].filter(({ event }) => event === 'defect')).toEqual([]);
});
