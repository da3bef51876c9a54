// How bytes get to the agent of a host. Everything above it is the same gRPC for every transport.
import type { Duplex } from 'node:stream';
import type { AgentDelivery, Host } from '../api.js';

export interface Transport {
  /**
   * A stream on which the host's agent has begun to talk gRPC; both ends have proved who they are where the transport asks for it.
   * Destroying the stream ends the connection, and never a capture. A later loss of the connection is an error or an end of the
   * stream. Aborting `signal` after this has resolved changes nothing.
   * @param onDelivery told while the agent is made and sent, by transports that do that
   * @throws FailureError 'unreachable' (worth another try), 'untrusted' (never), 'not-found' or 'permission' for files of ours
   */
  open(host: Host, signal: AbortSignal, onDelivery?: (delivery: AgentDelivery) => void): Promise<Duplex>;
}
