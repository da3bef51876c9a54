// Hosts wait for each other: who is waited for, for how long, and what the late ones are told.
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../controller/clock.js';
import { Rendezvous } from '../../../controller/jobs/rendezvous.js';

const never = new AbortController().signal;

/** A clock that stands still until it is told to go on. */
function handClock() {
  let now = 1000;
  const sleepers: (() => void)[] = [];
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: (_duration, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve('aborted'), { once: true });
        sleepers.push(() => resolve('elapsed'));
      }),
  };
  const goOn = (to: number) => {
    now = to;
    for (const wake of sleepers) wake();
  };
  return { clock, goOn };
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.finally(() => {
    settled = true;
  });
  await new Promise(setImmediate);
  return settled;
}

describe('a rendezvous', () => {
  it('agrees on one moment once all have come', async () => {
    const { clock } = handClock();
    const meeting = new Rendezvous(['a', 'b'], { clock, lead: 500, patience: 10_000 });
    const first = meeting.meet('a', never);
    expect(await isSettled(first)).toBe(false);
    expect(await Promise.all([first, meeting.meet('b', never)])).toEqual([1500, 1500]);
  });

  it('does not wait for those that left', async () => {
    const { clock } = handClock();
    const meeting = new Rendezvous(['a', 'b', 'c'], { clock, lead: 500, patience: 10_000 });
    meeting.leave('b');
    const first = meeting.meet('a', never);
    meeting.leave('c');
    expect(await first).toBe(1500);
  });

  it('gives up on the slow ones, who are told the same moment when they come', async () => {
    const { clock, goOn } = handClock();
    const meeting = new Rendezvous(['a', 'b'], { clock, lead: 500, patience: 10_000 });
    const first = meeting.meet('a', never);
    goOn(11_000);
    expect(await first).toBe(11_500);
    goOn(50_000);
    expect(await meeting.meet('b', never)).toBe(11_500);
  });

  it('is left by who is called off, and the others still meet', async () => {
    const { clock } = handClock();
    const meeting = new Rendezvous(['a', 'b', 'c'], { clock, lead: 500, patience: 10_000 });
    const off = new AbortController();
    const called = meeting.meet('a', off.signal);
    off.abort();
    await expect(called).rejects.toMatchObject({ failure: { code: 'cancelled' } });
    expect(await Promise.all([meeting.meet('b', never), meeting.meet('c', never)])).toEqual([1500, 1500]);
  });
});
