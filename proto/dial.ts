// The port on which a controller takes what hosts open themselves: two protocols, told apart by ALPN in the TLS 1.3 handshake, and the
// bounds of what is said there before anybody is trusted.
import type { Milliseconds } from './capture.js';

/** An agent dials in and shows a certificate; after a few frames the roles turn round and it serves gRPC. */
export const DIAL_ALPN = 'perftrawl-dial/1';

/**
 * One framed request, one framed answer, then the server closes. A host that has no certificate yet shows none; one that renews shows
 * the present one.
 */
export const ENROLL_ALPN = 'perftrawl-enroll/1';

/** Longest enrolment request or answer, in bytes, and longest frame of an agent that dials in. */
export const MAX_ENROLL_BYTES = 64 * 1024;
export const MAX_DIAL_FRAME_BYTES = 16 * 1024;

/** How often the controller pings an agent that it does not use at the moment. */
export const PING_INTERVAL: Milliseconds = 10_000;

/** Either side takes the other for dead when nothing at all came for so long. */
export const SILENCE_LIMIT: Milliseconds = 30_000;
