// Hosts and functions that differ from the fleet: none where hosts only vary by chance, always the one that was made to, by a seeded draw.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostMixes } from '../../../controller/views/host-mix.js';
import { MixFleet } from '../../../controller/views/mix-distance.js';
import {
  type ProfileOutlierOptions,
  type ProfileOutlierReport,
  profileOutliers,
} from '../../../controller/views/profile-outliers.js';
import { mergeProfiles } from '../../../profile/merge.js';
import { drawProfile } from '../../profile/draw-profile.js';

/** Numbers from 0 to 1 that are the same in each run: mulberry32. */
function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** So many samples drawn by the weights of functions `f0`, `f1`, … */
function draw(host: string, weights: readonly number[], samples: number, random: () => number): string {
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const counts = new Map<number, number>();
  for (let i = 0; i < samples; i++) {
    let left = random() * all;
    let row = 0;
    while (row < weights.length - 1 && left >= weights[row]) left -= weights[row++];
    counts.set(row, (counts.get(row) ?? 0) + 1);
  }
  return [...counts].map(([row, count]) => `{comm=app host=${host}} main;f${row} ${count}`).join('\n');
}

const report = (texts: readonly string[], options?: ProfileOutlierOptions) =>
  profileOutliers(drawProfile(texts.join('\n')), options);
const marked = ({ rows }: ProfileOutlierReport) => rows.filter((row) => row.isOutlier).map((row) => row.host);
const functionsOf = ({ functions }: ProfileOutlierReport) => functions.map(({ host, name }) => `${host} ${name}`);

describe('hosts that do the same', () => {
  it('are no outliers, nor are their functions, but for one draw of hundreds', () => {
    const random = generator(7);
    let [fleets, alarms, functionAlarms] = [0, 0, 0];
    for (const functions of [3, 20, 400]) {
      // Few functions take most of it, as in real profiles.
      const weights = Array.from({ length: functions }, (_, i) => 1 / (i + 1));
      for (const samples of [35, 200, 2000]) {
        for (let run = 0; run < 12; run++) {
          const texts = Array.from({ length: 8 }, (_, i) => draw(`h${i}`, weights, samples, random));
          const found = report(texts);
          fleets++;
          alarms += marked(found).length;
          functionAlarms += found.functions.length;
        }
      }
    }
    expect(fleets).toBe(108);
    // Of 864 hosts; and of all their functions.
    expect(alarms).toBeLessThanOrEqual(2);
    expect(functionAlarms).toBeLessThanOrEqual(4);
  });

  it('are no outliers where they recorded much and little', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 4, maxLength: 10 }),
        (mix, sizes) => {
          const texts = sizes.map((size, i) =>
            mix.map((weight, row) => `{host=h${i}} main;f${row} ${weight * size * 20}`).join('\n'),
          );
          const found = report(texts);
          expect(found.judgement).toBe('made');
          expect(found.functions).toEqual([]);
          for (const row of found.rows) {
            expect([row.isOutlier, row.why]).toEqual([false, 'like the others']);
            expect(row.distance).toBeCloseTo(0, 6);
          }
        },
      ),
    );
  });
});

describe('one host that does something else', () => {
  const weights = Array.from({ length: 30 }, (_, i) => 1 / (i + 1));
  const others = (count: number, samples: number, random: () => number) =>
    Array.from({ length: count }, (_, i) => draw(`h${i}`, weights, samples, random));

  it('is found with the function that makes it so, whatever its number of samples', () => {
    const random = generator(1);
    for (const samples of [300, 3000]) {
      const odd = draw('odd', [...weights, 1.5], samples, random);
      const found = report([...others(7, 1000, random), odd]);
      expect(marked(found)).toEqual(['odd']);
      expect(found.rows[0]).toMatchObject({ host: 'odd', why: expect.stringMatching(/^another mix .* \(limit /) });
      expect(found.functions[0]).toMatchObject({ host: 'odd', name: 'f30', median: 0 });
      expect(found.functions[0].change).toBeCloseTo(1.5 / 5.5, 1);
      expect(new Set(found.functions.map(({ host }) => host))).toEqual(new Set(['odd']));
      expect(found.shares[0].name).toBe('f30');
    }
  });

  it('is found beside another one', () => {
    const random = generator(2);
    const odd = ['x', 'y'].map((host, i) => draw(host, [...weights, i * 2, 2 - i * 2], 2000, random));
    expect(marked(report([...others(10, 2000, random), ...odd])).sort()).toEqual(['x', 'y']);
  });

  it('stays like the others where one function differs a little, which is told', () => {
    const host = (name: string, f: number) => `{host=${name}} f ${f}\n{host=${name}} g ${100_000 - f}`;
    const found = report([
      host('a', 50_000),
      host('b', 50_010),
      host('c', 49_990),
      host('d', 50_005),
      host('e', 52_000),
    ]);
    expect(marked(found)).toEqual([]);
    expect(found.rows[0]).toMatchObject({ host: 'e', functions: 2, why: 'like the others but for 2 functions' });
    expect(functionsOf(found).sort()).toEqual(['e f', 'e g']);
  });

  it('is not what a few samples make it', () => {
    const texts = Array.from({ length: 6 }, (_, i) => `{host=h${i}} f 990\n{host=h${i}} g 10`);
    const few = report([...texts, '{host=odd} f 38\n{host=odd} new 2']);
    expect([marked(few), functionsOf(few)]).toEqual([[], []]);
    const many = report([...texts, '{host=odd} f 950\n{host=odd} new 50']);
    expect(functionsOf(many)).toContain('odd new');
    // The same shares from samples that each stand for many.
    const heavy = report([...texts, '{host=odd} f 38000/38\n{host=odd} new 2000/2']);
    expect([marked(heavy), functionsOf(heavy)]).toEqual([[], []]);
  });

  it('is found by what is anywhere on its stacks, where that is asked', () => {
    const texts = ['a', 'b', 'c', 'd'].map((host) => `{host=${host}} main;plain;work 1000`);
    const odd = '{host=odd} main;slow_path;work 1000';
    expect(report([...texts, odd]).functions).toEqual([]);
    const found = report([...texts, odd], { sortBy: 'total' });
    expect(functionsOf(found)).toEqual(['odd plain', 'odd slow_path']);
    expect(found.functions.map(({ share, median }) => [share, median])).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });
});

describe('judgement', () => {
  it('is not passed on fewer than four hosts with enough samples', () => {
    const found = report(['{host=a} f 100', '{host=b} f 100', '{host=c} g 100', '{host=d} g 29'], {
      hosts: ['a', 'b', 'c', 'd', 'e'],
    });
    expect(found).toMatchObject({ judgement: 'too-few-hosts', threshold: undefined, functions: [], shares: [] });
    expect(found.measure).toContain('there are 3');
    expect(found.rows.map(({ host, why }) => `${host}: ${why}`)).toEqual([
      ...['a', 'b', 'c'].map((host) => `${host}: not judged: fewer than 4 hosts to compare`),
      ...['d: not judged: 29 samples, 30 are needed', 'e: not judged: 0 samples, 30 are needed'],
    ]);
  });

  it('holds whatever order hosts were merged in', () => {
    const texts = ['a', 'b', 'c', 'd', 'e'].map(
      (host, i) => `{host=${host}} f ${100 + i}\n{host=${host}} g ${i === 4 ? 900 : 50}`,
    );
    const profiles = texts.map((text) => drawProfile(text));
    const there = profileOutliers(mergeProfiles(profiles));
    const back = profileOutliers(mergeProfiles([...profiles].reverse()));
    expect(back.rows.map(({ host, isOutlier }) => [host, isOutlier])).toEqual(
      there.rows.map(({ host, isOutlier }) => [host, isOutlier]),
    );
    expect(marked(there)).toEqual(['e']);
  });
});

describe('the distance of mixes', () => {
  const mix = (shares: readonly number[], effective = 1e9) => ({ shares: new Map(shares.entries()), effective });

  it('is 0 of equal ones, 1 of those with nothing in common, and that of the textbook between', () => {
    const [same, other] = [mix([0.5, 0.5]), mix([0.5, 0.5])];
    expect(new MixFleet([same, other]).distance(same).distance).toBeCloseTo(0, 6);
    const [left, right] = [mix([1, 0]), mix([0, 1])];
    expect(new MixFleet([left, right]).distance(left).distance).toBeCloseTo(1, 9);
    const [p, q] = [mix([0.25, 0.75]), mix([0.75, 0.25])];
    const entropy = (shares: readonly number[]) => -shares.reduce((sum, share) => sum + share * Math.log2(share), 0);
    const expected = Math.sqrt(entropy([0.5, 0.5]) - entropy([0.25, 0.75]));
    expect(new MixFleet([p, q]).distance(p).distance).toBeCloseTo(expected, 9);
  });

  it('is the same from either side, and rows of few samples make none', () => {
    const shares = fc
      .array(fc.integer({ min: 0, max: 100 }), { minLength: 3, maxLength: 3 })
      .filter((all) => all.some(Boolean));
    fc.assert(
      fc.property(shares, shares, (x, y) => {
        const [a, b] = [x, y].map((all) => mix(all.map((share) => share / all.reduce((sum, one) => sum + one, 0))));
        const fleet = new MixFleet([a, b]);
        expect(fleet.distance(a).distance).toBeCloseTo(fleet.distance(b).distance, 9);
        expect(fleet.distance(a).distance).toBeLessThanOrEqual(1 + 1e-9);
      }),
    );
    // A hundred functions of one sample each, all other ones on the other host.
    const [lone, rest] = [0, 100].map((from) => ({
      shares: new Map(Array.from({ length: 100 }, (_, i) => [from + i, 0.01])),
      effective: 100,
    }));
    expect(new MixFleet([lone, rest]).distance(lone).distance).toBeCloseTo(0, 9);
  });
});

describe('a merged profile', () => {
  it('is read host by host, each with its weights', () => {
    const text = '{host=a} main;f 30/3\n{host=a} - 5\n{host=b comm=java_x} Lorg/a/B:.c 7\n{comm=x} main 2';
    const { hosts, frames } = hostMixes(drawProfile(text));
    expect(hosts.map(({ host, weight, samples }) => [host, weight, samples])).toEqual([
      ['', 2, 2],
      ['a', 35, 8],
      ['b', 7, 7],
    ]);
    const named = (sums: ReadonlyMap<number, number>) =>
      Object.fromEntries([...sums].map(([row, sum]) => [frames[row].name, sum]));
    expect(named(hosts[1].self)).toEqual({ f: 30, '[no frames]': 5 });
    expect(named(hosts[1].total)).toEqual({ main: 30, f: 30, '[no frames]': 5 });
    expect(named(hosts[2].self)).toEqual({ 'org/a/B:.c': 7 });
  });
});
