// Connections from their first packet until it is known whose they are: counted, and each ended when its time is over.
import type net from 'node:net';
import type { Milliseconds } from '../../proto/capture.js';
import type { Clock } from '../clock.js';
import { HalfOpen, type HalfOpenLimits, plainAddress } from './half-open.js';

/** One connection that has not been let in yet. */
export interface Arrival {
  readonly remoteAddress: string;
  /** Aborted when the connection is gone. */
  readonly closed: AbortSignal;
  /** From now on it has so long, in place of what it had. */
  allow(time: Milliseconds): void;
  /** It is let in: counts no longer, and has no deadline. */
  leave(): void;
}

export class Arrivals {
  readonly #halfOpen: HalfOpen<net.Socket>;
  readonly #clock: Clock;
  readonly #open = new Set<net.Socket>();
  readonly #arrivals = new Map<string, Arrival>();

  constructor(limits: HalfOpenLimits, clock: Clock) {
    this.#halfOpen = new HalfOpen(limits);
    this.#clock = clock;
  }

  /** Connections that nobody vouches for yet. */
  get count(): number {
    return this.#halfOpen.count;
  }

  /** @returns false for one that is too many, and already ended */
  accept(raw: net.Socket, time: Milliseconds): boolean {
    raw.on('error', () => raw.destroy());
    const remoteAddress = plainAddress(raw.remoteAddress);
    // A connection that is gone again has no address.
    const taken = raw.remoteAddress === undefined ? 'refused' : this.#halfOpen.take(raw, remoteAddress);
    if (taken === 'refused') {
      raw.destroy();
      return false;
    }
    taken.evicted?.destroy();
    const closed = new AbortController();
    let over = new AbortController();
    const allow = (longest: Milliseconds) => {
      over.abort();
      over = new AbortController();
      void this.#clock.sleep(longest, over.signal).then((how) => {
        if (how === 'elapsed') raw.destroy();
      });
    };
    const leave = () => {
      over.abort();
      this.#halfOpen.release(raw, remoteAddress);
    };
    const key = keyOf(raw);
    this.#open.add(raw);
    this.#arrivals.set(key, { ...{ remoteAddress, allow, leave }, closed: closed.signal });
    raw.once('close', () => {
      leave();
      closed.abort();
      this.#open.delete(raw);
      this.#arrivals.delete(key);
    });
    allow(time);
    return true;
  }

  /** That of a TLS socket on top of it. */
  of(socket: net.Socket): Arrival | undefined {
    return this.#arrivals.get(keyOf(socket));
  }

  /** Ends all connections, also those that were let in. */
  end(): void {
    for (const raw of this.#open) raw.destroy();
  }
}

/** A TLS socket and the connection below it have the same. */
function keyOf(socket: net.Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
