// Failed logins per address: who fails too often has to wait, so that guessing costs the server next to nothing.
import { isIPv6 } from 'node:net';
import type { Milliseconds } from '../../proto/capture.js';

const mostFailures = 10;
const span: Milliseconds = 60_000;
/** Addresses that are remembered; the oldest make room. */
const mostAddresses = 10_000;

interface Failures {
  readonly since: number;
  readonly count: number;
}

export class LoginLimit {
  readonly #now: () => number;
  readonly #byNetwork = new Map<string, Failures>();

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How long the address has to wait; 0: it need not. */
  wait(address: string): Milliseconds {
    const known = this.#byNetwork.get(networkOf(address));
    if (known === undefined || known.count < mostFailures) return 0;
    return Math.max(0, known.since + span - this.#now());
  }

  failed(address: string): void {
    const network = networkOf(address);
    const known = this.#byNetwork.get(network);
    const isFresh = known !== undefined && known.since + span > this.#now();
    this.#byNetwork.delete(network);
    this.#byNetwork.set(network, isFresh ? { ...known, count: known.count + 1 } : { since: this.#now(), count: 1 });
    for (const oldest of this.#byNetwork.keys()) {
      if (this.#byNetwork.size <= mostAddresses) return;
      this.#byNetwork.delete(oldest);
    }
  }
}

/** Whoever has one IPv6 address has the other 2^64 of its network too. */
function networkOf(address: string): string {
  return isIPv6(address) && !address.startsWith('::ffff:') ? address.split(':').slice(0, 4).join(':') : address;
}
