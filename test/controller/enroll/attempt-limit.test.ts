// Failed attempts per address.
import { expect, it } from 'vitest';
import { AttemptLimit } from '../../../controller/enroll/attempt-limit.js';

const limits = { burst: 3, refill: 1000, addresses: 4 };

it('makes an address wait after its burst, and lets it go on when the time has passed', () => {
  let now = 0;
  const limit = new AttemptLimit(() => now, limits);
  for (let i = 0; i < 3; i++) {
    expect(limit.wait('10.0.0.1')).toBe(0);
    limit.failed('10.0.0.1');
  }
  expect(limit.wait('10.0.0.1')).toBe(1000);
  expect(limit.wait('10.0.0.2')).toBe(0);
  now = 999;
  expect(limit.wait('10.0.0.1')).toBe(1);
  now = 1000;
  expect(limit.wait('10.0.0.1')).toBe(0);
  limit.failed('10.0.0.1');
  expect(limit.wait('10.0.0.1')).toBe(1000);
  now = -5000;
  expect(limit.wait('10.0.0.1')).toBe(1000);
  now = 1_000_000;
  expect(limit.wait('10.0.0.1')).toBe(0);
});

it('takes a /64 of IPv6 for one address', () => {
  const limit = new AttemptLimit(() => 0, limits);
  for (const address of ['2001:db8::1', '2001:db8:0:0::2', '2001:0db8:0000:0000:ffff::3%eth0']) limit.failed(address);
  expect(limit.wait('2001:db8:0:0:1:2:3:4')).toBe(1000);
  expect(limit.wait('2001:db8:0:1::1')).toBe(0);
  expect(limit.wait('::1')).toBe(0);
});

it('forgets the longest known of too many', () => {
  const limit = new AttemptLimit(() => 0, limits);
  for (let i = 0; i < 3; i++) limit.failed('a');
  for (const other of ['b', 'c', 'd']) limit.failed(other);
  expect(limit.wait('a')).toBe(1000);
  limit.failed('e');
  expect(limit.wait('a')).toBe(0);
});
