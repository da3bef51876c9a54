// How a client knows its server: by the CA in a file, or by the CA's hash that a token carries. What a server shows is believed for nothing else.
import { X509Certificate } from 'node:crypto';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import type { Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { fingerprintOf } from '../transport/ca-fingerprint.js';
import { connectFailure } from './connect-failure.js';

/**
 * The CA's certificate as PEM, out of the chain that the server shows: the one with this hash. Nothing is sent to the server; the
 * connection that is used afterwards is checked against this CA like any other, the name of the server too.
 *
 * @param caSha256 of the DER certificate, lower-case hex
 * @throws FailureError 'untrusted' when the server shows no such CA, 'unreachable'
 */
export async function pinnedCa(url: URL, caSha256: string, timeout: Milliseconds): Promise<string> {
  const chain = await shownChain(url, timeout);
  const found = chain.find((certificate) => fingerprintOf(certificate) === caSha256);
  if (found !== undefined) return found.toString();
  throw fail(
    'untrusted',
    `${url.host} is not the server that the token is for: its certificate is from another CA`,
    'is the address right? Ask an admin of the server for the fingerprint of its CA',
  );
}

/** The longest chain that is looked at. */
const mostCertificates = 8;

function shownChain(url: URL, timeout: Milliseconds): Promise<X509Certificate[]> {
  return new Promise((resolve, reject) => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const socket = connect({
      ...{ host, port: Number(url.port || 443), minVersion: 'TLSv1.3', rejectUnauthorized: false },
      timeout,
    });
    socket.once('secureConnect', () => {
      resolve(chainOf(socket.getPeerCertificate(true)));
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${timeout} ms`)));
    socket.once('error', (error) => reject(connectFailure(error, url)));
  });
}

function chainOf(leaf: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = leaf;
  // The root is its own issuer.
  while (next?.raw !== undefined && chain.length < mostCertificates) {
    chain.push(new X509Certificate(next.raw));
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}
