// How many failed attempts an address has: a bucket of them per address, refilled with time. Attempts that succeed cost nothing, because
// many hosts may share one address.
import { isIP } from 'node:net';
import type { Milliseconds } from '../../proto/capture.js';

export interface AttemptLimits {
  /** Failed attempts at once. */
  readonly burst: number;
  /** One more after each of these. */
  readonly refill: Milliseconds;
  /** Addresses that are remembered; of more the longest known are forgotten. */
  readonly addresses: number;
}

export const DEFAULT_ATTEMPT_LIMITS: AttemptLimits = { burst: 20, refill: 3000, addresses: 10_000 };

interface Bucket {
  readonly failures: number;
  readonly at: number;
}

export class AttemptLimit {
  readonly #now: () => number;
  readonly #limits: AttemptLimits;
  readonly #buckets = new Map<string, Bucket>();

  /** @param now milliseconds since 1970 UTC */
  constructor(now: () => number, limits = DEFAULT_ATTEMPT_LIMITS) {
    this.#now = now;
    this.#limits = limits;
  }

  /** How long the address has to wait; 0: it may try. */
  wait(address: string): Milliseconds {
    const over = this.#failures(networkOf(address)) - this.#limits.burst + 1;
    return over <= 0 ? 0 : Math.ceil(over * this.#limits.refill);
  }

  failed(address: string): void {
    const key = networkOf(address);
    const failures = this.#failures(key) + 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { failures, at: this.#now() });
    for (const [oldest] of this.#buckets) {
      if (this.#buckets.size <= this.#limits.addresses) break;
      this.#buckets.delete(oldest);
    }
  }

  #failures(key: string): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    // A clock that was set back must not make it worse.
    const passed = Math.max(0, this.#now() - bucket.at);
    return Math.max(0, bucket.failures - passed / this.#limits.refill);
  }
}

/** One host has a whole /64 of IPv6 addresses. */
function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head, tail] = address.toLowerCase().split('%')[0].split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...right];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
