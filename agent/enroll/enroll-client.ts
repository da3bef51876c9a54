// The host's side of an enrolment: two connections. On the first nothing is said: it shows which CA the server is of. The second is
// checked against that CA by TLS itself, and only on it the token is told.
import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import tls from 'node:tls';
import type { Milliseconds } from '../../proto/capture.js';
import { roleOf } from '../../proto/certificate-role.js';
import { ENROLL_ALPN, MAX_ENROLL_BYTES } from '../../proto/dial.js';
import {
  decodeEnrollAnswer,
  type EnrollAnswer,
  type EnrollRequest,
  encodeEnrollRequest,
} from '../../proto/enroll-codec.js';
import { FailureError, fail } from '../../proto/failure.js';
import { framed, readFramed } from '../../proto/framed-message.js';

/** Where the controller takes hosts. */
export interface ServerPlace {
  readonly host: string;
  readonly port: number;
}

export interface ServerTrust {
  /** PEM of the one CA that the server may be of. */
  readonly ca: string;
  /** PEM of the host's present certificate and its key, where it has one. */
  readonly own?: { readonly cert: string; readonly key: string };
}

/** For connecting, the handshake and the answer together. */
export const ENROLL_DEADLINE: Milliseconds = 30_000;

/** Longer chains than this are none of ours. */
const LONGEST_CHAIN = 8;

/** `HOST:PORT`, IPv6 addresses in brackets. Undefined for what is none. */
export function parsePlace(text: string): ServerPlace | undefined {
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port < 1 || port > 65_535 || (found[1] !== undefined && isIP(found[1]) !== 6)) return undefined;
  return { host: found[1] ?? found[2], port };
}

export function placeText({ host, port }: ServerPlace): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The CA's certificate as the server shows it, PEM. Nothing is sent to the server.
 * @throws FailureError 'untrusted' when the server shows no CA of that hash, 'unreachable'
 */
export async function serverCa(place: ServerPlace, caSha256: string, signal: AbortSignal): Promise<string> {
  // Whom the certificate is from is not checked on purpose: the hash is what it is held against.
  const socket = await connect(place, { rejectUnauthorized: false }, signal);
  try {
    let shown: tls.DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
    for (let length = 0; shown?.raw !== undefined && length < LONGEST_CHAIN; length++) {
      if (createHash('sha256').update(shown.raw).digest('hex') === caSha256)
        return new X509Certificate(shown.raw).toString();
      // The last one names itself.
      shown = shown.issuerCertificate === shown ? undefined : shown.issuerCertificate;
    }
  } finally {
    socket.destroy();
  }
  throw fail(
    'untrusted',
    `${placeText(place)} is of another CA than the one that the token names; the token was not told to it`,
    'check --server, or ask for a token of that server',
  );
}

/**
 * Ask for a certificate. @returns the answer, a refusal too
 * @throws FailureError 'untrusted', 'unreachable', 'bad-data', 'deadline'
 */
export async function askForCertificate(
  place: ServerPlace,
  trust: ServerTrust,
  request: EnrollRequest,
  signal: AbortSignal,
): Promise<EnrollAnswer> {
  const socket = await connect(place, { ca: trust.ca, ...trust.own }, signal);
  try {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined || roleOf(certificate) !== 'server') {
      const message = `what answers at ${placeText(place)} is of the right CA, and its certificate is not that of a server`;
      throw fail('untrusted', message, 'it needs one that was made with `perftrawl ca issue NAME --role server`');
    }
    socket.write(framed(encodeEnrollRequest(request)));
    return decodeEnrollAnswer(await readFramed(socket, MAX_ENROLL_BYTES, signal));
  } catch (error) {
    throw explain(place, error, signal);
  } finally {
    socket.destroy();
  }
}

async function connect(
  place: ServerPlace,
  options: tls.ConnectionOptions,
  signal: AbortSignal,
): Promise<tls.TLSSocket> {
  const { host, port } = place;
  let socket: tls.TLSSocket | undefined;
  const abort = () => socket?.destroy(new Error('aborted'));
  try {
    if (signal.aborted) throw signal.reason;
    const opened = tls.connect({
      ...options,
      ...{ host, port, servername: isIP(host) === 0 ? host : '', minVersion: 'TLSv1.3', ALPNProtocols: [ENROLL_ALPN] },
    });
    socket = opened;
    signal.addEventListener('abort', abort, { once: true });
    await new Promise<void>((resolve, reject) => {
      opened.once('secureConnect', resolve);
      opened.once('error', reject);
      opened.once('close', () => reject(fail('unreachable', `${placeText(place)} hung up in the handshake`)));
    });
    // Later errors reach whoever reads.
    opened.on('error', () => undefined);
    if (opened.alpnProtocol !== ENROLL_ALPN) {
      throw fail('untrusted', `what answers at ${placeText(place)} does not take hosts`, 'give the port of --agents');
    }
    return opened;
  } catch (error) {
    socket?.destroy();
    throw explain(place, error, signal);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

const NETWORK = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EADDRNOTAVAIL|ENOTFOUND|EAI_)/;

function explain(place: ServerPlace, error: unknown, signal: AbortSignal): FailureError {
  if (signal.aborted) {
    const message = `no certificate from ${placeText(place)} in time`;
    return fail('deadline', message, 'look at firewalls and routes between here and there', error);
  }
  if (error instanceof FailureError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (NETWORK.test(code)) {
    const remedy = 'is the server running there with --agents? Look at firewalls and routes in between';
    return fail('unreachable', `cannot reach ${placeText(place)}: ${message}`, remedy, error);
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const remedy = `use the name that the server's certificate has, or issue it one with --address ${place.host}`;
    return fail('untrusted', `${placeText(place)} is not ${place.host}: ${message}`, remedy, error);
  }
  if (/no application protocol/i.test(message)) {
    return fail(
      'untrusted',
      `what answers at ${placeText(place)} does not take hosts`,
      'give the port of --agents',
      error,
    );
  }
  const remedy = 'its certificate must be valid now and of the CA that this host knows; ours must not have ended';
  return fail('untrusted', `${placeText(place)} and this host do not trust each other: ${message}`, remedy, error);
}
