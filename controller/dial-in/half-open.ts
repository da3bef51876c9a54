// Connections that have not proved yet who they are: how many there may be, in all and from one address. Pure counting.
import { isIPv6 } from 'node:net';

export interface HalfOpenLimits {
  /** At the same time. */
  readonly total: number;
  readonly perAddress: number;
}

export class HalfOpen<T> {
  readonly #limits: HalfOpenLimits;
  /** By network; sets keep the order of arrival. */
  readonly #held = new Map<string, Set<T>>();
  #count = 0;

  constructor(limits: HalfOpenLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Whether one more from this address is taken. When all places are taken, the oldest connection of the most crowded network gives way
   * to a network that has fewer, so that nobody keeps the others out alone.
   * @returns 'refused', or what has to be ended for it, if anything
   */
  take(connection: T, address: string): 'refused' | { readonly evicted: T | undefined } {
    const network = networkOf(address);
    const own = this.#held.get(network)?.size ?? 0;
    if (own >= this.#limits.perAddress) return 'refused';
    let evicted: T | undefined;
    if (this.#count >= this.#limits.total) {
      const [crowded, others] = this.#mostCrowded();
      if (others.size <= own + 1) return 'refused';
      [evicted] = others;
      this.#remove(crowded, evicted);
    }
    const held = this.#held.get(network) ?? new Set();
    this.#held.set(network, held.add(connection));
    this.#count++;
    return { evicted };
  }

  /** It has proved who it is, or is gone. */
  release(connection: T, address: string): void {
    this.#remove(networkOf(address), connection);
  }

  #remove(network: string, connection: T): void {
    const held = this.#held.get(network);
    if (held === undefined || !held.delete(connection)) return;
    this.#count--;
    if (held.size === 0) this.#held.delete(network);
  }

  #mostCrowded(): readonly [string, Set<T>] {
    let most: readonly [string, Set<T>] = ['', new Set()];
    for (const entry of this.#held) if (entry[1].size > most[1].size) most = entry;
    return most;
  }
}

/** One who has an IPv6 address commonly has 2^64 of them: those count as one. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head, tail = ''] = address.split('%')[0].split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === '' ? [] : tail.split(':');
  const groups = [...front, ...Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0'), ...back];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** As a person writes it: an IPv4 address without the IPv6 form that dual-stack sockets give it. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/i, '');
}
