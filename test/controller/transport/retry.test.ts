// Retries: few, bounded, spread; and never where trust is missing.
import { describe, expect, it } from 'vitest';
import {
  askingRetries,
  callFailure,
  fetchingRetries,
  followingRetries,
  type RetryTable,
  retryDelay,
} from '../../../controller/transport/retry.js';
import { fail } from '../../../proto/failure.js';

describe('retries', () => {
  const delays = (table: RetryTable, tries: number) =>
    Array.from({ length: tries }, (_, i) => retryDelay(table, 'unreachable', i + 1, () => 0.999_999)).map(
      (delay) => delay && Math.round(delay),
    );

  it('wait longer each time, up to a limit, and end', () => {
    const all = [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, undefined, undefined];
    expect(delays(fetchingRetries, 10)).toEqual(all);
  });

  it('do not end for a capture that runs: its deadline does that', () => {
    expect(delays(followingRetries, 2000).slice(6)).toEqual(Array(1994).fill(15_000));
  });

  it('are spread over half of the delay', () => {
    expect(retryDelay(askingRetries, 'unreachable', 1, () => 0)).toBe(125);
    expect(retryDelay(askingRetries, 'unreachable', 1, () => 0.5)).toBe(187.5);
  });

  it.each(['untrusted', 'refused', 'bad-data', 'cancelled', 'not-found'] as const)('are not made for %s', (code) => {
    expect([askingRetries, followingRetries].map((table) => retryDelay(table, code, 1, () => 0))).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('take a call that somebody else cancelled for a broken connection', () => {
    const cancelled = fail('cancelled', 'describing: cancelled');
    expect(callFailure(cancelled, new AbortController().signal).code).toBe('unreachable');
    expect(callFailure(cancelled, AbortSignal.abort()).code).toBe('cancelled');
    const reset = fail('internal', 'describing: Received RST_STREAM with code 2');
    expect(callFailure(reset, new AbortController().signal).code).toBe('unreachable');
    expect(callFailure(fail('internal', 'a defect'), new AbortController().signal).code).toBe('internal');
  });
});
