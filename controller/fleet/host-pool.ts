// One connection per host, opened at its first use and shared by all jobs; a broken one is thrown away and opened anew.
import type { Duplex } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { AgentApi } from '../../proto/agent-api.js';
import { type AgentConnection, connectAgent } from '../../proto/agent-client.js';
import { FailureError, fail } from '../../proto/failure.js';
import type { Address, AgentDelivery, Host } from '../api.js';
import type { Clock } from '../clock.js';
import { callFailure, type RetryTable, retryDelay } from '../transport/retry.js';
import type { Transport } from '../transport/transport.js';

export interface HostPoolOptions {
  readonly transports: Readonly<Record<Address['transport'], Transport>>;
  readonly clock: Clock;
  readonly random: () => number;
  /** Told of hosts that nobody watches. */
  readonly onDelivery?: (host: string, delivery: AgentDelivery | undefined) => void;
}

/** The agent on its way to a host; undefined when it has arrived, or will not. */
export type DeliveryListener = (delivery: AgentDelivery | undefined) => void;

interface Entry {
  readonly address: Address;
  readonly connection: Promise<AgentConnection>;
  readonly abort: AbortController;
  readonly streams: Set<Duplex>;
}

/** How jobs and questions reach agents. */
export interface Agents {
  /**
   * Run `ask` against the host's agent, again on a fresh connection as far as `retries` says so.
   * @throws FailureError of the last try
   */
  ask<T>(
    host: Host,
    retries: RetryTable,
    signal: AbortSignal,
    ask: (api: AgentApi, signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
  /** The host's agent, for streams. */
  api(host: Host): Promise<AgentApi>;
  /** Be told of the agent that is sent to a host, until the function that this gives is called. */
  watchDelivery(host: Host, listener: DeliveryListener): () => void;
  /** The connection of `api` is broken: the next use opens another one. */
  discard(host: Host, api: AgentApi): Promise<void>;
}

export class HostPool implements Agents {
  readonly #options: HostPoolOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #watchers = new Map<string, Set<DeliveryListener>>();
  #isClosed = false;

  constructor(options: HostPoolOptions) {
    this.#options = options;
  }

  async ask<T>(
    host: Host,
    retries: RetryTable,
    signal: AbortSignal,
    ask: (api: AgentApi, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { clock, random } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const api = await this.api(host);
      try {
        return await ask(api, signal);
      } catch (error) {
        const failure = callFailure(error, signal);
        const delay = retryDelay(retries, failure.code, attempt, random);
        if (failure.code === 'unreachable') await this.discard(host, api);
        const isOver = delay === undefined || (await clock.sleep(delay, signal)) === 'aborted';
        if (isOver) throw new FailureError(failure, { cause: error });
      }
    }
  }

  async api(host: Host): Promise<AgentApi> {
    if (this.#isClosed) throw fail('cancelled', `reaching ${host.name}: the controller is closing`);
    const known = this.#entries.get(host.name);
    if (known !== undefined && isDeepStrictEqual(known.address, host.address)) return (await known.connection).api;
    const abort = new AbortController();
    const transport = this.#options.transports[host.address.transport];
    const streams = new Set<Duplex>();
    const connection = connectAgent(async () => {
      let isDelivered = false;
      try {
        const stream = await transport.open(host, abort.signal, (delivery) => {
          isDelivered = true;
          this.#tellDelivery(host, delivery);
        });
        streams.add(stream);
        stream.once('close', () => streams.delete(stream));
        return stream;
      } finally {
        if (isDelivered) this.#tellDelivery(host, undefined);
      }
    });
    this.#entries.set(host.name, { address: host.address, connection, abort, streams });
    if (known !== undefined) await closeEntry(known);
    return (await connection).api;
  }

  watchDelivery(host: Host, listener: DeliveryListener): () => void {
    const watchers = this.#watchers.get(host.name) ?? new Set();
    this.#watchers.set(host.name, watchers.add(listener));
    return () => {
      watchers.delete(listener);
      if (watchers.size === 0 && this.#watchers.get(host.name) === watchers) this.#watchers.delete(host.name);
    };
  }

  #tellDelivery(host: Host, delivery: AgentDelivery | undefined): void {
    const watchers = this.#watchers.get(host.name);
    if (watchers === undefined) this.#options.onDelivery?.(host.name, delivery);
    else for (const tell of watchers) tell(delivery);
  }

  async discard(host: Host, api: AgentApi): Promise<void> {
    const known = this.#entries.get(host.name);
    if (known === undefined || (await known.connection).api !== api) return;
    if (this.#entries.get(host.name) === known) this.#entries.delete(host.name);
    await closeEntry(known);
  }

  /** Ends all connections; captures go on at their agents. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map(closeEntry));
  }
}

async function closeEntry(entry: Entry): Promise<void> {
  entry.abort.abort();
  (await entry.connection).close();
  // gRPC lets calls under way go on.
  for (const stream of entry.streams) stream.destroy();
}
