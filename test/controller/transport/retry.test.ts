// Retries: few, bounded, spread; and never where trust is missing.
import { describe, expect, it } from 'vitest';
import { askingRetries, callFailure, followingRetries, retryDelay } from '../../../controller/transport/retry.js';
import { fail } from '../../../proto/failure.js';

describe('retries', () => {
  it('wait longer each time, up to a limit, and end', () => {
    const delays = Array.from({ length: 10 }, (_, i) =>
      retryDelay(followingRetries, 'unreachable', i + 1, () => 0.999_999),
    );
    expect(delays.map((delay) => delay && Math.round(delay))).toEqual([
      ...[250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000],
      ...[undefined, undefined],
    ]);
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
