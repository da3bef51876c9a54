// Comparing two profiles: what must hold of any two, and what a known change looks like.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differenceFolded } from '../../../controller/export/difference-folded.js';
import { foldedText } from '../../../controller/export/folded.js';
import { callTree } from '../../../controller/views/call-tree.js';
import { differenceTree, sideOf } from '../../../controller/views/difference-tree.js';
import { flameLayout } from '../../../controller/views/flame-layout.js';
import {
  type ComparedProfile,
  type DifferenceOptions,
  type FunctionDifference,
  profileDifference,
} from '../../../controller/views/profile-difference.js';
import { keptSamples } from '../../../controller/views/sample-filter.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawings } from './drawings.js';

const SHARES: DifferenceOptions = { normalisation: 'shares' };
const TIME: DifferenceOptions = { normalisation: 'time' };

function side(text: string, recorded = 10_000): ComparedProfile {
  return { profile: drawProfile(text), recorded };
}

/** Random profiles with weight, recorded for some seconds. */
const sides = fc
  .record({ drawing: drawings(), recorded: fc.integer({ min: 1, max: 100_000 }) })
  .filter(({ drawing }) => drawing.weight > 0)
  .map(({ drawing, recorded }) => ({ ...side(drawing.text, recorded), weight: drawing.weight, text: drawing.text }));
const normalisations = fc.constantFrom(SHARES, TIME);

const byFunction = (functions: readonly FunctionDifference[]) =>
  new Map(functions.map((row) => [`${row.origin} ${row.name}`, row]));
const textOf = (parts: Iterable<string | Uint8Array>) => [...parts].join('');

describe('any two profiles', () => {
  it('differ by changes that add up to the change of all: by shares to nothing', () => {
    fc.assert(
      fc.property(sides, sides, normalisations, (a, b, options) => {
        const { functions, all } = profileDifference(a, b, options);
        const sum = functions.reduce((total, { self }) => total + self.change, 0);
        expect(sum).toBeCloseTo(all.change, options.normalisation === 'shares' ? 9 : 3);
        if (options.normalisation === 'shares') expect(sum).toBeCloseTo(0, 9);
        const weights = functions.map((row) => row.weights);
        expect(weights.reduce((total, row) => total + row.a.self, 0)).toBe(a.weight);
        expect(weights.reduce((total, row) => total + row.b.self, 0)).toBe(b.weight);
      }),
    );
  });

  it('give the mirrored answer when they are swapped', () => {
    fc.assert(
      fc.property(sides, sides, normalisations, (a, b, options) => {
        const there = profileDifference(a, b, options);
        const back = byFunction(profileDifference(b, a, options).functions);
        expect(back.size).toBe(there.functions.length);
        for (const row of there.functions) {
          const other = back.get(`${row.origin} ${row.name}`);
          for (const by of ['self', 'total'] as const) {
            expect(other?.[by].change).toBeCloseTo(-row[by].change, 9);
            expect(other?.[by].deviations).toBeCloseTo(-row[by].deviations, 9);
            expect(other?.[by].isNoise).toBe(row[by].isNoise);
          }
          expect(other?.weights).toEqual({ a: row.weights.b, b: row.weights.a });
        }
      }),
    );
  });

  it('do not differ from themselves', () => {
    fc.assert(
      fc.property(sides, normalisations, (a, options) => {
        for (const { self, total } of profileDifference(a, a, options).functions) {
          expect([self.change, self.deviations, total.change]).toEqual([0, 0, 0]);
          expect(self.isNoise).toBe(true);
        }
      }),
    );
  });

  it('have the same shares when one is counted several times over', () => {
    fc.assert(
      fc.property(sides, sides, fc.integer({ min: 2, max: 50 }), (a, b, times) => {
        const more = drawProfile(
          b.text.replace(/(\d+)\/(\d+)$/gm, (_all, weight, samples) => `${weight * times}/${samples * times}`),
        );
        const once = profileDifference(a, b, SHARES);
        const often = byFunction(profileDifference(a, { profile: more, recorded: b.recorded }, SHARES).functions);
        for (const row of once.functions) {
          const other = often.get(`${row.origin} ${row.name}`);
          expect(other?.self.b).toBeCloseTo(row.self.b, 9);
          expect(other?.self.change).toBeCloseTo(row.self.change, 9);
        }
      }),
    );
  });

  it('have the same rates when one is recorded several times as long', () => {
    const once = profileDifference(side('main;f 30\nmain;g 10'), side('main;f 30\nmain;g 10'), TIME);
    const twice = profileDifference(side('main;f 30\nmain;g 10'), side('main;f 60\nmain;g 20', 20_000), TIME);
    expect(twice.functions.map(({ name, self }) => [name, self.a, self.b])).toEqual(
      once.functions.map(({ name, self }) => [name, self.a, self.b]),
    );
    expect(twice.all).toMatchObject({ a: 4, b: 4, change: 0, isNoise: true });
  });

  it('keep each their own tree in the tree of both', () => {
    fc.assert(
      fc.property(sides, sides, (a, b) => {
        const [treeA, treeB] = [callTree(a.profile), callTree(b.profile)];
        const both = differenceTree(treeA, treeB);
        for (const [which, tree, weight] of [
          ['a', treeA, a.weight],
          ['b', treeB, b.weight],
        ] as const) {
          const own = sideOf(both, which, tree);
          expect(own.total[0]).toBe(weight);
          // The same picture: what only the other side has is of no width.
          const [drawn, alone] = [flameLayout(own), flameLayout(tree)];
          expect([...drawn.weight]).toEqual([...alone.weight]);
          expect([...drawn.start]).toEqual([...alone.start]);
          expect([...drawn.node].map((node) => own.frames[own.frame[node]].name)).toEqual(
            [...alone.node].map((node) => tree.frames[tree.frame[node]].name),
          );
        }
        for (let node = 1; node < both.length; node++) expect(both.parent[node]).toBeLessThan(node);
      }),
    );
  });

  it('have in their folded difference what their folded texts have', () => {
    fc.assert(
      fc.property(sides, sides, fc.double({ min: 0.01, max: 100, noNaN: true }), (a, b, scaleA) => {
        const read = (profile: typeof a.profile) =>
          new Map(
            textOf(foldedText(profile))
              .split('\n')
              .filter((line) => line !== '')
              .map((line) => {
                const at = line.lastIndexOf(' ');
                return [line.slice(0, at), Number(line.slice(at + 1))] as const;
              }),
          );
        const [inA, inB] = [read(a.profile), read(b.profile)];
        const expected = [...new Set([...inA.keys(), ...inB.keys()])]
          .sort((x, y) => (x < y ? -1 : 1))
          .map((stack) => `${stack} ${Math.round((inA.get(stack) ?? 0) * scaleA)} ${inB.get(stack) ?? 0}\n`);
        const event = 'page-faults';
        const text = textOf(differenceFolded({ profile: a.profile, event }, { profile: b.profile, event }, { scaleA }));
        expect(text).toBe(expected.join(''));
      }),
    );
  });
});

describe('a change', () => {
  const before = side('main;parse 400\nmain;write 590\nmain;rare 3\nmain;gone 7');
  const after = side('main;parse 800\nmain;write 1180\nmain;rare 9\nmain;new 11');

  it('is beyond noise where there are enough samples, and noise where there are few', () => {
    const { functions, a, b } = profileDifference(before, after, SHARES);
    expect([a.weight, b.weight]).toEqual([1000, 2000]);
    const rows = byFunction(functions);
    // 40 % on both sides; a thousandth more of what is rare anyway.
    expect(rows.get('user parse')?.self).toMatchObject({ a: 0.4, b: 0.4, change: 0, ratio: 1, isNoise: true });
    expect(rows.get('user rare')?.self.isNoise).toBe(true);
    expect(rows.get('user gone')?.self).toMatchObject({ a: 0.007, b: 0, ratio: 0, isNoise: false });
    expect(rows.get('user new')?.self).toMatchObject({ a: 0, ratio: undefined });
    expect(rows.get('user main')?.total).toMatchObject({ a: 1, b: 1, change: 0 });
    // What chance does not explain stands first.
    expect(functions.map(({ self }) => self.isNoise)).toEqual(
      [...functions.map(({ self }) => self.isNoise)].sort((x, y) => Number(x) - Number(y)),
    );
  });

  it('by time is one of the whole too', () => {
    const { all, functions } = profileDifference(before, after, TIME);
    expect(all).toMatchObject({ a: 100, b: 200, change: 100, ratio: 2, isNoise: false });
    expect(byFunction(functions).get('user parse')?.self).toMatchObject({ a: 40, b: 80, isNoise: false });
  });

  it('is judged by samples, not by what they stand for', () => {
    const heavy = (x: number, y: number) => side(`main;f ${x * 1_000_000}/${x}\nmain;g ${y * 1_000_000}/${y}`);
    const few = profileDifference(heavy(5, 5), heavy(7, 3), SHARES);
    expect(byFunction(few.functions).get('user f')?.self.isNoise).toBe(true);
    const many = profileDifference(heavy(500, 500), heavy(700, 300), SHARES);
    expect(byFunction(many.functions).get('user f')?.self.isNoise).toBe(false);
    // One sample of the weight of all others is one sample.
    const lump = profileDifference(side('main;f 1000\nmain;g 1000'), side('main;f 1000\nmain;g 3000/1'), SHARES);
    expect(lump.b.effective).toBeLessThan(2);
    expect(byFunction(lump.functions).get('user g')?.self.isNoise).toBe(true);
  });

  it('shows samples without frames as a row of their own', () => {
    const { functions } = profileDifference(side('main 50\n- 50'), side('main 90\n- 10'), SHARES);
    expect(byFunction(functions).get('all [no frames]')?.self.change).toBeCloseTo(-0.4, 9);
  });

  it('cannot be told of nothing, or by a time that is not known', () => {
    expect(() => profileDifference(side(''), after, SHARES)).toThrow(RangeError);
    expect(() => profileDifference({ ...before, recorded: 0 }, after, TIME)).toThrow(RangeError);
  });
});

describe('samples that a filter keeps', () => {
  it('are those of one host, or of all but one', () => {
    const profile = drawProfile('{comm=x host=a} f 3\n{comm=x host=b} f 5\n{comm=x} g 7');
    const weightOf = (kept: typeof profile) => kept.samples.values[1].reduce((sum, value) => sum + value, 0);
    expect(weightOf(keptSamples(profile, { labels: { host: 'a' } }))).toBe(3);
    expect(weightOf(keptSamples(profile, { withoutLabels: { host: 'a' } }))).toBe(12);
    expect(weightOf(keptSamples(profile, { withFrame: /^f$/ }))).toBe(8);
    expect(weightOf(keptSamples(profile, {}))).toBe(15);
  });
});
