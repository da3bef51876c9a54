// Which queued job is next: fair among teams, within bounds, for any queue.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextTurn, type QueueLimits, queuePlaces } from '../../../controller/jobs/queue-policy.js';
import type { QueuedJob, QueueState, RunningJob, TeamAccount } from '../../../controller/store/job-queue-store.js';

const unlimited: QueueLimits = { mostHosts: 0 };

function queued(id: string, more: Partial<QueuedJob> = {}): QueuedJob {
  return {
    ...{ id, team: 'default', priority: 'normal', created: 0, notBefore: 0, hosts: 1, serial: '' },
    ...{ isCancelRequested: false, ...more },
  };
}

function team(name: string, more: Partial<TeamAccount> = {}): TeamAccount {
  return { name, weight: 1, mostJobs: 0, mostHosts: 0, pass: 0, ...more };
}

function state(jobs: readonly QueuedJob[], more: Partial<QueueState> = {}): QueueState {
  return { queued: jobs, running: [], teams: [], virtual: 0, ...more };
}

/** Start jobs until none may be, as a store does it. */
function drain(
  start: QueueState,
  limits: QueueLimits,
  now = 0,
): { readonly order: string[]; readonly end: QueueState } {
  const order: string[] = [];
  let current = start;
  for (;;) {
    const turn = nextTurn(current, limits, now);
    if (turn === undefined) return { order, end: current };
    const job = current.queued.find(({ id }) => id === turn.id);
    if (job === undefined) throw new Error(`${turn.id} is not queued`);
    order.push(job.id);
    const known = current.teams.find(({ name }) => name === turn.team) ?? team(turn.team);
    current = {
      queued: current.queued.filter((other) => other !== job),
      running: [...current.running, job],
      teams: [...current.teams.filter((other) => other.name !== turn.team), { ...known, pass: turn.pass }],
      virtual: turn.virtual,
    };
  }
}

describe('the order of the queue', () => {
  it('is by age within a team, and priority goes first', () => {
    const jobs = [
      queued('late', { created: 30 }),
      queued('early', { created: 10 }),
      queued('low', { created: 1, priority: 'low' }),
      queued('high', { created: 50, priority: 'high' }),
    ];
    expect(drain(state(jobs), unlimited).order).toEqual(['high', 'early', 'late', 'low']);
  });

  it('lets a team with one job pass a team with a hundred', () => {
    const flood = Array.from({ length: 100 }, (_, i) => queued(`a${i}`, { team: 'a', created: i }));
    const { order } = drain(state([...flood, queued('b', { team: 'b', created: 1000 })]), unlimited);
    expect(order.indexOf('b')).toBe(1);
  });

  it('shares by weight and by hosts', () => {
    const jobs = [
      ...Array.from({ length: 40 }, (_, i) => queued(`a${i}`, { team: 'a', created: i })),
      ...Array.from({ length: 40 }, (_, i) => queued(`b${i}`, { team: 'b', created: i })),
      ...Array.from({ length: 40 }, (_, i) => queued(`c${i}`, { team: 'c', created: i, hosts: 2 })),
    ];
    const { order } = drain(state(jobs, { teams: [team('b', { weight: 3 })] }), unlimited);
    const first = order.slice(0, 55);
    const started = (name: string) => first.filter((id) => id.startsWith(name)).length;
    // Of each 11 starts: 2 of a, 6 of b, and 1 of c, which counts twice.
    expect([started('a'), started('b'), started('c')].map((n) => Math.round(n / 5))).toEqual([2, 7, 1]);
  });

  it('gives a team that was away no credit for that time', () => {
    const teams = [team('a', { pass: 500 }), team('b', { pass: 3 })];
    const jobs = [
      ...Array.from({ length: 10 }, (_, i) => queued(`a${i}`, { team: 'a', created: i })),
      ...Array.from({ length: 10 }, (_, i) => queued(`b${i}`, { team: 'b', created: i })),
    ];
    const { order } = drain(state(jobs, { teams, virtual: 500 }), unlimited);
    const ofA = order.slice(0, 10).filter((id) => id.startsWith('a')).length;
    expect(ofA).toBe(5);
  });

  it('starts what is cancelled at once, whatever is full, and charges nobody', () => {
    const jobs = [queued('a'), queued('gone', { team: 'b', isCancelRequested: true, hosts: 900, notBefore: 99 })];
    const running = [{ team: 'b', hosts: 10, serial: '' }];
    const turn = nextTurn(state(jobs, { running, teams: [team('b', { mostJobs: 1, pass: 7 })] }), { mostHosts: 10 }, 0);
    expect(turn).toEqual({ id: 'gone', team: 'b', pass: 7, virtual: 0 });
  });
});

describe('what holds a job up', () => {
  it('is its time and its forerunner, which hold up nobody else', () => {
    const jobs = [
      queued('later', { notBefore: 100, priority: 'high' }),
      queued('second', { serial: 's', priority: 'high' }),
      queued('free', { priority: 'low' }),
    ];
    const running = [{ team: 'x', hosts: 1, serial: 's' }];
    expect(drain(state(jobs, { running }), unlimited).order).toEqual(['free']);
    expect(drain(state(jobs, { running: [] }), unlimited, 100).order).toEqual(['second', 'later', 'free']);
  });

  it('runs jobs of one schedule one after the other', () => {
    const jobs = [queued('one', { serial: 's', created: 1 }), queued('two', { serial: 's', created: 2 })];
    expect(drain(state(jobs), unlimited).order).toEqual(['one']);
  });

  it('is the quota of its team, which holds up the rest of the team only', () => {
    const jobs = [
      queued('big', { team: 'a', hosts: 8, created: 1 }),
      queued('small', { team: 'a', hosts: 1, created: 2 }),
      queued('other', { team: 'b', hosts: 8, created: 3 }),
    ];
    const running = [{ team: 'a', hosts: 5, serial: '' }];
    const teams = [team('a', { mostHosts: 10 })];
    expect(drain(state(jobs, { running, teams }), unlimited).order).toEqual(['other']);
    const { waitsFor } = queuePlaces(state(jobs, { running, teams }), unlimited, 0).get('big') ?? { waitsFor: '' };
    expect(waitsFor).toBe('the quota of team a: it captures on 5 of 10 hosts, and this needs 8');
  });

  it('is no quota for ever: what is larger than it runs alone', () => {
    const jobs = [queued('huge', { hosts: 500 })];
    const teams = [team('default', { mostHosts: 10 })];
    expect(drain(state(jobs, { teams }), { mostHosts: 100 }).order).toEqual(['huge']);
    const running = [{ team: 'other', hosts: 1, serial: '' }];
    expect(drain(state(jobs, { teams, running }), { mostHosts: 100 }).order).toEqual([]);
  });

  it('lets nobody pass a job that waits for room', () => {
    const jobs = [queued('wide', { hosts: 60, created: 1 }), queued('narrow', { hosts: 1, created: 2, team: 'b' })];
    const running = [{ team: 'c', hosts: 50, serial: '' }];
    expect(drain(state(jobs, { running }), { mostHosts: 100 }).order).toEqual([]);
    expect(queuePlaces(state(jobs, { running }), { mostHosts: 100 }, 0)).toEqual(
      new Map([
        ['wide', { position: 1, of: 2, waitsFor: 'room: jobs capture on 50 of 100 hosts, and this needs 60' }],
        ['narrow', { position: 2, of: 2, waitsFor: 'its turn, after 1 job' }],
      ]),
    );
  });
});

const names = fc.constantFrom('a', 'b', 'c');
const anyJob = fc.record({
  team: names,
  priority: fc.constantFrom('low' as const, 'normal' as const, 'high' as const),
  created: fc.integer({ min: 0, max: 50 }),
  notBefore: fc.integer({ min: 0, max: 50 }),
  hosts: fc.integer({ min: 1, max: 20 }),
  serial: fc.constantFrom('', '', 's', 't'),
  isCancelRequested: fc.boolean(),
});
const anyRunning: fc.Arbitrary<RunningJob> = fc.record({
  ...{ team: names, hosts: fc.integer({ min: 1, max: 20 }), serial: fc.constantFrom('', 's') },
});
const anyTeams = fc.uniqueArray(
  fc.record({
    name: names,
    weight: fc.integer({ min: 1, max: 5 }),
    mostJobs: fc.integer({ min: 0, max: 4 }),
    mostHosts: fc.integer({ min: 0, max: 40 }),
    pass: fc.integer({ min: 0, max: 100 }),
  }),
  { selector: ({ name }) => name },
);
const anyState = fc
  .tuple(fc.array(anyJob, { maxLength: 25 }), fc.array(anyRunning, { maxLength: 5 }), anyTeams, fc.nat(100))
  .map(([jobs, running, teams, virtual]) => {
    return { queued: jobs.map((job, i) => ({ ...job, id: `j${i}` })), running, teams, virtual };
  });

describe('any queue', () => {
  it('keeps to its bounds, starts each job once, and drains once there is room', () => {
    fc.assert(
      fc.property(anyState, fc.integer({ min: 0, max: 60 }), (start, mostHosts) => {
        const { order, end } = drain(start, { mostHosts }, 25);
        expect(new Set(order).size).toBe(order.length);
        expect(end.virtual).toBeGreaterThanOrEqual(start.virtual);
        const drained = drain({ ...end, running: [] }, { mostHosts: 0 }, 1000);
        // One of each schedule at a time, and as many as quotas let: with nothing that runs, somebody can always start.
        if (end.queued.length > 0) expect(drained.order.length).toBeGreaterThan(0);
        for (const { name, mostJobs } of start.teams) {
          const ran = end.running.filter(
            (job) => job.team === name && !('isCancelRequested' in job && job.isCancelRequested),
          );
          const before = start.running.filter((job) => job.team === name).length;
          if (mostJobs > 0) expect(ran.length).toBeLessThanOrEqual(Math.max(mostJobs, before));
        }
      }),
    );
  });

  it('has a place for each job, and the first is the one that starts next', () => {
    fc.assert(
      fc.property(anyState, (start) => {
        const open = { ...start, teams: [], queued: start.queued.map((job) => ({ ...job, isCancelRequested: false })) };
        const places = queuePlaces(open, unlimited, 25);
        expect([...places.values()].map(({ position }) => position)).toEqual(open.queued.map((_, i) => i + 1));
        const turn = nextTurn(open, unlimited, 25);
        if (turn !== undefined) expect(places.get(turn.id)?.position).toBe(1);
      }),
    );
  });
});
