// Merging hosts: nothing is lost or added, whichever hosts answer in whichever order, and only like is added to like.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Addition, Aggregate, type Merged } from '../../../controller/jobs/aggregate.js';
import type { CounterSeries } from '../../../profile/counter-series.js';
import { countOf, type Histogram } from '../../../profile/histogram.js';
import { type HistogramSeries, histogramTotals } from '../../../profile/histogram-series.js';
import type { Profile } from '../../../profile/profile.js';
import { arbitraryProfile } from '../../profile/arbitrary-profile.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawPoint, drawSeries } from '../draw-histogram.js';

const wanted = drawProfile('').sampleTypes;

function whole(profile: Profile): Merged {
  return { profile, series: undefined, histograms: undefined };
}

function addProfile(aggregate: Aggregate, host: string, profile: Profile, isSettled = false): Addition {
  return aggregate.add(host, whole(profile), isSettled);
}

function addSeries(aggregate: Aggregate, series: CounterSeries): Addition {
  return aggregate.add('a', { profile: undefined, series, histograms: undefined });
}

function addHistograms(aggregate: Aggregate, host: string, histograms: HistogramSeries): Addition {
  return aggregate.add(host, { profile: undefined, series: undefined, histograms });
}

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
          for (const { name, profile } of there) addProfile(aggregate, name, profile);
          const { merged } = await aggregate.settle(async (name) => whole(hosts[Number(name.slice(1))].profile));
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
    expect(addProfile(aggregate, 'a', drawProfile('main 3'))).toEqual({ kind: 'merged' });
    expect(addProfile(aggregate, 'b', drawProfile('main 4'))).toEqual({ kind: 'merged' });
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
    for (const name of names) addProfile(aggregate, name, profileOf(name));
    const { merged, refused } = await aggregate.settle(async (name) => whole(profileOf(name)));
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
    for (const [name, profile] of Object.entries(profiles)) addProfile(aggregate, name, profile);
    const { merged, refused } = await aggregate.settle(async (name) => whole(profiles[name]));
    expect([merged, refused.map(({ host }) => host)]).toEqual([['a', 'c'], ['b']]);
    expect(totals(aggregate.finish([]).profile)).toMatchObject({ 'cpu-clock': 10 });
  });

  it('stays with what it counted before the controller changed', async () => {
    const aggregate = new Aggregate(wanted);
    expect(addProfile(aggregate, 'a', other, true)).toEqual({ kind: 'merged' });
    expect(addProfile(aggregate, 'b', other)).toEqual({ kind: 'merged' });
    expect(addProfile(aggregate, 'c', asked)).toEqual({ kind: 'held' });
    expect((await aggregate.settle(async () => whole(asked))).refused).toHaveLength(1);
  });

  it('refuses a host whose weights would make the total inexact', () => {
    const huge = drawProfile(`main ${2 ** 52}/1`);
    const aggregate = new Aggregate(wanted);
    expect(addProfile(aggregate, 'a', huge)).toEqual({ kind: 'merged' });
    expect(addProfile(aggregate, 'b', huge)).toMatchObject({ kind: 'refused', failure: { code: 'bad-data' } });
    expect(totals(aggregate.finish(['b']).profile)).toMatchObject({ 'page-faults': 2 ** 52 });
  });

  it('adds counters of the same interval and unit, and refuses others', () => {
    const series = (interval: number, unit: string, value: number) => ({
      interval,
      losses: [],
      points: [{ time: interval, event: 'e', scope: '', status: 'counted' as const, value, unit, runningPercent: 100 }],
    });
    const aggregate = new Aggregate(undefined);
    expect(addSeries(aggregate, series(1000, '', 1))).toEqual({ kind: 'merged' });
    expect(addSeries(aggregate, series(1000, '', 2))).toEqual({ kind: 'merged' });
    expect(addSeries(aggregate, series(1000, 'msec', 2))).toMatchObject({ kind: 'refused' });
    expect(addSeries(aggregate, series(500, '', 2))).toMatchObject({ kind: 'refused' });
    const { series: merged } = aggregate.finish(['x', 'b']);
    expect(merged?.points).toMatchObject([{ value: 3 }]);
    expect(merged?.losses).toEqual([{ kind: 'missing-hosts', count: 2, detail: 'b, x' }]);
  });

  it('has nothing when no host has', () => {
    expect(new Aggregate(wanted).finish(['a'])).toEqual({
      profile: undefined,
      series: undefined,
      histograms: undefined,
    });
  });

  const linear = (step: number): Partial<Histogram> => ({ scale: { kind: 'linear', from: 0, to: 10 * step, step } });
  const oneOf = (buckets: string, change: Partial<Histogram> = {}): HistogramSeries => ({
    ...{ points: [drawPoint(1000, buckets, change)], interval: 1000, losses: [] },
  });

  it('adds histograms interval by interval, exactly, from however many hosts', () => {
    const aggregate = new Aggregate(undefined);
    for (let i = 0; i < 1000; i++) {
      expect(addHistograms(aggregate, `h${i}`, drawSeries(`1:${i} 4:3`, '2:1'))).toEqual({ kind: 'merged' });
    }
    const { histograms } = aggregate.finish(['gone']);
    expect(histograms?.points).toEqual([drawPoint(1000, '1:499500 4:3000'), drawPoint(2000, '2:1000')]);
    expect(histograms?.losses).toEqual([{ kind: 'missing-hosts', count: 1, detail: 'gone' }]);
  });

  it('conserves every count of histograms, whichever hosts come in whichever order', () => {
    const bucket = fc.record({ power: fc.integer({ min: 0, max: 20 }), count: fc.integer({ min: 1, max: 1e6 }) });
    const points = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom('MINOR', 'MAJOR'), bucket), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(fc.array(points, { maxLength: 6 }), (hosts) => {
        const all = hosts.map(
          (host): HistogramSeries => ({
            points: host
              .map(([second, type, { power, count }]) =>
                drawPoint(1000 * second, `${2 ** power}:${count}`, { labels: [{ key: 'type', value: type }] }),
              )
              .sort((a, b) => a.time - b.time),
            ...{ interval: 1000, losses: [] },
          }),
        );
        const sumOf = (list: readonly HistogramSeries[]): HistogramSeries | undefined => {
          const aggregate = new Aggregate(undefined);
          for (const [i, series] of list.entries()) addHistograms(aggregate, `h${i}`, series);
          return aggregate.finish([]).histograms;
        };
        const merged = sumOf(all);
        const expected = all
          .flatMap(({ points: its }) => its)
          .reduce((sum, { histogram }) => sum + countOf(histogram), 0);
        expect((merged?.points ?? []).reduce((sum, { histogram }) => sum + countOf(histogram), 0)).toBe(expected);
        if (merged !== undefined) expect(sumOf(all.toReversed())).toEqual(merged);
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, HistogramSeries, string]>([
    ['intervals', { ...drawSeries('1:1'), interval: 500 }, '500 ms intervals'],
    ['units', oneOf('1:1', { unit: 'us' }), "'latency' are in log2 us, those of the hosts before it in log2 ns"],
    ['scales', oneOf('', linear(5)), 'linear 0 to 50 by 5 ns'],
    ['sizes', oneOf(`1:${Number.MAX_SAFE_INTEGER}`), '2^53'],
  ])('refuses a host whose histograms have other %s, and keeps what it had', (_what, series, message) => {
    const aggregate = new Aggregate(undefined);
    addHistograms(aggregate, 'a', drawSeries('1:7'));
    const addition = addHistograms(aggregate, 'odd', series);
    expect(addition).toMatchObject({ kind: 'refused', failure: { code: 'bad-data' } });
    expect(JSON.stringify(addition)).toContain(message);
    expect(aggregate.finish([]).histograms?.points).toEqual([drawPoint(1000, '1:7')]);
  });

  it('takes one key in two forms from every host', () => {
    const both: HistogramSeries = {
      points: [drawPoint(1000, '1:2'), drawPoint(1000, '', { ...linear(1), buckets: [{ from: 3, to: 4, count: 2 }] })],
      ...{ interval: 1000, losses: [] },
    };
    const aggregate = new Aggregate(undefined);
    expect([addHistograms(aggregate, 'a', both), addHistograms(aggregate, 'b', both)]).toMatchObject([
      { kind: 'merged' },
      { kind: 'merged' },
    ]);
    const { histograms } = aggregate.finish([]);
    expect(histograms === undefined ? [] : histogramTotals(histograms).map(countOf)).toEqual([4, 4]);
  });

  it('takes a host with all that it brought, or not at all', () => {
    const aggregate = new Aggregate(wanted);
    const good = { profile: drawProfile('main 3'), series: undefined, histograms: drawSeries('1:1') };
    const odd = { ...good, histograms: { ...drawSeries('1:1'), interval: 7 } };
    expect([aggregate.add('a', good).kind, aggregate.add('odd', odd).kind]).toEqual(['merged', 'refused']);
    const { profile, histograms } = aggregate.finish(['odd']);
    expect(totals(profile)).toMatchObject({ 'page-faults': 3 });
    expect(histograms?.points).toEqual([drawPoint(1000, '1:1')]);
  });
});
