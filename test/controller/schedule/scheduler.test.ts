// What becomes of ticks, with a clock that the test sets and a real store; and schedules of a server over HTTPS.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Host, JobRequest } from '../../../controller/api.js';
import { type Clock, systemClock } from '../../../controller/clock.js';
import type { ScheduleDefinition } from '../../../controller/schedule/schedule.js';
import { decideDue, type SchedulerOptions } from '../../../controller/schedule/scheduler.js';
import { storedSchedules } from '../../../controller/schedule/stored-schedules.js';
import type { ControlStore } from '../../../controller/store/control-store.js';
import type { ScheduleStore } from '../../../controller/store/schedule-store.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlScheduleStore } from '../../../controller/store/sql-schedule-store.js';
import { openSqlite } from '../../../controller/store/sqlite-database.js';
import { fail, toFailure } from '../../../proto/failure.js';
import { STAT } from '../specs.js';
import { job as aJob } from '../store/control-store-contract.js';
import { type ServedApp, servedApp } from '../web/served-app.js';

const at = (text: string) => Date.parse(`2026-${text}Z`);
const iso = (time: number) => new Date(time).toISOString().slice(5, 19);
const hostsOf = (count: number): readonly Host[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `db${i}`,
    labels: { role: 'db' },
    address: { transport: 'local' },
  }));

describe('a scheduler', () => {
  let directory: string;
  let database: SqlDatabase;
  let store: ScheduleStore;
  let control: ControlStore;
  let now: number;
  let hosts: readonly Host[];
  let requests: JobRequest[];
  let cancelled: string[];
  let log: string[];
  let refusal: Awaited<ReturnType<SchedulerOptions['refusalOf']>>;
  const clock: Clock = { ...systemClock, now: () => now };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'perftrawl-scheduler-'));
    database = openSqlite(join(directory, 'perftrawl.db'), 1);
    [store, control] = [sqlScheduleStore(database), sqlControlStore(database)];
    now = at('11-27T10:00:00');
    [hosts, requests, cancelled, log, refusal] = [hostsOf(4), [], [], [], undefined];
  });
  afterEach(async () => {
    await database.close();
    await rm(directory, { recursive: true });
  });

  const options = (): SchedulerOptions => ({
    ...{ store, control, clock, hosts: () => hosts, refusalOf: async () => refusal },
    newJob(request) {
      requests.push(request);
      const id = `j${requests.length}`;
      return { job: { ...aJob(id), request, state: 'queued', created: now, started: 0, owner: '' }, runs: [] };
    },
    cancel: (id) => void cancelled.push(id),
    fireWatches: () => undefined,
    log: (text) => void log.push(text),
  });
  const schedules = () =>
    storedSchedules({
      ...{ store, now: () => now, hosts: () => hosts, check: () => undefined },
      submit: () => Promise.reject(fail('internal', 'nothing is submitted')),
      submitted: async () => undefined,
    });
  const add = (more: Partial<ScheduleDefinition> = {}) =>
    schedules().add(
      {
        ...{
          name: 's',
          timing: { kind: 'cron', pattern: '*/10 * * * *' },
          timeZone: 'UTC',
          windows: [],
          blackouts: [],
        },
        ...{ jitter: 0, overlap: 'allow', missed: 'skip', tolerance: 60_000, retention: {} },
        job: { spec: STAT, selectorText: 'role=db', maxParallel: 2, grace: 1000, note: '' },
        ...more,
      },
      'alice@server',
    );
  const ticks = async () =>
    (await store.ticks('s', 100)).map(({ due, state, reason, jobId, count }) => [
      iso(due),
      state,
      jobId,
      reason,
      count,
    ]);
  const advance = async (text: string) => {
    now = at(text);
    await decideDue(options());
  };

  it('fires each tick once, with the hosts that there are then', async () => {
    await add();
    await advance('11-27T10:09:59');
    expect(requests).toEqual([]);
    await advance('11-27T10:10:00');
    hosts = hostsOf(6);
    await advance('11-27T10:10:01');
    await advance('11-27T10:20:30');
    expect(await ticks()).toEqual([
      ['11-27T10:20:00', 'fired', 'j2', '', 1],
      ['11-27T10:10:00', 'fired', 'j1', '', 1],
    ]);
    expect(requests.map((request) => request.hosts.length)).toEqual([4, 6]);
    expect(requests[0]).toMatchObject({
      ...{ requester: 'alice@server', schedule: { name: 's', due: at('11-27T10:10:00') }, selectorText: 'role=db' },
    });
    expect(await control.jobs({ limit: 9, schedule: 's' })).toHaveLength(2);
  });

  it.each([
    ['skip', [], 3],
    ['once', [['11-27T10:30:00', 'fired', 'j1', 'made up for', 1]], 2],
    [
      'all',
      [
        ['11-27T10:30:00', 'fired', 'j3', 'made up for', 1],
        ['11-27T10:20:00', 'fired', 'j2', 'made up for', 1],
        ['11-27T10:10:00', 'fired', 'j1', 'made up for', 1],
      ],
      0,
    ],
  ] as const)('that was away for a while does with missed ticks as it is told: %s', async (missed, fired, left) => {
    await add({ missed });
    await advance('11-27T10:35:00');
    const reason = 'no server decided on them in time';
    expect(await ticks()).toEqual([...fired, ...(left === 0 ? [] : [['11-27T10:10:00', 'missed', '', reason, left]])]);
    await advance('11-27T10:40:00');
    expect((await ticks())[0].slice(0, 2)).toEqual(['11-27T10:40:00', 'fired']);
  });

  it('skips a tick while the job before has not ended, or lets it wait, or ends that job, or does not care', async () => {
    await add({ overlap: 'skip' });
    await advance('11-27T10:10:00');
    await advance('11-27T10:20:00');
    expect((await ticks())[0]).toEqual(['11-27T10:20:00', 'skipped', '', 'job j1 has not ended', 1]);
    expect(requests[0].schedule).toMatchObject({ isSerial: true });
    await control.claimJob('j1', '', 'me', now);
    await control.finishJob('j1', 'me', 'succeeded', now);
    await advance('11-27T10:30:00');
    expect((await ticks())[0].slice(0, 3)).toEqual(['11-27T10:30:00', 'fired', 'j2']);

    await store.remove('s');
    await add({ overlap: 'cancel' });
    await advance('11-27T10:40:00');
    expect(cancelled).toEqual(['j2']);
    expect(requests[2].schedule).toMatchObject({ isSerial: true });

    await store.remove('s');
    await add({ overlap: 'queue' });
    await advance('11-27T10:50:00');
    expect([(await ticks())[0][1], requests[3].schedule?.isSerial, cancelled]).toEqual(['fired', true, ['j2']]);

    await store.remove('s');
    await add({ overlap: 'allow' });
    await advance('11-27T11:00:00');
    expect([(await ticks())[0][1], requests[4].schedule?.isSerial]).toEqual(['fired', undefined]);
  });

  it('starts jobs later by chance, the same chance on every server, within bounds', async () => {
    await add({ jitter: 300_000 });
    for (const time of ['10:10', '10:20', '10:30', '10:40']) await advance(`11-27T${time}:00`);
    const delays = requests.map(({ notBefore = 0, schedule }) => notBefore - (schedule?.due ?? 0));
    for (const delay of delays) expect(delay >= 0 && delay < 300_000).toBe(true);
    expect(new Set(delays).size).toBe(4);
    const first = requests[0];
    await store.remove('s');
    now = at('11-27T10:00:00');
    await add({ jitter: 300_000 });
    await advance('11-27T10:10:00');
    expect(requests[4].notBefore).toBe(first.notBefore);
  });

  it('draws other hosts at each tick', async () => {
    hosts = hostsOf(50);
    const job = { spec: STAT, selectorText: '', maxParallel: 2, grace: 1000, note: '' };
    await add({ job: { ...job, sample: { size: { kind: 'hosts', hosts: 5 } } } });
    for (const time of ['10:10', '10:20', '10:30']) await advance(`11-27T${time}:00`);
    const drawn = requests.map((request) => request.hosts.map(({ name }) => name).join());
    expect(new Set(drawn).size).toBe(3);
    expect(requests.map((request) => [request.hosts.length, request.sample?.of])).toEqual([
      [5, 50],
      [5, 50],
      [5, 50],
    ]);
  });

  it('goes on when no host matches, or whoever asked may ask no more, and says so', async () => {
    await add();
    hosts = [];
    await advance('11-27T10:10:00');
    hosts = hostsOf(1);
    refusal = { code: 'untrusted', message: 'the user alice was revoked', remedy: '' };
    await advance('11-27T10:20:00');
    refusal = undefined;
    await advance('11-27T10:30:00');
    expect((await ticks()).map(([, state, , reason]) => [state, reason])).toEqual([
      ['fired', ''],
      ['failed', 'the user alice was revoked'],
      ['failed', "no host matches 'role=db'"],
    ]);
  });

  it('is held up by no schedule that cannot be read', async () => {
    await add();
    await add({ name: 'broken' });
    await store.add({
      ...(await schedules().get('broken')),
      definition: { ...(await schedules().get('s')).definition, name: 'worse', timeZone: 'Mars/Olympus' },
    });
    await advance('11-27T10:10:00');
    expect(requests).toHaveLength(2);
    expect(log).toEqual(["schedule worse: 'Mars/Olympus' is no time zone"]);
  });

  it('does nothing while a schedule is paused, makes up for nothing after, and ends it', async () => {
    await add({ missed: 'all', until: at('11-27T10:45:00') });
    await schedules().pause('s');
    expect(await schedules().next('s', 5)).toEqual([]);
    await advance('11-27T10:25:00');
    expect((await schedules().resume('s')).nextDue).toBe(at('11-27T10:30:00'));
    expect((await schedules().next('s', 5)).map(iso)).toEqual(['11-27T10:30:00', '11-27T10:40:00']);
    await advance('11-27T10:30:00');
    await advance('11-27T10:40:00');
    expect((await ticks()).map(([due]) => due)).toEqual(['11-27T10:40:00', '11-27T10:30:00']);
    expect((await schedules().get('s')).state).toBe('ended');
    await expect(schedules().resume('s')).rejects.toThrow('never due again');
  });

  it('fires at the right moments over both changes of the clock', async () => {
    const timing = { kind: 'cron', pattern: '30 2 * * *' } as const;
    now = at('03-28T00:00:00');
    await add({ timing, timeZone: 'Europe/Berlin' });
    for (let time = at('03-28T00:00:00'); time < at('03-31T00:00:00'); time += 15 * 60_000)
      await advance(new Date(time).toISOString().slice(5, 19));
    expect((await ticks()).map(([due]) => due)).toEqual(['03-30T00:30:00', '03-29T01:00:00', '03-28T01:30:00']);
    await store.remove('s');
    now = at('10-24T00:00:00');
    await add({ timing, timeZone: 'Europe/Berlin' });
    for (let time = at('10-24T00:00:00'); time < at('10-27T00:00:00'); time += 15 * 60_000)
      await advance(new Date(time).toISOString().slice(5, 19));
    expect((await ticks()).map(([due]) => due)).toEqual(['10-26T01:30:00', '10-25T00:30:00', '10-24T00:30:00']);
  });

  it('takes no schedule that cannot be', async () => {
    const codeOf = (more: Partial<ScheduleDefinition>) =>
      add(more).then(
        () => 'none',
        (error: unknown) => toFailure(error).code,
      );
    expect(await codeOf({ name: '../x' })).toBe('bad-request');
    expect(await codeOf({ timing: { kind: 'cron', pattern: '0 0 31 2 *' } })).toBe('bad-request');
    expect(await codeOf({ windows: ['mon-sun'], blackouts: ['mon-sun'] })).toBe('bad-request');
    expect(await codeOf({ until: now - 1 })).toBe('bad-request');
    expect(await codeOf({ jitter: Number.NaN })).toBe('bad-request');
    expect(await codeOf({ retention: { count: 0 } })).toBe('bad-request');
    expect(await codeOf({ retention: { hoursAfter: 10, daysAfter: 5 } })).toBe('bad-request');
    expect(await codeOf({ timing: { kind: 'alert', match: {}, hostLabel: 'instance', coolDown: 0 } })).toBe(
      'bad-request',
    );
    hosts = [];
    expect(await codeOf({})).toBe('not-found');
    hosts = hostsOf(1);
    expect([await codeOf({}), await codeOf({})]).toEqual(['none', 'conflict']);
  });
});

describe('schedules of a server', () => {
  let served: ServedApp;
  afterEach(() => served.close());

  it('run by themselves, in the name of who added them, until he is revoked', async () => {
    served = await servedApp({
      web1: async ({ emit }) => emit({ kind: 'done', outcome: 'finished', commandLines: [] }),
    });
    const alice = await served.remote(await served.token('alice', 'operator'));
    const job = { spec: STAT, selectorText: '', maxParallel: 1, grace: 2000, note: 'by itself' };
    const definition: ScheduleDefinition = {
      ...{ name: 'often', timing: { kind: 'every', every: 1000, from: Date.now() }, timeZone: 'UTC', windows: [] },
      ...{ blackouts: [], jitter: 0, overlap: 'allow', missed: 'skip', tolerance: 60_000, retention: {}, job },
    };
    const viewer = await served.remote(await served.token('eve', 'viewer'));
    await expect(viewer.schedules.add(definition, 'eve')).rejects.toThrow(/operator/);
    expect(await alice.schedules.add(definition, 'somebody else')).toMatchObject({ requester: 'alice@server' });
    await expect(alice.schedules.add(definition, '')).rejects.toThrow(/there is a schedule often already/);
    await vi.waitFor(async () => expect(await alice.jobs({ schedule: 'often', limit: 9 })).toHaveLength(2), 30_000);
    const [first] = (await alice.jobs({ schedule: 'often', limit: 9 })).toReversed();
    expect(first.request).toMatchObject({ requester: 'alice@server', note: 'by itself', team: 'default' });
    const now = await alice.job(await alice.schedules.runNow('often', 'nobody'));
    expect(now.request.schedule).toMatchObject({ name: 'often', cause: 'asked for by alice@server' });
    const history = await viewer.schedules.history('often', 50);
    expect(history.filter(({ state }) => state === 'fired').length).toBeGreaterThanOrEqual(3);
    await served.app.users.revoke('alice');
    await vi.waitFor(async () => {
      expect((await viewer.schedules.history('often', 1))[0]).toMatchObject({
        state: 'failed',
        reason: expect.stringContaining('revoked'),
      });
    }, 30_000);
    expect((await served.app.schedules.pause('often')).state).toBe('paused');
    const acts = [];
    for await (const entry of served.app.audit.entries(0)) acts.push(`${entry.who} ${entry.what}`);
    expect(acts).toContain('alice@server add-schedule');
    expect(acts).toContain('alice@server run-schedule');
  });
});
