// What every JobQueueStore must do.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextTurn } from '../../../controller/jobs/queue-policy.js';
import type { ControlStore } from '../../../controller/store/control-store.js';
import type { JobQueueStore, QueueState } from '../../../controller/store/job-queue-store.js';
import { job } from './control-store-contract.js';

export function jobQueueContract(
  name: string,
  open: () => Promise<{ store: { control: ControlStore; queue: JobQueueStore }; close(): Promise<void> }>,
): void {
  describe(`job queue ${name}`, () => {
    let control: ControlStore;
    let queue: JobQueueStore;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({
        store: { control, queue },
        close,
      } = await open());
    });
    afterEach(() => close());

    const add = (id: string, created: number, more: object = {}) =>
      control.createJob(
        { ...job(id), state: 'queued', created, started: 0, owner: '', request: { ...job(id).request, ...more } },
        [],
      );
    const next = (state: QueueState) => nextTurn(state, { mostHosts: 0 }, 100);

    it('tells what waits and what runs', async () => {
      await add('a', 10, { priority: 'high', team: 'db', notBefore: 40 });
      await add('b', 20, { schedule: { name: 'nightly', due: 20, isSerial: true } });
      await control.createJob(job('r'), []);
      await control.requestCancel('b');
      const state = await queue.state();
      const rest = { hosts: 1, serial: '' };
      expect(state.queued.toSorted((x, y) => (x.id < y.id ? -1 : 1))).toEqual([
        { ...rest, id: 'a', team: 'db', priority: 'high', created: 10, notBefore: 40, isCancelRequested: false },
        {
          ...{
            ...rest,
            id: 'b',
            team: 'default',
            priority: 'normal',
            created: 20,
            notBefore: 0,
            serial: 'schedule nightly',
          },
          isCancelRequested: true,
        },
      ]);
      expect(state.running).toEqual([{ ...rest, team: 'default' }]);
      expect([state.teams, state.virtual]).toEqual([[], 0]);
    });

    it('gives each job to one of those who ask, and charges its team', async () => {
      for (let i = 0; i < 10; i++) await add(`j${i}`, i, { team: i % 2 === 0 ? 'even' : 'odd' });
      const taken = await Promise.all(Array.from({ length: 14 }, (_, i) => queue.take(`o${i}`, 200, next)));
      expect(taken.filter((id) => id !== undefined).toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => `j${i}`));
      expect(taken.filter((id) => id === undefined)).toHaveLength(4);
      for (const [i, id] of taken.entries()) {
        if (id !== undefined)
          expect(await control.job(id)).toMatchObject({ state: 'running', owner: `o${i}`, started: 200 });
      }
      const { teams, virtual } = await queue.state();
      expect(teams.map(({ name, pass }) => [name, pass])).toEqual([
        ['even', 5],
        ['odd', 5],
      ]);
      expect(virtual).toBe(4);
    });

    it('takes nothing where nothing is chosen, or what is chosen is gone', async () => {
      await add('a', 1);
      expect(await queue.take('me', 5, () => undefined)).toBeUndefined();
      expect(await queue.take('me', 5, () => ({ id: 'gone', team: 'x', pass: 9, virtual: 9 }))).toBeUndefined();
      expect(await control.job('a')).toMatchObject({ state: 'queued', owner: '' });
      expect((await queue.state()).teams).toEqual([]);
    });

    it('keeps quotas, and what a team has paid', async () => {
      await queue.setTeam({ name: 'db', weight: 2, mostJobs: 3, mostHosts: 500 });
      await add('a', 1, { team: 'db' });
      expect(await queue.take('me', 5, next)).toBe('a');
      await queue.setTeam({ name: 'db', weight: 4, mostJobs: 0, mostHosts: 1 });
      expect((await queue.state()).teams).toEqual([{ name: 'db', weight: 4, mostJobs: 0, mostHosts: 1, pass: 0.5 }]);
      expect(await queue.resetTeam('db')).toBe(true);
      expect(await queue.resetTeam('db')).toBe(false);
      expect(await queue.resetTeam('none')).toBe(false);
      expect(await queue.teams()).toEqual([{ name: 'db', weight: 1, mostJobs: 0, mostHosts: 0 }]);
    });
  });
}
