// Functions by self and total: recursion counts once, everything is a share of what was counted.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { topFunctions } from '../../../controller/views/top-functions.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawings } from './drawings.js';

test('a function counts once in its total however often it is on the stack', () => {
  const { functions, total } = topFunctions(drawProfile('main;walk;walk;visit;walk 6\n main;visit 2\n main 2'));
  expect(total).toBe(10);
  expect(functions.map(({ name, self, total }) => [name, self, total])).toEqual([
    ['walk', 6, 6],
    ['main', 2, 10],
    ['visit', 2, 8],
  ]);
  expect(functions[0]).toMatchObject({ selfPercent: 60, totalPercent: 60, mapping: '/bin/app', origin: 'user' });
});

test('by total, and no more than asked for', () => {
  const top = topFunctions(drawProfile('main;a;b 5\n main;c 4'), { sortBy: 'total', limit: 2 });
  expect(top.functions.map(({ name }) => name)).toEqual(['main', 'b']);
  expect(top.functionCount).toBe(4);
});

test('samples without frames count in the total, and an empty profile has no functions', () => {
  expect(topFunctions(drawProfile('- 3\n main 1'))).toMatchObject({
    total: 4,
    functions: [{ name: 'main', totalPercent: 25 }],
  });
  expect(topFunctions(drawProfile(''))).toMatchObject({ total: 0, functions: [] });
});

test('selfs add up to the samples that have frames, and no total is above all or below self', () => {
  fc.assert(
    fc.property(drawings(), ({ text }) => {
      const profile = drawProfile(text);
      const framed = profile.samples.values[1].reduce(
        (sum, value, row) => sum + (profile.samples.stack[row] < 0 ? 0 : value),
        0,
      );
      const { functions, total } = topFunctions(profile, { limit: 1000 });
      expect(functions.reduce((sum, entry) => sum + entry.self, 0)).toBe(framed);
      for (const entry of functions) {
        expect(entry.total).toBeGreaterThanOrEqual(entry.self);
        expect(entry.total).toBeLessThanOrEqual(total);
      }
    }),
  );
});
