// What every ControlStore must do.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostRun, JobRequest } from '../../../controller/api.js';
import {
  type ControlStore,
  type EndedJobState,
  NEXT_STATES,
  type StoredJob,
  type StoredJobState,
} from '../../../controller/store/control-store.js';
import { toFailure } from '../../../proto/failure.js';

export function controlStoreContract(
  name: string,
  open: () => Promise<{ store: ControlStore; close(): Promise<void> }>,
): void {
  describe(`control store ${name}`, () => {
    let store: ControlStore;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ store, close } = await open());
    });
    afterEach(() => close());

    it('gives back jobs and host runs as they were written, hosts in order', async () => {
      await store.createJob(job('a1'), [run('a1', 'web'), run('a1', 'db')]);
      expect(await store.job('a1')).toEqual(stored('a1'));
      expect(await store.hostRuns('a1')).toEqual([run('a1', 'web'), run('a1', 'db')]);
      expect(await store.job('a2')).toBeUndefined();
      expect(await store.hostRuns('a2')).toEqual([]);
    });

    it('holds jobs of thousands of hosts', async () => {
      const runs = Array.from({ length: 7000 }, (_, i) => run('a1', `h${i}`));
      await store.createJob(job('a1'), runs);
      expect(await store.hostRuns('a1')).toEqual(runs);
    });

    it('takes an id once', async () => {
      await store.createJob(job('a1'), [run('a1', 'db')]);
      const again = store.createJob({ ...job('a1'), created: 9 }, [run('a1', 'other')]);
      expect(toFailure(await again.catch((error: unknown) => error))).toMatchObject({ code: 'conflict' });
      expect([await store.job('a1'), await store.hostRuns('a1')]).toEqual([stored('a1'), [run('a1', 'db')]]);
    });

    it('lists the newest first, by state too', async () => {
      for (const [id, created] of [
        ['a', 10],
        ['b', 30],
        ['c', 20],
      ] as const) {
        await store.createJob({ ...job(id), created }, []);
      }
      await store.finishJob('b', 'me', 'failed', 40);
      const ids = async (filter: Parameters<ControlStore['jobs']>[0]) => (await store.jobs(filter)).map(({ id }) => id);
      expect(await ids({ limit: 10 })).toEqual(['b', 'c', 'a']);
      expect(await ids({ limit: 2 })).toEqual(['b', 'c']);
      expect(await ids({ limit: 10, states: ['running'] })).toEqual(['c', 'a']);
      expect(await ids({ limit: 10, states: ['failed', 'partial'] })).toEqual(['b']);
    });

    it('lists the jobs of a span of time, and a long list in parts', async () => {
      for (const [id, created] of [
        ['a', 10],
        ['b', 20],
        ['c', 20],
        ['d', 30],
      ] as const) {
        await store.createJob({ ...job(id), created }, []);
      }
      const ids = async (filter: Parameters<ControlStore['jobs']>[0]) => (await store.jobs(filter)).map(({ id }) => id);
      expect(await ids({ limit: 10, since: 20 })).toEqual(['d', 'c', 'b']);
      expect(await ids({ limit: 10, until: 20 })).toEqual(['a']);
      expect(await ids({ limit: 10, since: 20, until: 30 })).toEqual(['c', 'b']);
      expect(await ids({ limit: 2, after: { id: 'c', created: 20 } })).toEqual(['b', 'a']);
      expect(await ids({ limit: 2, after: { id: 'd', created: 30 }, states: ['failed'] })).toEqual([]);
      expect(await ids({ limit: 2, after: { id: 'a', created: 10 } })).toEqual([]);
    });

    it('finds jobs by words, labels, hosts, times, teams, requesters and schedules, the newest first', async () => {
      const make = (id: string, created: number, more: Partial<JobRequest>, host = 'db') =>
        store.createJob({ ...job(id), created, request: { ...request, note: '', ...more } }, [run(id, host)]);
      await make('a', 10, {
        note: 'Nächtliche Page-Faults auf der Datenbank',
        labels: { ticket: 'OPS-1', 'a.b': 'x=y' },
      });
      await make('b', 20, { note: 'page cache', team: 'web', labels: { ticket: 'OPS-12' } }, 'web1');
      await make('c', 30, { requester: 'bob@ws', schedule: { name: 'nightly', due: 30 } });
      const ids = async (query: Omit<Parameters<ControlStore['jobs']>[0], 'limit'>) =>
        (await store.jobs({ limit: 10, ...query })).map(({ id }) => id);
      expect(await ids({ search: 'page' })).toEqual(['b', 'a']);
      expect(await ids({ search: 'PAGE fau' })).toEqual(['a']);
      expect(await ids({ search: 'nächt' })).toEqual(['a']);
      expect(await ids({ search: 'ops 12' })).toEqual(['b']);
      expect(await ids({ search: "%'; drop table jobs" })).toEqual([]);
      expect(await ids({ search: '  ' })).toEqual(['c', 'b', 'a']);
      expect(await ids({ labels: { ticket: 'OPS-1' } })).toEqual(['a']);
      expect(await ids({ labels: { ticket: 'OPS-1', 'a.b': 'x=y' } })).toEqual(['a']);
      expect(await ids({ labels: { ticket: 'OPS' } })).toEqual([]);
      expect(await ids({ team: 'web' })).toEqual(['b']);
      expect(await ids({ team: 'default' })).toEqual(['c', 'a']);
      expect(await ids({ requester: 'bob@ws' })).toEqual(['c']);
      expect(await ids({ schedule: 'nightly' })).toEqual(['c']);
      expect(await ids({ host: 'web1' })).toEqual(['b']);
      expect(await ids({ since: 20 })).toEqual(['c', 'b']);
      expect(await ids({ since: 10, until: 20 })).toEqual(['a']);
      expect(await ids({ after: { id: 'b', created: 20 }, search: 'page' })).toEqual(['a']);
      await store.deleteJob('a');
      expect(await ids({ search: 'page' })).toEqual(['b']);
    });

    it('lets a job take no step but those that are legal', async () => {
      const states = Object.keys(NEXT_STATES).filter((state): state is StoredJobState => state in NEXT_STATES);
      const ended = states.filter((state): state is EndedJobState => NEXT_STATES[state].length === 0);
      for (const from of states) {
        const owner = from === 'running' ? 'me' : '';
        const steps: Record<string, (id: string) => Promise<unknown>> = {
          queued: (id) => store.cancelAwaiting(id),
          running: (id) => store.claimJob(id, owner, 'you', 50),
          ...Object.fromEntries(ended.map((to) => [to, (id: string) => store.finishJob(id, owner, to, 60)])),
        };
        for (const [to, step] of Object.entries(steps)) {
          const id = `${from}-${to}`;
          await store.createJob({ ...job(id), state: from, owner }, []);
          await step(id);
          const isLegal = from === to || NEXT_STATES[from].some((next) => next === to);
          expect([id, (await store.job(id))?.state]).toEqual([id, isLegal ? to : from]);
        }
      }
    });

    it('says when a queued job began, once', async () => {
      await store.createJob({ ...job('q'), state: 'queued', started: 0, owner: '' }, []);
      await store.claimJob('q', '', 'me', 70);
      await store.claimJob('q', 'me', 'you', 90);
      expect(await store.job('q')).toMatchObject({ state: 'running', started: 70, owner: 'you' });
    });

    it('finds ids by their beginning', async () => {
      for (const id of ['ab1', 'ab2', 'ac1', 'b']) await store.createJob(job(id), []);
      expect(await store.idsWithPrefix('ab', 10)).toEqual(['ab1', 'ab2']);
      expect(await store.idsWithPrefix('a', 2)).toEqual(['ab1', 'ab2']);
      expect(await store.idsWithPrefix('%', 2)).toEqual([]);
    });

    it('lets one of several claim a job', async () => {
      await store.createJob(job('a1'), []);
      const claims = await Promise.all(['x', 'y', 'z'].map((owner) => store.claimJob('a1', 'me', owner, 50)));
      expect(claims.filter(Boolean)).toHaveLength(1);
      const winner = ['x', 'y', 'z'][claims.indexOf(true)];
      expect(await store.job('a1')).toMatchObject({ owner: winner });
      expect(await store.renewJob('a1', 'me')).toEqual({ ...asked, isOwner: false });
      expect(await store.renewJob('a1', winner)).toEqual(asked);
      // The same once more, because nobody knows whether it was done.
      expect(await store.claimJob('a1', 'me', winner, 60)).toBe(true);
    });

    it('tells the owner that the job was cancelled', async () => {
      await store.createJob(job('a1'), []);
      await store.requestCancel('a1');
      expect(await store.renewJob('a1', 'me')).toEqual({ ...asked, isCancelRequested: true });
      await store.requestStop('a1');
      expect(await store.renewJob('a1', 'me')).toEqual({ ...asked, isCancelRequested: true, isStopRequested: true });
    });

    it('tells for how long owners have been silent, by its own clock', async () => {
      await store.createJob({ ...job('a1'), created: 2 }, []);
      await store.createJob({ ...job('a2'), created: 1, owner: 'you' }, []);
      await store.createJob({ ...job('a3'), state: 'succeeded' }, []);
      await new Promise((resolve) => setTimeout(resolve, 30));
      const [first, second, ...others] = await store.ownerships(9);
      expect([first, second].map(({ id, owner }) => [id, owner])).toEqual([
        ['a2', 'you'],
        ['a1', 'me'],
      ]);
      expect(others).toEqual([]);
      const before = second.ownerSilence;
      expect(before).toBeGreaterThanOrEqual(25);
      expect((await store.job('a1'))?.ownerSilence).toBeGreaterThanOrEqual(before);
      await store.renewJob('a1', 'me');
      expect((await store.ownerships(9))[1].ownerSilence).toBeLessThan(before);
    });

    it('takes nothing from whoever has lost the job to another owner', async () => {
      await store.createJob(job('a1'), [run('a1', 'db')]);
      const succeeded: HostRun = { ...run('a1', 'db'), state: 'succeeded', ended: 7 };
      await store.claimJob('a1', 'me', 'other', 9);
      const late = store.updateHostRun(succeeded, 'me');
      expect(toFailure(await late.catch((error: unknown) => error))).toMatchObject({ code: 'conflict' });
      expect(await store.hostRuns('a1')).toEqual([run('a1', 'db')]);
      expect(await store.updateHostRun(succeeded, 'other')).toBe(true);
    });

    it('gives the same answer to an end that is written down twice, because nobody knows whether it was', async () => {
      await store.createJob(job('a1'), [run('a1', 'db')]);
      const succeeded: HostRun = { ...run('a1', 'db'), state: 'succeeded', ended: 7 };
      expect([await store.updateHostRun(succeeded, 'me'), await store.updateHostRun(succeeded, 'me')]).toEqual([
        true,
        true,
      ]);
      expect(await store.updateHostRun({ ...succeeded, ended: 8 }, 'me')).toBe(false);
      for (let time = 0; time < 2; time++) expect(await store.finishJob('a1', 'me', 'succeeded', 80)).toBe(true);
      expect(await store.finishJob('a1', 'me', 'succeeded', 81)).toBe(false);
    });

    it('ends a job once, by its owner', async () => {
      await store.createJob(job('a1'), []);
      expect(await store.finishJob('a1', 'thief', 'failed', 70)).toBe(false);
      expect(await store.finishJob('a1', 'me', 'succeeded', 80)).toBe(true);
      expect(await store.finishJob('a1', 'me', 'failed', 90)).toBe(false);
      expect(await store.job('a1')).toMatchObject({ state: 'succeeded', ended: 80, owner: '' });
      await store.requestCancel('a1');
      expect(await store.claimJob('a1', '', 'x', 90)).toBe(false);
      expect(await store.job('a1')).toMatchObject({ state: 'succeeded', isCancelRequested: false });
    });

    it('keeps the first end of a host run', async () => {
      await store.createJob(job('a1'), [run('a1', 'db')]);
      const running: HostRun = { ...run('a1', 'db'), state: 'running', sequence: 3 };
      const failed: HostRun = { ...running, state: 'failed', failure: { code: 'deadline', message: 'm', remedy: '' } };
      expect(await store.updateHostRun(running)).toBe(true);
      expect(await store.updateHostRun(failed)).toBe(true);
      expect(await store.updateHostRun({ ...running, state: 'succeeded' })).toBe(false);
      expect(await store.hostRuns('a1')).toEqual([failed]);
    });

    it('deletes a job with its host runs, and nothing else', async () => {
      await store.createJob(job('a1'), [run('a1', 'db')]);
      await store.createJob(job('a2'), [run('a2', 'db')]);
      await store.deleteJob('a1');
      expect([await store.job('a1'), await store.hostRuns('a1')]).toEqual([undefined, []]);
      expect([await store.job('a2'), await store.hostRuns('a2')]).toEqual([stored('a2'), [run('a2', 'db')]]);
    });
  });
}

/** Nothing was. */
const asked = { isOwner: true, isCancelRequested: false, isStopRequested: false };

/** As it is read: how long its owner has been silent depends on when. */
const stored = (id: string) => ({ ...job(id), ownerSilence: expect.any(Number) });

const request: JobRequest = {
  spec: {
    kind: 'file',
    path: "/tmp/it's",
    format: 'detect',
    detail: { split: 'comm', keepTimestamps: false, lines: false },
  },
  hosts: [{ name: 'db', labels: { role: 'db' }, address: { transport: 'tls', host: 'db', port: 1 } }],
  selectorText: 'role=db',
  requester: 'ölaf',
  maxParallel: 3,
  grace: 1000,
  note: "x'); drop table jobs; --",
};

export function job(id: string): StoredJob {
  return {
    id,
    request,
    state: 'running',
    created: 5,
    started: 5,
    ended: 0,
    owner: 'me',
    ownerSilence: 0,
    isCancelRequested: false,
  };
}

export function run(jobId: string, host: string): HostRun {
  return {
    ...{ jobId, host, captureId: `${jobId}.${host}`, state: 'waiting', captureState: undefined, sequence: 0 },
    ...{ started: 0, ended: 0, failure: undefined, progress: { elapsed: 1.5, samples: 2, bytes: 3, lost: 4 } },
    ...{
      losses: [{ kind: 'throttled', count: 1, detail: 'cpu 1' }],
      cost: undefined,
      artifacts: [],
      commandLines: ['perf'],
      parts: [{ part: 'stat', outcome: 'finished' }],
      module: { sha256: 'ab', size: 3, variant: 'kprobe' },
    },
  };
}
