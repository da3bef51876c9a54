// Where the hosts of a wave wait for each other, and agree on one moment at which all of them begin.
import type { Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import type { Clock } from '../clock.js';

export interface RendezvousOptions {
  readonly clock: Clock;
  /** The agreed moment is so long after the last host has come. */
  readonly lead: Milliseconds;
  /** Nobody is waited for longer than this after the first host has come. */
  readonly patience: Milliseconds;
}

export class Rendezvous {
  readonly #options: RendezvousOptions;
  readonly #missing: Set<string>;
  readonly #over = new AbortController();
  #begun: Promise<unknown> | undefined;
  #agreed: number | undefined;

  /** @param hosts names of those that are waited for */
  constructor(hosts: Iterable<string>, options: RendezvousOptions) {
    this.#options = options;
    this.#missing = new Set(hosts);
  }

  /**
   * The host is ready to be told. Who comes after the others gave up waiting is told their moment, which may be past.
   * @returns the agreed moment, of the controller's clock
   * @throws FailureError 'cancelled' when `signal` aborts before
   */
  async meet(host: string, signal: AbortSignal): Promise<number> {
    const { clock, patience } = this.#options;
    this.#begun ??= clock.sleep(patience, this.#over.signal);
    this.leave(host);
    await Promise.race([this.#begun, aborted(signal)]);
    if (signal.aborted) throw fail('cancelled', `${host} was to begin together with others, and that was called off`);
    return this.#agree();
  }

  /** Nobody waits for this host any more. */
  leave(host: string): void {
    this.#missing.delete(host);
    if (this.#missing.size === 0) this.#over.abort();
  }

  #agree(): number {
    this.#agreed ??= this.#options.clock.now() + this.#options.lead;
    return this.#agreed;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
