// When an agent renews its certificate, and how long it waits after a failure.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pauseAfter } from '../../../agent/enroll/renewal.js';

const HOUR = 3_600_000;

it('waits longer with each failure, at random, at most an hour and at most a tenth of what is left', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 999_999_999 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (failures, left, draw) => {
        const pause = pauseAfter(failures, left, draw);
        expect(pause).toBeGreaterThanOrEqual(500);
        expect(pause).toBeLessThanOrEqual(Math.min(HOUR, Math.max(1000, left / 10)));
      },
    ),
  );
  const most = (failures: number) => pauseAfter(failures, 1000 * HOUR, 1);
  expect([1, 2, 3, 20].map(most)).toEqual([30_000, 60_000, 120_000, HOUR]);
});
