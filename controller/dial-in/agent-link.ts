// The controller's end of one connection that an agent opened: frames while nobody uses it, then gRPC until it ends.
import type { TLSSocket } from 'node:tls';
import type { Milliseconds } from '../../proto/capture.js';
import { type DialFrame, encodeDialFrame, readDialFrame } from '../../proto/dial-codec.js';
import { type Failure, fail } from '../../proto/failure.js';
import { timeoutSignal } from '../../proto/timeout-signal.js';
import type { Clock } from '../clock.js';
import { firstBytes } from '../transport/first-bytes.js';
import type { ConnectedAgent } from './dial-in.js';

export interface LinkTimes {
  /** Without a byte for so long, the agent is dead. */
  readonly silenceLimit: Milliseconds;
  /** For the answer to a ping. */
  readonly pongTimeout: Milliseconds;
  /** For the roles to turn round. */
  readonly beginTimeout: Milliseconds;
}

/** Looks for a sign of life. */
const LOOK_INTERVAL: Milliseconds = 200;

export class AgentLink implements ConnectedAgent {
  readonly host: string;
  readonly instance: string;
  readonly since: number;
  readonly remoteAddress: string;
  readonly #socket: TLSSocket;
  readonly #clock: Clock;
  readonly #times: LinkTimes;
  readonly #closed = new AbortController();
  /** When the certificate of this connection ends, in milliseconds since 1970 UTC. */
  readonly #until: number;
  #state: 'idle' | 'in-use' = 'idle';
  #onBegun: (() => void) | undefined;
  #bytes = 0;
  /** Monotonic. */
  #heardAt: Milliseconds;

  /** @param socket with a proven agent that has said its hello */
  constructor(
    socket: TLSSocket,
    who: { readonly host: string; readonly instance: string; readonly remoteAddress: string },
    clock: Clock,
    times: LinkTimes,
  ) {
    this.#socket = socket;
    this.host = who.host;
    this.instance = who.instance;
    this.remoteAddress = who.remoteAddress;
    this.#clock = clock;
    this.#times = times;
    this.since = clock.now();
    this.#heardAt = clock.monotonic();
    this.#until = Date.parse(socket.getPeerX509Certificate()?.validTo ?? '');
    socket.once('close', () => this.#closed.abort());
    if (socket.destroyed) this.#closed.abort();
  }

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** Aborted when the connection is gone. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Let the agent in, and read what it says until the roles turn round. */
  welcome(): void {
    void this.#say({ kind: 'welcome', host: this.host });
    this.#read().catch(() => this.#socket.destroy());
  }

  refuse(failure: Failure): void {
    if (this.isIdle) this.#socket.end(encodeDialFrame({ kind: 'refused', failure }));
    // What was said still has to leave; whoever does not take it is cut off.
    if (this.isIdle) void this.#clock.sleep(LOOK_INTERVAL, this.closed).then(() => this.#socket.destroy());
    else this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * Once in a while: pings an agent that nobody uses, and gives up one that is silent. One whose certificate has ended is let go without
   * a refusal: it is back at once with its new one, or is refused then.
   */
  check(): void {
    const isSilent = this.#listen() > this.#times.silenceLimit;
    if (isSilent || this.#clock.now() > this.#until) this.#socket.destroy();
    else if (this.isIdle) void this.#say({ kind: 'ping' });
  }

  /**
   * Whether the other end still lives. One that nobody uses is asked; one in use pings by itself (`agent/serve.ts`), so that it is enough
   * to wait.
   */
  async isAlive(): Promise<boolean> {
    this.#listen();
    const asked = this.#clock.monotonic();
    if (this.isIdle) void this.#say({ kind: 'ping' });
    const { pongTimeout, silenceLimit } = this.#times;
    const limit = this.isIdle ? pongTimeout : silenceLimit / 2;
    while (!this.closed.aborted && this.#clock.monotonic() - asked < limit) {
      await this.#clock.sleep(LOOK_INTERVAL, this.closed);
      this.#listen();
      if (this.#heardAt > asked) return !this.closed.aborted;
    }
    return false;
  }

  /**
   * The roles turn round: the stream, on which the agent serves gRPC from now on. Once only.
   * @throws FailureError 'unreachable', and then the connection is gone; 'cancelled'
   */
  async begin(signal: AbortSignal): Promise<TLSSocket> {
    this.#state = 'in-use';
    const timeout = timeoutSignal(this.#times.beginTimeout);
    const ended = AbortSignal.any([signal, timeout, this.closed]);
    try {
      const begun = new Promise<void>((resolve, reject) => {
        this.#onBegun = resolve;
        ended.addEventListener('abort', () => reject(ended.reason), { once: true });
        if (ended.aborted) reject(ended.reason);
      });
      // Both: HTTP/2 takes the connection over below the stream, and a write that is still under way then ends the process (Node 20).
      await Promise.all([this.#say({ kind: 'begin' }), begun]);
      await firstBytes(this.#socket, () => new Error('it hung up'), ended);
      return this.#socket;
    } catch (error) {
      this.#socket.destroy();
      if (signal.aborted) throw fail('cancelled', `connecting to ${this.host}: cancelled`, '', error);
      const how = timeout.aborted ? `did not answer within ${this.#times.beginTimeout} ms` : 'hung up';
      throw fail('unreachable', `the agent of ${this.host}, at ${this.remoteAddress}, ${how}`, '', error);
    }
  }

  async #read(): Promise<void> {
    for (;;) {
      const frame = await readDialFrame(this.#socket, this.closed);
      if (frame.kind !== 'begun') continue;
      if (this.#onBegun === undefined) throw fail('bad-data', `the agent of ${this.host} began without being asked`);
      this.#onBegun();
      return;
    }
  }

  /** How long nothing was heard. */
  #listen(): Milliseconds {
    const now = this.#clock.monotonic();
    const { bytesRead } = this.#socket;
    if (bytesRead !== this.#bytes) this.#heardAt = now;
    this.#bytes = bytesRead;
    return now - this.#heardAt;
  }

  /** Resolves when it has left, or the connection is gone. */
  #say(frame: DialFrame): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) resolve();
      else this.#socket.write(encodeDialFrame(frame), () => resolve());
    });
  }
}
