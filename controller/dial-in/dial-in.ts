// Agents that dial in, as the rest of the controller sees them.
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
  /** Stops listening and ends all connections. */
  close(): Promise<void>;
}
