// When agents that lost their controller at the same moment come back.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backoff, DIAL_BACKOFF } from '../../../agent/dial/backoff.js';

const { first, longest, stable } = DIAL_BACKOFF;

describe('the wait before an agent dials again', () => {
  it('never is longer than its bound, which doubles and stays below the longest', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 0.999_999, noNaN: true }), { minLength: 1, maxLength: 100 }),
        (draws) => {
          let at = 0;
          const backoff = new Backoff(DIAL_BACKOFF, () => draws[at++ % draws.length]);
          for (let failures = 0; failures < 100; failures++) {
            const wait = backoff.next(0, false);
            expect(wait).toBeGreaterThanOrEqual(0);
            expect(wait).toBeLessThan(Math.min(longest, first * 2 ** failures));
          }
        },
      ),
    );
  });

  it('is short again after a connection that lasted, and only then', () => {
    const backoff = new Backoff(DIAL_BACKOFF, () => 0.999_999);
    for (let failures = 0; failures < 10; failures++) backoff.next(0, false);
    expect(backoff.next(stable - 1, false)).toBeGreaterThan(longest * 0.99);
    expect(backoff.next(stable, false)).toBeLessThan(first);
  });

  it('is long for one that was refused: a person has to change something first', () => {
    const waits = [0, 0.5, 0.999_999].map((draw) => new Backoff(DIAL_BACKOFF, () => draw).next(stable, true));
    expect(Math.min(...waits)).toBe(longest / 2);
    expect(Math.max(...waits)).toBeLessThan(longest);
  });
});

describe('a thousand agents whose controller is gone', () => {
  /** When each of them dials, in milliseconds after the controller went, until it is back at `downtime` and takes them. */
  function dials(downtime: number): { readonly all: number[]; readonly welcomed: number[] } {
    const random = seeded(42);
    const all: number[] = [];
    const welcomed: number[] = [];
    for (let agent = 0; agent < 1000; agent++) {
      const backoff = new Backoff(DIAL_BACKOFF, random);
      let now = backoff.next(stable, false);
      for (; now < downtime; now += backoff.next(0, false)) all.push(now);
      all.push(now);
      welcomed.push(now - downtime);
    }
    return { all, welcomed };
  }

  it.each([
    ['restarts in 5 seconds', 5_000, 260],
    ['is down for a minute', 60_000, 120],
    ['is down for an hour', 3_600_000, 60],
  ])('come back spread in time when it %s', (_what, downtime, mostPerSecond) => {
    const { all, welcomed } = dials(downtime);
    expect(Math.max(...welcomed)).toBeLessThan(longest);
    // The busiest second, of those in which the controller is up.
    expect(busiest(welcomed)).toBeLessThan(mostPerSecond);
    // And while it is down nobody hammers: after the first few tries, about one per agent and half minute.
    expect(all.length / 1000).toBeLessThan(8 + downtime / 25_000);
  });

  it('do not even dial together in the first moment', () => {
    const { all } = dials(1);
    expect(busiest(all, 100)).toBeLessThan(100);
  });
});

/** The most of them within one interval. */
function busiest(times: readonly number[], interval = 1000): number {
  const counts = new Map<number, number>();
  for (const time of times) {
    const slot = Math.floor(time / interval);
    counts.set(slot, (counts.get(slot) ?? 0) + 1);
  }
  return Math.max(...counts.values());
}

/** The same numbers at every run: mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
