// What is kept of old results: merged to the unit, deleted by count, age and size, and whole whenever a server dies in between.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostRun } from '../../../controller/api.js';
import { type Clock, systemClock } from '../../../controller/clock.js';
import { findStored } from '../../../controller/jobs/job-run.js';
import { mergeJobs } from '../../../controller/schedule/merged-job.js';
import { keepWhatIsToBeKept, type RetentionOptions } from '../../../controller/schedule/retention.js';
import type { Retention } from '../../../controller/schedule/schedule.js';
import type { ControlStore } from '../../../controller/store/control-store.js';
import type { SampleStore } from '../../../controller/store/sample-store.js';
import type { ScheduleStore } from '../../../controller/store/schedule-store.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import { sqlScheduleStore } from '../../../controller/store/sql-schedule-store.js';
import { openSqlite } from '../../../controller/store/sqlite-database.js';
import { foldedStacks } from '../../../profile/folded.js';
import { mergeProfiles } from '../../../profile/merge.js';
import type { Profile } from '../../../profile/profile.js';
import { DEFAULT_DECODE_LIMITS, encodeProfile } from '../../../proto/profile-codec.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { RECORD } from '../specs.js';
import { job as aJob, run as aRun } from '../store/control-store-contract.js';
import { aSchedule } from '../store/schedule-store-contract.js';

const at = (text: string) => Date.parse(`2026-11-${text}Z`);
const never = new AbortController().signal;

let directory: string;
let database: SqlDatabase;
let store: ScheduleStore;
let control: ControlStore;
let samples: SampleStore;
let now: number;
let log: string[];
const clock: Clock = { ...systemClock, now: () => now };

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-retention-'));
  database = openSqlite(join(directory, 'perftrawl.db'), 1);
  [store, control, samples] = [sqlScheduleStore(database), sqlControlStore(database), sqlSampleStore(database)];
  [now, log] = [at('27T12:00:00'), []];
});
afterEach(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

function options(more: Partial<RetentionOptions> = {}): RetentionOptions {
  return {
    ...{ store, control, samples, clock, owner: 'me', log: (text) => void log.push(text) },
    audit: { append: async () => undefined },
    merge: mergeJobs({ control, samples, decode: DEFAULT_DECODE_LIMITS, log: (text) => void log.push(text) }),
    async deleteJob(id) {
      await samples.deleteJob(id);
      await control.deleteJob(id);
    },
    ...more,
  };
}

const keep = (more: Partial<RetentionOptions> = {}) => keepWhatIsToBeKept(options(more), never);

async function schedule(retention: Retention, name = 's'): Promise<void> {
  const { definition, ...rest } = aSchedule(name);
  await store.add({ ...rest, definition: { ...definition, retention, timeZone: 'Europe/Berlin' } });
}

/** A job of the schedule that has succeeded on these hosts, with what each counted. */
async function made(
  id: string,
  created: number,
  profiles: Readonly<Record<string, string>>,
  spec = RECORD,
): Promise<void> {
  const hosts = Object.keys(profiles).map((name) => ({ name, labels: {}, address: { transport: 'local' } as const }));
  const runs = hosts.map(({ name }): HostRun => {
    const cost = { toolCpu: 10, agentCpu: 5, peakMemoryBytes: 100, recordedBytes: 7, spooledBytes: 3, wall: 1000 };
    const progress = { elapsed: 1000, samples: 1, bytes: 1, lost: 0 };
    return { ...aRun(id, name), state: 'succeeded', started: created, ended: created + 900, cost, progress };
  });
  const request = { ...aJob(id).request, spec, hosts, schedule: { name: 's', due: created } };
  await control.createJob(
    { ...aJob(id), request, state: 'succeeded', created, started: created, ended: created + 1000, owner: '' },
    runs,
  );
  for (const [host, drawn] of Object.entries(profiles)) await put(id, host, drawProfile(drawn));
  await put(id, undefined, mergeProfiles(Object.values(profiles).map((drawn) => drawProfile(drawn))));
}

async function put(jobId: string, host: string | undefined, profile: Profile): Promise<void> {
  await samples.put(
    { jobId, host },
    { chunks: [...encodeProfile(profile)], series: undefined, histograms: undefined, text: [] },
  );
}

async function stacks(jobId: string, host?: string): Promise<string[]> {
  const profile = await findStored(samples, jobId, host, DEFAULT_DECODE_LIMITS);
  return profile === undefined
    ? []
    : [...foldedStacks(profile)].map(({ stack, weight }) => `${stack.replace(/^app;/, '')} ${weight}`).toSorted();
}

const jobs = async () => (await control.jobs({ limit: 100, schedule: 's' })).toReversed();

describe('tiers', () => {
  beforeEach(async () => {
    await made('a', at('27T08:10:00'), { web1: 'main;read 3', web2: 'main;write 1' });
    await made('b', at('27T08:50:00'), { web1: 'main;read 4', web3: 'main;idle 7' });
    await made('c', at('27T09:30:00'), { web1: 'main;read 5' });
    await made('d', at('27T11:30:00'), { web1: 'main;read 6' });
  });

  it('merge what is old enough into hours, host by host, to the unit', async () => {
    await schedule({ hoursAfter: 2 * 3_600_000 });
    await keep();
    const [hour, ...rest] = await jobs();
    expect(rest.map(({ id }) => id)).toEqual(['c', 'd']);
    expect(hour).toMatchObject({
      ...{ state: 'succeeded', created: at('27T08:10:00'), ended: at('27T08:50:01') },
      request: { merged: { tier: 'hour', from: at('27T08:10:00'), to: at('27T08:50:00'), jobs: ['a', 'b'] } },
    });
    expect(await stacks(hour.id, 'web1')).toEqual(['main;read 7']);
    expect(await stacks(hour.id, 'web2')).toEqual(['main;write 1']);
    expect(await stacks(hour.id)).toEqual(['main;idle 7', 'main;read 7', 'main;write 1']);
    const runs = await control.hostRuns(hour.id);
    expect(
      runs.map(({ host, progress, cost }) => [host, progress.elapsed, cost?.toolCpu, cost?.peakMemoryBytes]),
    ).toEqual([
      ['web1', 2000, 20, 100],
      ['web2', 1000, 10, 100],
      ['web3', 1000, 10, 100],
    ]);
    expect(await stacks('a')).toEqual([]);
    await keep();
    expect((await jobs()).map(({ id }) => id)).toEqual([hour.id, 'c', 'd']);
  });

  it('merge hours into days of the time zone', async () => {
    await schedule({ hoursAfter: 3_600_000, daysAfter: 86_400_000 });
    await keep();
    now = at('28T11:00:00');
    await made('e', at('28T10:30:00'), { web1: 'main;read 9' });
    await keep();
    // Midnight in Berlin is 23:00 UTC: a day after it, the 27th is over since 23:00 of the 28th.
    expect((await jobs()).map(({ request }) => request.merged?.tier)).toEqual([
      'hour',
      undefined,
      undefined,
      undefined,
    ]);
    now = at('28T23:30:00');
    await keep();
    const [day, ...rest] = await jobs();
    expect([day.request.merged?.tier, rest.map(({ id }) => id)]).toEqual(['day', ['e']]);
    expect(await stacks(day.id)).toEqual(['main;idle 7', 'main;read 18', 'main;write 1']);
  });

  it('lose and double nothing when a server dies at any point', async () => {
    await schedule({ hoursAfter: 3_600_000 });
    const total = ['main;idle 7', 'main;read 7', 'main;write 1'];
    const dying = async (more: Partial<RetentionOptions>) => keep(more);
    const dies = () => Promise.reject(new Error('killed'));
    await dying({
      merge: mergeJobs({
        samples,
        decode: DEFAULT_DECODE_LIMITS,
        log: () => undefined,
        control: { ...control, createJob: dies },
      }),
    });
    expect((await jobs()).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd']);
    await dying({ deleteJob: dies });
    expect((await jobs()).map(({ id }) => id)).toHaveLength(5);
    let left = 1;
    await dying({ deleteJob: async (id) => (left-- > 0 ? options().deleteJob(id) : dies()) });
    await keep();
    const [hour, ...rest] = await jobs();
    expect(rest.map(({ id }) => id)).toEqual(['c', 'd']);
    expect(await stacks(hour.id)).toEqual(total);
    expect(log.filter((line) => line.includes('killed'))).toHaveLength(3);
  });

  it('leave alone what was captured otherwise', async () => {
    await made('x', at('27T08:20:00'), { web1: 'main;read 1' }, { ...RECORD, duration: 77_000 });
    await schedule({ hoursAfter: 3_600_000 });
    await keep();
    expect((await jobs()).map(({ id, request }) => request.merged?.jobs ?? id)).toEqual([['a', 'b'], 'x', 'c', 'd']);
  });

  it('are looked after by one server at a time', async () => {
    await schedule({ hoursAfter: 3_600_000 });
    await store.lease('retention of s', 'other', now, now + 1000);
    await keep();
    expect(await jobs()).toHaveLength(4);
    now += 2000;
    await keep();
    expect(await jobs()).toHaveLength(3);
  });
});

describe('bounds', () => {
  it.each([
    ['count', { count: 2 }, ['c', 'd']],
    ['age', { age: 3_600_000 }, ['d']],
    ['size', { bytes: 1 }, []],
    ['none that is reached', { count: 9, bytes: 1e9, age: 1e9 }, ['a', 'b', 'c', 'd']],
  ] as const)('by %s delete the oldest', async (_what, retention, left) => {
    for (const [i, id] of ['a', 'b', 'c', 'd'].entries())
      await made(id, at(`27T${String(8 + i).padStart(2, '0')}:30:00`), { web1: 'main 1' });
    await control.createJob({ ...aJob('other'), created: at('01T00:00:00'), state: 'succeeded', owner: '' }, []);
    const running = { ...aJob('running'), created: at('01T00:00:00') };
    await control.createJob({ ...running, request: { ...running.request, schedule: { name: 's', due: 1 } } }, []);
    await schedule(retention);
    await keep();
    expect((await jobs()).map(({ id }) => id).filter((id) => id !== 'running')).toEqual(left);
    expect((await control.job('running'))?.state).toBe('running');
    expect(await control.job('other')).toBeDefined();
  });
});
