// The `tls` transport: the controller dials the agent's port; both show a certificate of the same CA (mTLS, TLS 1.3, HTTP/2).
import { once } from 'node:events';
import net, { isIP } from 'node:net';
import tls from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { roleOf } from '../../proto/certificate-role.js';
import { FailureError, fail } from '../../proto/failure.js';
import { timeoutSignal } from '../../proto/timeout-signal.js';
import type { Address, Host } from '../api.js';
import type { Revocations } from '../enroll/revocations.js';
import { firstBytes } from './first-bytes.js';
import type { Identity } from './identity.js';
import type { Transport } from './transport.js';

export interface TlsOptions {
  /** Read at each connection, so that a renewed certificate is used at once. */
  readonly readIdentity: () => Promise<Identity>;
  /** For the connection, and for the handshake. */
  readonly connectTimeout: number;
  /**
   * Gives handshakes their turn, so that those of a large fleet do not all wait for this machine's CPU until their time is over.
   * Default: all at once.
   */
  readonly inTurn?: <T>(handshake: () => Promise<T>) => Promise<T>;
  /** Default: no certificate was revoked. */
  readonly revocations?: Revocations;
}

type TlsAddress = Extract<Address, { transport: 'tls' }>;

export function tlsTransport(options: TlsOptions): Transport {
  const contextOf = secureContexts();
  return {
    async open(host, signal) {
      const { address } = host;
      if (address.transport !== 'tls') throw fail('internal', `${host.name} is not reached by TLS`);
      const identity = await options.readIdentity();
      const inTurn = options.inTurn ?? ((handshake) => handshake());
      const connection = await connect(host, address, options.connectTimeout, signal);
      const socket = await inTurn(() =>
        shakeHands(connection, { host, address, identity, contextOf, signal, timeout: options.connectTimeout }),
      );
      try {
        await admit(socket, host, address, options.revocations);
        return socket;
      } catch (error) {
        socket.destroy();
        throw error;
      }
    },
  };
}

/**
 * TLS has found the certificate good; it must also be that of an agent, and not revoked, now and as long as the connection lasts.
 * @throws FailureError 'untrusted'
 */
async function admit(
  socket: tls.TLSSocket,
  host: Host,
  address: TlsAddress,
  revocations: Revocations | undefined,
): Promise<void> {
  const certificate = socket.getPeerX509Certificate();
  const role = certificate === undefined ? undefined : roleOf(certificate);
  if (certificate === undefined || role !== 'agent') {
    const message = `what answers for ${host.name} at ${place(address)} has a certificate of role ${role ?? 'none'}`;
    throw fail('untrusted', message, `issue that agent one with \`perftrawl ca issue ${host.name}\``);
  }
  const revoked = await revocations?.check(certificate);
  if (revoked !== undefined) throw new FailureError(revoked);
  // It may have gone meanwhile, and would be held for ever.
  if (socket.destroyed) throw fail('unreachable', `${host.name} at ${place(address)} hung up`, 'look at its log');
  const release = revocations?.hold(certificate, ({ message }) => socket.destroy(new Error(message)));
  if (release !== undefined) socket.once('close', release);
}

async function connect(host: Host, address: TlsAddress, timeout: number, signal: AbortSignal): Promise<net.Socket> {
  const limit = timeoutSignal(timeout);
  const connection = net.connect({ host: address.host, port: address.port });
  connection.setNoDelay(true);
  // An error may come while nobody waits for one: before the handshake has its turn, or after it has failed.
  connection.on('error', () => undefined);
  try {
    await once(connection, 'connect', { signal: AbortSignal.any([signal, limit]) });
    return connection;
  } catch (error) {
    connection.destroy();
    if (signal.aborted) throw fail('cancelled', `connecting to ${host.name}: cancelled`, '', error);
    throw limit.aborted ? silent(host, address, timeout) : explain(error, host, address);
  }
}

interface Handshake {
  readonly host: Host;
  readonly address: TlsAddress;
  readonly identity: Identity;
  readonly contextOf: (identity: Identity) => tls.SecureContext;
  readonly timeout: number;
  readonly signal: AbortSignal;
}

async function shakeHands(connection: net.Socket, handshake: Handshake): Promise<tls.TLSSocket> {
  const { host, address, signal, timeout } = handshake;
  const limit = timeoutSignal(timeout);
  const socket = secure(connection, handshake);
  // A peer that hangs up during the handshake gives an `end`, then an `error` before whoever waited for the `end` goes on.
  socket.on('error', () => undefined);
  let isAgentProven = false;
  socket.once('secureConnect', () => {
    isAgentProven = true;
  });
  try {
    const hungUp = () => Object.assign(new Error('it hung up'), { code: 'ECONNRESET' });
    await firstBytes(socket, hungUp, AbortSignal.any([signal, limit]));
    if (socket.alpnProtocol !== 'h2') throw notAnAgent(host, address);
    return socket;
  } catch (error) {
    socket.destroy();
    if (signal.aborted) throw fail('cancelled', `connecting to ${host.name}: cancelled`, '', error);
    if (limit.aborted) throw silent(host, address, timeout);
    throw isAgentProven && isHangUp(error) ? notAccepted(host, address, error) : explain(error, host, address);
  }
}

/** The name that the agent's certificate must have. */
function expectedName(host: Host, address: TlsAddress): string {
  return address.serverName ?? host.name;
}

/** Reading certificates into a context costs as much as a part of the handshake: the last one is used again while they are the same. */
function secureContexts(): (identity: Identity) => tls.SecureContext {
  let last: { readonly identity: Identity; readonly context: tls.SecureContext } | undefined;
  return (identity) => {
    if (last === undefined || !isDeepStrictEqual(last.identity, identity)) {
      last = { identity, context: tls.createSecureContext({ ...identity, minVersion: 'TLSv1.3' }) };
    }
    return last.context;
  };
}

function secure(connection: net.Socket, { host, address, identity, contextOf }: Handshake): tls.TLSSocket {
  const name = expectedName(host, address);
  try {
    return tls.connect({
      socket: connection,
      secureContext: contextOf(identity),
      // Server name indication carries names only; addresses are checked all the same.
      servername: isIP(name) === 0 ? name : '',
      checkServerIdentity: (_servername, certificate) => tls.checkServerIdentity(name, certificate),
      ALPNProtocols: ['h2'],
    });
  } catch (cause) {
    connection.destroy();
    const message = cause instanceof Error ? cause.message : String(cause);
    throw fail(
      'untrusted',
      `the controller's own certificate or key cannot be used: ${message}`,
      'issue a new one with `perftrawl ca issue controller --role controller`',
      cause,
    );
  }
}

/** Codes of the network; with everything else the two sides have talked, and not come to trust each other. */
const unreachable: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'start the agent there with `perftrawl agent --listen`, or mend the port in the inventory'],
  ['ECONNRESET', 'look at the log of the agent, and at firewalls between here and there'],
  ['EPIPE', 'look at the log of the agent, and at firewalls between here and there'],
  ['ETIMEDOUT', 'look at firewalls and routes between here and there'],
  ['EHOSTUNREACH', 'look at firewalls and routes between here and there'],
  ['ENETUNREACH', 'look at firewalls and routes between here and there'],
  ['EHOSTDOWN', 'is the host up?'],
  ['EADDRNOTAVAIL', 'mend the address in the inventory'],
  ['ENOTFOUND', 'mend the address in the inventory'],
  ['EAI_AGAIN', 'name resolution does not work here at the moment'],
]);

/** A server of Node checks client certificates after the handshake, and hangs up without a TLS alert. */
function isHangUp(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function notAccepted(host: Host, address: TlsAddress, error: unknown): FailureError {
  const message = error instanceof Error ? error.message : String(error);
  return fail(
    'untrusted',
    `${host.name} at ${place(address)} does not accept this controller: ${message}`,
    'use a controller certificate of the CA that the agent trusts (`perftrawl ca issue controller --role controller`)',
    error,
  );
}

function explain(error: unknown, host: Host, address: TlsAddress): FailureError {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const remedy = unreachable.get(code);
  if (remedy !== undefined) {
    return fail('unreachable', `cannot reach ${host.name} at ${place(address)}: ${message}`, remedy, error);
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const name = expectedName(host, address);
    return fail(
      'untrusted',
      `${place(address)} is not ${name}: ${message}`,
      `issue that agent a certificate with --address ${name}, or set serverName in the inventory`,
      error,
    );
  }
  if (/\balert\b/i.test(message)) return notAccepted(host, address, error);
  return fail(
    'untrusted',
    `${host.name} at ${place(address)} cannot prove who it is: ${message}`,
    'its certificate must be valid now and come from the CA that this controller trusts',
    error,
  );
}

function silent(host: Host, address: TlsAddress, timeout: number): FailureError {
  return fail(
    'unreachable',
    `cannot reach ${host.name} at ${place(address)}: no answer within ${timeout} ms`,
    'look at firewalls and routes between here and there',
  );
}

function notAnAgent(host: Host, address: TlsAddress): FailureError {
  return fail('untrusted', `what answers for ${host.name} at ${place(address)} is no agent`, 'mend the port');
}

function place(address: TlsAddress): string {
  return isIP(address.host) === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
