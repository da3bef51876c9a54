// Merging hosts: nothing is lost or added, whichever hosts answer in whichever order, and only like is added to like.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Aggregate } from '../../../controller/jobs/aggregate.js';
import type { Profile } from '../../../profile/profile.js';
import { arbitraryProfile } from '../../profile/arbitrary-profile.js';
import { drawProfile } from '../../profile/draw-profile.js';

const wanted = drawProfile('').sampleTypes;

function totals(profile: Profile | undefined): Record<string, number> {
  return Object.fromEntries(
    (profile?.sampleTypes ?? []).map(({ type }, i) => [
      type,
      profile?.samples.values[i].reduce((sum, value) => sum + value, 0) ?? 0,
    ]),
  );
}

function sum(all: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const one of all) for (const [key, value] of Object.entries(one)) total[key] = (total[key] ?? 0) + value;
  return total;
}

describe('aggregate', () => {
  it('conserves weights: the sum over hosts is the merged total, with lost hosts too', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ profile: arbitraryProfile(), isLost: fc.boolean() }), { minLength: 1, maxLength: 6 }),
        async (hosts) => {
          const there = hosts.map((host, i) => ({ ...host, name: `h${i}` })).filter(({ isLost }) => !isLost);
          const missing = hosts.flatMap(({ isLost }, i) => (isLost ? [`h${i}`] : []));
          const aggregate = new Aggregate(undefined);
          for (const { name, profile } of there) aggregate.addProfile(name, profile);
          const { merged } = await aggregate.settle(async (name) => hosts[Number(name.slice(1))].profile);
          const { profile } = aggregate.finish(missing);
          expect(merged).toHaveLength(there.length);
          expect(totals(profile)).toEqual(sum(there.map((host) => totals(host.profile))));
          const told = (profile?.losses ?? []).filter(({ kind }) => kind === 'missing-hosts');
          const expected = { kind: 'missing-hosts', count: missing.length, detail: missing.join(', ') };
          expect(told).toEqual(there.length === 0 || missing.length === 0 ? [] : [expected]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('tells the hosts apart by a label', () => {
    const aggregate = new Aggregate(wanted);
    expect(aggregate.addProfile('a', drawProfile('main 3'))).toEqual({ kind: 'merged' });
    expect(aggregate.addProfile('b', drawProfile('main 4'))).toEqual({ kind: 'merged' });
    const { profile } = aggregate.finish([]);
    expect(profile?.labelSets).toEqual([
      [
        { key: 'comm', value: 'app' },
        { key: 'host', value: 'a' },
      ],
      [
        { key: 'comm', value: 'app' },
        { key: 'host', value: 'b' },
      ],
    ]);
    expect(profile?.stacks.length).toBe(1);
  });

  const asked = drawProfile('main 3');
  const other = drawProfile('main 5', { event: 'cpu-clock' });

  it.each([
    ['the odd one first', ['odd', 'a', 'b']],
    ['the odd one last', ['a', 'b', 'odd']],
  ])('refuses a host that counted something else than was asked for: %s', async (_order, names) => {
    const profileOf = (name: string) => (name === 'odd' ? other : asked);
    const aggregate = new Aggregate(wanted);
    for (const name of names) aggregate.addProfile(name, profileOf(name));
    const { merged, refused } = await aggregate.settle(async (name) => profileOf(name));
    expect(merged).toEqual([]);
    expect(refused).toMatchObject([
      {
        host: 'odd',
        failure: { code: 'bad-data', message: 'this host counted cpu-clock where the others counted page-faults' },
      },
    ]);
    expect(totals(aggregate.finish(['odd']).profile)).toEqual({ 'samples:page-faults': 6, 'page-faults': 6 });
  });

  it('takes what most hosts counted when none has what was asked for', async () => {
    const profiles: Record<string, Profile> = { a: other, b: drawProfile('x 1', { event: 'task-clock' }), c: other };
    const aggregate = new Aggregate(wanted);
    for (const [name, profile] of Object.entries(profiles)) aggregate.addProfile(name, profile);
    const { merged, refused } = await aggregate.settle(async (name) => profiles[name]);
    expect([merged, refused.map(({ host }) => host)]).toEqual([['a', 'c'], ['b']]);
    expect(totals(aggregate.finish([]).profile)).toMatchObject({ 'cpu-clock': 10 });
  });

  it('stays with what it counted before the controller changed', async () => {
    const aggregate = new Aggregate(wanted);
    expect(aggregate.addProfile('a', other, true)).toEqual({ kind: 'merged' });
    expect(aggregate.addProfile('b', other)).toEqual({ kind: 'merged' });
    expect(aggregate.addProfile('c', asked)).toEqual({ kind: 'held' });
    expect((await aggregate.settle(async () => asked)).refused).toHaveLength(1);
  });

  it('refuses a host whose weights would make the total inexact', () => {
    const huge = drawProfile(`main ${2 ** 52}/1`);
    const aggregate = new Aggregate(wanted);
    expect(aggregate.addProfile('a', huge)).toEqual({ kind: 'merged' });
    expect(aggregate.addProfile('b', huge)).toMatchObject({ kind: 'refused', failure: { code: 'bad-data' } });
    expect(totals(aggregate.finish(['b']).profile)).toMatchObject({ 'page-faults': 2 ** 52 });
  });

  it('adds counters of the same interval and unit, and refuses others', () => {
    const series = (interval: number, unit: string, value: number) => ({
      interval,
      losses: [],
      points: [{ time: interval, event: 'e', scope: '', status: 'counted' as const, value, unit, runningPercent: 100 }],
    });
    const aggregate = new Aggregate(undefined);
    expect(aggregate.addSeries(series(1000, '', 1))).toEqual({ kind: 'merged' });
    expect(aggregate.addSeries(series(1000, '', 2))).toEqual({ kind: 'merged' });
    expect(aggregate.addSeries(series(1000, 'msec', 2))).toMatchObject({ kind: 'refused' });
    expect(aggregate.addSeries(series(500, '', 2))).toMatchObject({ kind: 'refused' });
    const { series: merged } = aggregate.finish(['x', 'b']);
    expect(merged?.points).toMatchObject([{ value: 3 }]);
    expect(merged?.losses).toEqual([{ kind: 'missing-hosts', count: 2, detail: 'b, x' }]);
  });

  it('has nothing when no host has', () => {
    expect(new Aggregate(wanted).finish(['a'])).toEqual({ profile: undefined, series: undefined });
  });
});
