// The tests against chance: exact tails of the binomial and Poisson distributions, added up here, agree with them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHANCE, rateDeviations, sampleSize, shareDeviations } from '../../../controller/views/sampling-noise.js';
import { drawProfile } from '../../profile/draw-profile.js';

/** Chances of 0 to `most` hits. */
function binomial(of: number, share: number): number[] {
  const chances = [(1 - share) ** of];
  for (let hits = 1; hits <= of; hits++) {
    chances.push((chances[hits - 1] * (of - hits + 1) * share) / (hits * (1 - share)));
  }
  return chances;
}

function poisson(mean: number, most: number): number[] {
  const chances = [Math.exp(-mean)];
  for (let hits = 1; hits <= most; hits++) chances.push((chances[hits - 1] * mean) / hits);
  return chances;
}

/** How often two draws from these are taken for unlike. */
function alarms(a: readonly number[], b: readonly number[], isAlarm: (x: number, y: number) => boolean): number {
  let sum = 0;
  for (const [x, chanceX] of a.entries()) {
    for (const [y, chanceY] of b.entries()) if (isAlarm(x, y)) sum += chanceX * chanceY;
  }
  return sum;
}

/** Of a normal distribution: outside 3 standard errors. */
const OUTSIDE = 0.0027;

describe('two shares', () => {
  it.each([
    [1000, 1000, 0.3],
    [400, 100, 0.05],
    [300, 300, 0.01],
    [200, 50, 0.97],
    [500, 500, 0.002],
  ])('of %d and %d samples of a share of %d are seldom taken for unlike', (m, n, share) => {
    const isAlarm = (x: number, y: number) =>
      Math.abs(shareDeviations({ count: x, of: m }, { count: y, of: n })) >= CHANCE;
    const often = alarms(binomial(m, share), binomial(n, share), isAlarm);
    expect(often).toBeLessThan(2 * OUTSIDE);
  });

  it('that are unlike are found', () => {
    const isAlarm = (x: number, y: number) =>
      Math.abs(shareDeviations({ count: x, of: 1000 }, { count: y, of: 1000 })) >= CHANCE;
    expect(alarms(binomial(1000, 0.1), binomial(1000, 0.17), isAlarm)).toBeGreaterThan(0.9);
  });

  it('change the sign when swapped, and grow apart with their difference', () => {
    const count = fc.record({
      count: fc.double({ min: 0, max: 1, noNaN: true }),
      of: fc.integer({ min: 1, max: 1e9 }),
    });
    fc.assert(
      fc.property(count, count, (x, y) => {
        const [a, b] = [x, y].map(({ count: share, of }) => ({ count: share * of, of }));
        expect(shareDeviations(b, a)).toBeCloseTo(-shareDeviations(a, b), 9);
      }),
    );
    const against = (count_: number) => shareDeviations({ count: 10, of: 100 }, { count: count_, of: 100 });
    expect([10, 20, 30, 100].map(against)).toEqual([10, 20, 30, 100].map(against).sort((x, y) => x - y));
    expect(against(100)).toBeGreaterThan(CHANCE);
  });

  it('of one sample more or less are alike', () => {
    for (const of of [10, 100, 1000, 100_000]) {
      expect(Math.abs(shareDeviations({ count: 0, of }, { count: 1, of }))).toBeLessThan(1);
    }
  });
});

describe('two rates', () => {
  it.each([
    [10, 10],
    [100, 5],
    [0.5, 0.5],
  ])('that are equal are seldom taken for unlike: %d and %d events on average', (mean, other) => {
    const isAlarm = (x: number, y: number) =>
      Math.abs(rateDeviations({ count: x, time: mean }, { count: y, time: other })) >= CHANCE;
    expect(alarms(poisson(mean, 300), poisson(other, 300), isAlarm)).toBeLessThan(3 * OUTSIDE);
  });

  it('that are unlike are found', () => {
    expect(rateDeviations({ count: 100, time: 1 }, { count: 200, time: 1 })).toBeGreaterThan(CHANCE);
    expect(rateDeviations({ count: 100, time: 1 }, { count: 200, time: 2 })).toBeCloseTo(0, 1);
  });
});

describe('the size of a sample', () => {
  it('is that of its samples where they weigh the same, and less where they do not', () => {
    expect(sampleSize(drawProfile('f 10\ng 5'))).toEqual({ weight: 15, samples: 15, effective: 15 });
    expect(sampleSize(drawProfile('f 100/10\ng 50/5'))).toEqual({ weight: 150, samples: 15, effective: 15 });
    const { effective } = sampleSize(drawProfile('f 1000/1\ng 10'));
    expect(effective).toBeGreaterThan(1);
    expect(effective).toBeLessThan(1.1);
    expect(sampleSize(drawProfile(''))).toEqual({ weight: 0, samples: 0, effective: 0 });
  });
});
