// What every ScheduleStore must do.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Schedule, Tick } from '../../../controller/schedule/schedule.js';
import type { ControlStore } from '../../../controller/store/control-store.js';
import type { ScheduleStore } from '../../../controller/store/schedule-store.js';
import { STAT } from '../specs.js';
import { job, run } from './control-store-contract.js';

export function aSchedule(name: string, more: Partial<Schedule> = {}): Schedule {
  return {
    definition: {
      ...{
        name,
        timing: { kind: 'cron', pattern: '0 3 * * *' },
        timeZone: 'Europe/Berlin',
        windows: [],
        blackouts: [],
      },
      ...{ jitter: 0, overlap: 'skip', missed: 'skip', tolerance: 1000, retention: { count: 3 } },
      job: { spec: STAT, selectorText: 'role=db', maxParallel: 2, grace: 1000, note: "it's" },
    },
    ...{ state: 'active', requester: 'ölaf', created: 5, nextDue: 100, ...more },
  };
}

function aTick(due: number, more: Partial<Tick> = {}): Tick {
  return { schedule: 's', due, last: due, count: 1, state: 'fired', reason: '', jobId: '', decided: due, ...more };
}

type Stores = readonly { readonly control: ControlStore; readonly schedules: ScheduleStore }[];

export function scheduleStoreContract(
  name: string,
  openTwice: () => Promise<{ stores: Stores; close(): Promise<void> }>,
): void {
  describe(`schedule store ${name}`, () => {
    let stores: Stores;
    let store: ScheduleStore;
    let control: ControlStore;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ stores, close } = await openTwice());
      ({ control, schedules: store } = stores[0]);
    });
    afterEach(() => close());

    it('gives back schedules as they were written, by name, each name once', async () => {
      expect(await store.add(aSchedule('b'))).toBe(true);
      expect(await store.add(aSchedule('a'))).toBe(true);
      expect(await store.add(aSchedule('b', { requester: 'eve' }))).toBe(false);
      expect(await store.list()).toEqual([aSchedule('a'), aSchedule('b')]);
      expect(await store.byName('b')).toEqual(aSchedule('b'));
      expect(await store.byName('c')).toBeUndefined();
      expect(await store.setState('b', 'paused', 0)).toBe(true);
      expect(await store.byName('b')).toEqual(aSchedule('b', { state: 'paused', nextDue: 0 }));
      expect(await store.setState('c', 'paused', 0)).toBe(false);
      expect([await store.remove('b'), await store.remove('b')]).toEqual([true, false]);
    });

    it('finds what is due: active, at its time, the longest first', async () => {
      await store.add(aSchedule('later', { nextDue: 201 }));
      await store.add(aSchedule('second', { nextDue: 200 }));
      await store.add(aSchedule('first', { nextDue: 100 }));
      await store.add(aSchedule('paused', { state: 'paused', nextDue: 50 }));
      await store.add(aSchedule('alert', { nextDue: 0 }));
      expect((await store.due(200)).map(({ definition }) => definition.name)).toEqual(['first', 'second']);
    });

    it('lets one of several decide on a tick, with the jobs that come of it', async () => {
      await store.add(aSchedule('s'));
      const decisions = stores.flatMap(({ schedules }, i) =>
        ['x', 'y'].map((which) => {
          const id = `${which}${i}`;
          const made = { job: { ...job(id), state: 'queued' as const, owner: '', started: 0 }, runs: [run(id, 'db')] };
          return schedules.decide({ name: 's', due: 100, next: 200, ticks: [aTick(100, { jobId: id })], jobs: [made] });
        }),
      );
      const done = await Promise.all(decisions);
      expect(done.filter(Boolean)).toHaveLength(1);
      const jobs = await control.jobs({ limit: 10 });
      expect(jobs).toHaveLength(1);
      expect(await store.ticks('s', 10)).toEqual([aTick(100, { jobId: jobs[0].id })]);
      expect(await control.hostRuns(jobs[0].id)).toHaveLength(1);
      expect((await store.byName('s'))?.nextDue).toBe(200);
    });

    it('writes all of a decision or nothing', async () => {
      await store.add(aSchedule('s'));
      await control.createJob(job('taken'), []);
      const jobs = ['new', 'taken'].map((id) => ({ job: job(id), runs: [] }));
      await expect(store.decide({ name: 's', due: 100, next: 200, ticks: [aTick(100)], jobs })).rejects.toThrow(
        /taken/,
      );
      expect([await control.job('new'), await store.ticks('s', 9)]).toEqual([undefined, []]);
      expect((await store.byName('s'))?.nextDue).toBe(100);
    });

    it('ends what is never due again, and decides on nothing that is paused, gone or was decided', async () => {
      await store.add(aSchedule('s'));
      const decision = { name: 's', due: 100, next: 0, ticks: [], jobs: [] };
      expect(await store.decide(decision)).toBe(true);
      expect(await store.byName('s')).toMatchObject({ state: 'ended', nextDue: 0 });
      expect(await store.decide(decision)).toBe(false);
      await store.add(aSchedule('p', { state: 'paused' }));
      expect(await store.decide({ ...decision, name: 'p' })).toBe(false);
      expect(await store.decide({ ...decision, name: 'none' })).toBe(false);
    });

    it('keeps ticks besides the calendar, each time once, the newest first, and forgets old ones', async () => {
      await store.add(aSchedule('s'));
      expect(await store.addTick(aTick(10), [])).toBe(true);
      expect(await store.addTick(aTick(20, { state: 'missed', count: 5, last: 25, reason: 'r' }), [])).toBe(true);
      expect(await store.addTick(aTick(20), [{ job: job('no'), runs: [] }])).toBe(false);
      expect(await control.job('no')).toBeUndefined();
      expect((await store.ticks('s', 9)).map(({ due }) => due)).toEqual([20, 10]);
      expect((await store.ticks('s', 1))[0]).toMatchObject({ count: 5, last: 25, state: 'missed', reason: 'r' });
      await store.forgetTicks('s', 20);
      expect((await store.ticks('s', 9)).map(({ due }) => due)).toEqual([20]);
      await store.remove('s');
      expect(await store.ticks('s', 9)).toEqual([]);
    });

    it('leases something to one at a time', async () => {
      const asks = stores.flatMap(({ schedules }, i) =>
        ['a', 'b'].map((who) => schedules.lease('w', `${who}${i}`, 10, 20)),
      );
      const given = await Promise.all(asks);
      expect(given.filter(Boolean)).toHaveLength(1);
      const owner = ['a0', 'b0', 'a1', 'b1'].slice(0, given.length)[given.indexOf(true)];
      expect(await store.lease('w', owner, 15, 40)).toBe(true);
      expect(await store.lease('w', 'other', 30, 50)).toBe(false);
      expect(await store.lease('w2', 'other', 30, 50)).toBe(true);
      expect(await store.lease('w', 'other', 41, 50)).toBe(true);
      expect(await store.lease('w', owner, 42, 60)).toBe(false);
    });
  });
}
