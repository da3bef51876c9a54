// Memory for the results of many hosts: the limit holds for all together, and nobody waits for ever.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IntakeRoom, memoryOf } from '../../../controller/jobs/intake-room.js';
import { encodeProfile } from '../../../proto/profile-codec.js';
import { drawProfile } from '../../profile/draw-profile.js';

const never = new AbortController().signal;

describe('room for results', () => {
  it('keeps below the limit and one host, in any order, and every host comes to its end', async () => {
    const hosts = fc.array(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(hosts, fc.scheduler(), async (parts, scheduler) => {
        const limit = 100;
        const room = new IntakeRoom(limit);
        const largest = Math.max(...parts.map((list) => list.reduce((a, b) => a + b, 0)));
        const all = Promise.all(
          parts.map(async (list) => {
            const holder = {};
            for (const bytes of list) {
              await scheduler.schedule(Promise.resolve());
              await room.take(holder, bytes, never);
              expect(room.used).toBeLessThanOrEqual(limit + largest);
            }
            await scheduler.schedule(Promise.resolve());
            room.release(holder);
          }),
        );
        await scheduler.waitFor(all);
        expect(room.used).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('lets the first host go beyond it, and another one only when there is room', async () => {
    const room = new IntakeRoom(100);
    const [first, second] = [{}, {}];
    await room.take(first, 250, never);
    let hasTaken = false;
    const waiting = room.take(second, 1, never).then(() => {
      hasTaken = true;
    });
    await room.take(first, 50, never);
    await new Promise(setImmediate);
    expect(hasTaken).toBe(false);
    room.release(first);
    await waiting;
    expect(room.used).toBe(1);
  });

  it('is not waited for any more when the host run ends', async () => {
    const room = new IntakeRoom(100);
    const stop = new AbortController();
    await room.take({}, 100, never);
    const waiting = room.take({}, 1, stop.signal);
    stop.abort();
    await waiting;
    expect(room.used).toBe(100);
  });

  it('counts what a chunk becomes, not what it is on the wire', () => {
    const [chunk] = encodeProfile(drawProfile('main 1'));
    if (chunk === undefined) throw new Error('a profile has a chunk');
    expect(memoryOf({ kind: 'profile-chunk', chunk })).toBeGreaterThan(8 * chunk.rawLength);
    expect(memoryOf({ kind: 'state', state: 'running', detail: '' })).toBe(0);
  });
});
