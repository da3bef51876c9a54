// Which agents are connected: one connection per host, what happens to a second one, and waiting for one that is just coming back.
import type { Milliseconds } from '../../proto/capture.js';
import { type Failure, FailureError, fail } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import type { AgentLink } from './agent-link.js';
import type { ConnectedAgent } from './dial-in.js';

export interface AgentTableOptions {
  readonly clock: Clock;
  readonly mostAgents: number;
  /** How long `take` waits for an agent that was here lately. */
  readonly patience: Milliseconds;
  /** How long after it went an agent counts as one that comes back. */
  readonly lately: Milliseconds;
  /** When the host is connected, while it is, and when it goes. */
  readonly seen: (host: string, remoteAddress: string, now: number) => void;
}

interface Departure {
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
  /** Monotonic. */
  readonly since: Milliseconds;
  readonly remoteAddress: string;
}

export class AgentTable {
  readonly #options: AgentTableOptions;
  readonly #links = new Map<string, AgentLink>();
  /** When the host was last here, and from where. Bounded: the oldest is forgotten. */
  readonly #gone = new Map<string, Departure>();
  /** Hosts that were cut off, and why; until they are let in again. Bounded: the oldest is forgotten. */
  readonly #barred = new Map<string, Failure>();
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Monotonic. */
  readonly #opened: Milliseconds;

  constructor(options: AgentTableOptions) {
    this.#options = options;
    this.#opened = options.clock.monotonic();
  }

  connected(): readonly ConnectedAgent[] {
    return [...this.#links.values()].map(({ host, since, remoteAddress }) => ({ host, since, remoteAddress }));
  }

  get links(): Iterable<AgentLink> {
    return this.#links.values();
  }

  get(host: string): AgentLink | undefined {
    return this.#links.get(host);
  }

  /**
   * Take a connection in. Another one of the same host gives way when it is of the same process, or is dead. While it lives the new one
   * is refused: two machines with one identity would otherwise push each other out for ever.
   * @returns why it is refused
   */
  async place(link: AgentLink): Promise<Failure | undefined> {
    for (let old = this.#links.get(link.host); old !== undefined; old = this.#links.get(link.host)) {
      if (old.instance !== link.instance && (await old.isAlive())) return takenBy(old);
      this.#remove(old);
      old.destroy();
    }
    if (link.closed.aborted) return fail('unreachable', `${link.host} hung up`).failure;
    const { clock, mostAgents, seen } = this.#options;
    if (this.#links.size >= mostAgents) {
      return fail('exhausted', `${mostAgents} agents are connected; no more are taken`, 'run another controller')
        .failure;
    }
    this.#links.set(link.host, link);
    this.#gone.delete(link.host);
    this.#barred.delete(link.host);
    link.closed.addEventListener('abort', () => this.#remove(link), { once: true });
    seen(link.host, link.remoteAddress, clock.now());
    this.#wake(link.host);
    return undefined;
  }

  /** Nobody gets its connection any more, or waits for it: `take` fails with this. */
  bar(host: string, failure: Failure): void {
    this.#barred.set(host, failure);
    forgetOldest(this.#barred, this.#options.mostAgents);
    this.#wake(host);
  }

  /**
   * The connection of a host that nobody uses, once there is one.
   * @throws FailureError that of `bar`; 'unreachable' that says when the host was last here; 'cancelled'
   */
  async take(host: string, signal: AbortSignal): Promise<AgentLink> {
    const { clock, patience } = this.#options;
    const deadline = clock.monotonic() + (this.#isExpected(host) ? patience : 0);
    for (;;) {
      if (signal.aborted) throw fail('cancelled', `connecting to ${host}: cancelled`);
      const barred = this.#barred.get(host);
      if (barred !== undefined) throw new FailureError(barred);
      const link = this.#links.get(host);
      if (link?.isIdle === true && !link.closed.aborted) return link;
      const left = deadline - clock.monotonic();
      if (left <= 0) throw this.#absent(host, link);
      await this.#change(host, left, signal);
    }
  }

  #isExpected(host: string): boolean {
    const { clock, lately } = this.#options;
    const since = Math.max(this.#opened, this.#gone.get(host)?.since ?? this.#opened);
    return this.#links.has(host) || clock.monotonic() - since <= lately;
  }

  async #change(host: string, longest: Milliseconds, signal: AbortSignal): Promise<void> {
    const waiting = this.#waiting.get(host) ?? new Set();
    this.#waiting.set(host, waiting);
    const over = new AbortController();
    const wake = () => over.abort();
    waiting.add(wake);
    await this.#options.clock.sleep(longest, AbortSignal.any([signal, over.signal]));
    waiting.delete(wake);
    if (waiting.size === 0 && this.#waiting.get(host) === waiting) this.#waiting.delete(host);
  }

  #wake(host: string): void {
    for (const wake of this.#waiting.get(host) ?? []) wake();
  }

  #remove(link: AgentLink): void {
    if (this.#links.get(link.host) !== link) return;
    const { clock, mostAgents, seen } = this.#options;
    const { remoteAddress } = link;
    this.#links.delete(link.host);
    this.#gone.set(link.host, { at: clock.now(), since: clock.monotonic(), remoteAddress });
    forgetOldest(this.#gone, mostAgents);
    seen(link.host, remoteAddress, clock.now());
    this.#wake(link.host);
  }

  #absent(host: string, link: AgentLink | undefined) {
    if (link !== undefined) {
      return fail('unreachable', `the connection of ${host}, from ${link.remoteAddress}, is in use`, 'try again');
    }
    const last = this.#gone.get(host);
    const when =
      last === undefined
        ? 'has not dialed in since this controller started'
        : `is not connected; it was last here at ${new Date(last.at).toISOString()}, from ${last.remoteAddress}`;
    return fail(
      'unreachable',
      `${host} ${when}`,
      'is its agent running? `perftrawl agent --dial CONTROLLER:PORT` there',
    );
  }
}

function forgetOldest(hosts: Map<string, unknown>, most: number): void {
  for (const oldest of hosts.keys()) {
    if (hosts.size <= most) return;
    hosts.delete(oldest);
  }
}

function takenBy(old: AgentLink): Failure {
  const since = new Date(old.since).toISOString();
  return fail(
    'conflict',
    `${old.host} is connected already, from ${old.remoteAddress}, since ${since}, and answers`,
    'run one agent per identity: enroll the other machine under a name of its own',
  ).failure;
}
