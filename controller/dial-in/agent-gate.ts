// Who decides about hosts that open a connection to the controller: which certificate may be which host, and who gets one.
import type { X509Certificate } from 'node:crypto';
import type { Failure } from '../../proto/failure.js';

export interface Admitted {
  readonly host: string;
  /** `cutOff` is called once, when the certificate is revoked. For one connection; ends with the function that this returns. */
  readonly hold?: (cutOff: (failure: Failure) => void) => () => void;
}

/** Asked about each agent that dials in. TLS has already checked that the certificate is of our CA, valid now and for clients. */
export interface AgentGate {
  /** The host that this certificate stands for; or why it is not let in ('untrusted': role, revoked, unknown name). */
  admit(certificate: X509Certificate, remoteAddress: string): Promise<Admitted | Failure>;
  /** The host is connected at `now` (milliseconds since 1970 UTC): told when it connects, about once a minute, and when it goes. */
  seen(host: string, remoteAddress: string, now: number): void;
}

export interface EnrollPeer {
  readonly remoteAddress: string;
  /** Only one of our CA that is valid now and for clients; its role and whether it was revoked are for the handler to check. */
  readonly certificate?: X509Certificate;
}

export interface EnrollHandler {
  /**
   * @param request at most MAX_ENROLL_BYTES
   * @returns the answer, a refusal too, at most MAX_ENROLL_BYTES
   */
  answer(request: Uint8Array, peer: EnrollPeer): Promise<Uint8Array>;
}
