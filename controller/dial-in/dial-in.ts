// Agents that dial in, as the rest of the controller sees them.
import type { Failure } from '../../proto/failure.js';
import type { Transport } from '../transport/transport.js';

export interface ConnectedAgent {
  readonly host: string;
  /** Milliseconds since 1970 UTC. */
  readonly since: number;
  /** Without the port: agents behind one NAT have one address. */
  readonly remoteAddress: string;
}

export interface DialIn {
  /** Where it listens, `HOST:PORT`, the port as bound. */
  readonly address: string;
  /** Gives the stream of a host that has dialed in. */
  readonly transport: Transport;
  connected(): readonly ConnectedAgent[];
  /**
   * Cuts the host off; its agent logs the failure. Whether it may come back is for the gate.
   * @param comesBack false: nobody waits for it, whoever asks for it is told the failure until the gate lets it in again
   */
  drop(host: string, failure: Failure, comesBack: boolean): void;
  /** Stops listening and ends all connections. */
  close(): Promise<void>;
}
