// Which captures expire: never one that runs, the oldest first, and none because somebody set the clock.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Aged, ageOf, expired, SAFE_AGE } from '../../../agent/spool/expiry.js';

const day = 24 * 3_600_000;
const aged = (captureId: string, days: number, spooledBytes = 10, state: Aged['state'] = 'done'): Aged => ({
  ...{ captureId, state, spooledBytes, age: days * day },
});
const ids = (gone: readonly { captureId: string }[]) => gone.map(({ captureId }) => captureId);

describe('captures that nobody fetches', () => {
  it('go when they are old, with the reason', () => {
    const gone = expired([aged('old', 8), aged('young', 6), aged('running', 9, 10, 'running')], {
      maxAge: 7 * day,
      maxBytes: 1e9,
    });
    expect(gone).toEqual([
      { captureId: 'old', why: 'nobody fetched it for 192 hours, and it is older than captures are kept (10 bytes)' },
    ]);
  });

  it('go when room is short: the oldest, and no more than needed', () => {
    const captures = [aged('b', 2), aged('c', 1), aged('a', 3), aged('running', 4, 100, 'running')];
    expect(ids(expired(captures, { maxAge: 7 * day, maxBytes: 115 }))).toEqual(['a', 'b']);
  });

  it('stay for an hour whatever room there is', () => {
    const fresh = { ...aged('fresh', 0), age: SAFE_AGE };
    expect(expired([fresh], { maxAge: 7 * day, maxBytes: 0 })).toEqual([]);
  });

  it('are never ones that run, and never younger than one that stays and is in the way', () => {
    const capture = fc.record({
      captureId: fc.uuid(),
      state: fc.constantFrom<Aged['state']>('done', 'running', 'symbolizing'),
      spooledBytes: fc.nat(1000),
      age: fc.nat(20 * day),
    });
    fc.assert(
      fc.property(fc.uniqueArray(capture, { selector: (c) => c.captureId }), fc.nat(5000), (captures, maxBytes) => {
        const gone = new Set(ids(expired(captures, { maxAge: 7 * day, maxBytes })));
        const stays = captures.filter(({ captureId }) => !gone.has(captureId));
        expect(captures.filter((c) => gone.has(c.captureId) && c.state !== 'done')).toEqual([]);
        expect(stays.filter((c) => c.state === 'done' && c.age > 7 * day)).toEqual([]);
        const bytes = stays.reduce((sum, c) => sum + c.spooledBytes, 0);
        if (bytes > maxBytes) expect(stays.filter((c) => c.state === 'done' && c.age > SAFE_AGE)).toEqual([]);
      }),
    );
  });
});

describe('the age of a capture', () => {
  it('is by the wall clock across boots, and never negative', () => {
    expect(ageOf(1_000, 5_000, undefined)).toBe(4_000);
    expect(ageOf(5_000, 1_000, undefined)).toBe(0);
  });

  it('is not more than the time since its process started, however far the clock was set forward', () => {
    expect(ageOf(1_000, 1_000 + 365 * day, 60_000)).toBe(60_000);
  });
});
