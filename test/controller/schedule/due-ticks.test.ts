// What becomes of ticks that are due, on time or not.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DueTicks, dueTicks } from '../../../controller/schedule/due-ticks.js';
import { MISSED_POLICIES, type MissedPolicy } from '../../../controller/schedule/schedule.js';

/** Due every 10, up to `end`. */
function tens(end = Number.POSITIVE_INFINITY) {
  return {
    nextAfter(time: number) {
      const next = (Math.floor(time / 10) + 1) * 10;
      return next < end ? next : undefined;
    },
  };
}

function decide(missed: MissedPolicy, due: number, now: number, tolerance = 5, end?: number): DueTicks {
  return dueTicks({ missed, tolerance }, tens(end), due, now);
}

describe('ticks that are due', () => {
  it('are none before their time', () => {
    expect(decide('all', 100, 99)).toEqual({ fire: [], missed: undefined, next: 100 });
  });

  it('fire on time, whatever the policy', () => {
    for (const policy of MISSED_POLICIES) {
      expect(decide(policy, 100, 105)).toEqual({ fire: [100], missed: undefined, next: 110 });
    }
  });

  it('that were missed are left out, made up for once, or all of them', () => {
    expect(decide('skip', 100, 139)).toEqual({ fire: [], missed: { first: 100, last: 130, count: 4 }, next: 140 });
    expect(decide('once', 100, 139)).toEqual({ fire: [130], missed: { first: 100, last: 120, count: 3 }, next: 140 });
    expect(decide('all', 100, 139)).toEqual({ fire: [100, 110, 120, 130], missed: undefined, next: 140 });
  });

  it('are not made up for by one when another is on time', () => {
    expect(decide('once', 100, 133)).toEqual({ fire: [130], missed: { first: 100, last: 120, count: 3 }, next: 140 });
  });

  it('end with the calendar', () => {
    expect(decide('once', 100, 500, 5, 121)).toEqual({
      ...{ fire: [120], missed: { first: 100, last: 110, count: 2 }, next: undefined },
    });
  });

  it('are made up for within bounds after a very long time', () => {
    const { fire, missed, next } = decide('all', 0, 3_000_000);
    expect([fire.length, next]).toEqual([101, 3_000_010]);
    expect(fire.at(-1)).toBe(3_000_000);
    expect(missed?.first).toBe(0);
    expect(missed?.count).toBeGreaterThanOrEqual(99_900);
  });

  it('are each fired or missed, once, in order', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MISSED_POLICIES),
        fc.nat(100),
        fc.nat(3000),
        fc.nat(200),
        (policy, start, span, tolerance) => {
          const due = start * 10;
          const now = due + span;
          const { fire, missed, next } = decide(policy, due, now, tolerance);
          const all = Array.from({ length: Math.floor(span / 10) + 1 }, (_, i) => due + i * 10);
          expect(fire.length + (missed?.count ?? 0)).toBe(all.length);
          expect(fire).toEqual([...new Set(fire)].sort((a, b) => a - b));
          expect(fire).toEqual(expect.arrayContaining(all.filter((time) => time >= now - tolerance)));
          expect(next).toBe((all.at(-1) ?? 0) + 10);
          if (policy === 'all' && all.length <= 100) expect(missed).toBeUndefined();
        },
      ),
    );
  });
});
