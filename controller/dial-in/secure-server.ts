// TLS for connections that hosts open: 1.3 only, two protocols, and a certificate that is read anew when it was renewed.
import tls from 'node:tls';
import type { Milliseconds } from '../../proto/capture.js';
import { DIAL_ALPN, ENROLL_ALPN } from '../../proto/dial.js';
import { fail, toFailure } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import type { Identity } from '../transport/identity.js';

export interface SecureServerOptions {
  readonly readIdentity: () => Promise<Identity>;
  readonly clock: Clock;
  readonly log: (line: string) => void;
  readonly handshakeTimeout: Milliseconds;
  readonly identityInterval: Milliseconds;
}

/**
 * Listens nowhere: connections are handed to it, and come back as 'secureConnection'.
 * @param signal ends the reading
 * @throws FailureError of `readIdentity`; 'bad-request' for a certificate that cannot be used
 */
export async function secureServer(options: SecureServerOptions, signal: AbortSignal): Promise<tls.Server> {
  const identity = await options.readIdentity();
  try {
    const server = tls.createServer({
      ...identity,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [DIAL_ALPN, ENROLL_ALPN],
      requestCert: true,
      // Who enrolls has none yet; who shows one that is no good is told so.
      rejectUnauthorized: false,
      handshakeTimeout: options.handshakeTimeout,
    });
    void keepFresh(server, identity, options, signal);
    return server;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const remedy = 'issue a new one with `perftrawl ca issue server --role server`';
    throw fail('bad-request', `the certificate for agents that dial in cannot be used: ${why}`, remedy, cause);
  }
}

async function keepFresh(
  server: tls.Server,
  first: Identity,
  { clock, readIdentity, log, identityInterval }: SecureServerOptions,
  signal: AbortSignal,
): Promise<void> {
  let used = first;
  while ((await clock.sleep(identityInterval, signal)) === 'elapsed') {
    try {
      const read = await readIdentity();
      if (read.cert.equals(used.cert) && read.key.equals(used.key) && read.ca.equals(used.ca)) continue;
      server.setSecureContext({ ...read, minVersion: 'TLSv1.3' });
      used = read;
      log('the certificate for agents that dial in was read anew');
    } catch (error) {
      log(`the certificate for agents that dial in stays as it is: ${toFailure(error).message}`);
    }
  }
}
