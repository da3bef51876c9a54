// How many connections of strangers there may be, and who gives way.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HalfOpen, networkOf, plainAddress } from '../../../controller/dial-in/half-open.js';

describe('connections that nobody vouches for', () => {
  it('are at most so many from one address', () => {
    const halfOpen = new HalfOpen<number>({ total: 10, perAddress: 2 });
    expect([1, 2, 3].map((id) => halfOpen.take(id, '10.0.0.1'))).toEqual([
      { evicted: undefined },
      { evicted: undefined },
      'refused',
    ]);
    halfOpen.release(1, '10.0.0.1');
    expect(halfOpen.take(4, '10.0.0.1')).toEqual({ evicted: undefined });
  });

  it('from the most crowded address give way, the oldest first', () => {
    const halfOpen = new HalfOpen<string>({ total: 4, perAddress: 3 });
    for (const id of ['a1', 'a2', 'a3']) halfOpen.take(id, '10.0.0.1');
    halfOpen.take('b1', '10.0.0.2');
    expect(halfOpen.take('c1', '10.0.0.3')).toEqual({ evicted: 'a1' });
    // All have about the same now: nobody gives way to one more.
    expect(halfOpen.take('b2', '10.0.0.2')).toBe('refused');
    expect(halfOpen.count).toBe(4);
  });

  it('never are more than allowed, whatever comes and goes', () => {
    const step = fc.record({ address: fc.constantFrom('a', 'b', 'c', 'd'), id: fc.nat(30), leaves: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const halfOpen = new HalfOpen<string>({ total: 5, perAddress: 3 });
        const held = new Map<string, string>();
        for (const { address, id, leaves } of steps) {
          const name = `${address}${id}`;
          if (held.has(name) || leaves) {
            halfOpen.release(name, address);
            held.delete(name);
            continue;
          }
          const taken = halfOpen.take(name, address);
          if (taken === 'refused') continue;
          if (taken.evicted !== undefined) expect(held.delete(taken.evicted)).toBe(true);
          held.set(name, address);
          expect(halfOpen.count).toBe(held.size);
          expect(held.size).toBeLessThanOrEqual(5);
          expect([...held.values()].filter((at) => at === address).length).toBeLessThanOrEqual(3);
        }
      }),
    );
  });

  it('count a /64 of IPv6 as one address', () => {
    expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe(networkOf('2001:0db8:1:2::1'));
    expect(networkOf('2001:db8:1:2::1')).not.toBe(networkOf('2001:db8:1:3::1'));
    expect([networkOf('::1'), networkOf('fe80::1%eth0'), networkOf('10.0.0.1')]).toEqual([
      '0:0:0:0::/64',
      'fe80:0:0:0::/64',
      '10.0.0.1',
    ]);
    expect(plainAddress('::ffff:10.0.0.1')).toBe('10.0.0.1');
  });
});
