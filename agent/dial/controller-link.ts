// One connection to a controller that the agent dials: TLS in which both show who they are, a few frames, then the agent serves on it.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import tls, { type TLSSocket } from 'node:tls';
import type { Milliseconds } from '../../proto/capture.js';
import { roleOf } from '../../proto/certificate-role.js';
import { DIAL_ALPN } from '../../proto/dial.js';
import { encodeDialFrame, readDialFrame } from '../../proto/dial-codec.js';
import { type Failure, FailureError, fail, toFailure } from '../../proto/failure.js';
import { timeoutSignal } from '../../proto/timeout-signal.js';
import type { DialIdentity } from './identity-files.js';

export interface DialAddress {
  readonly host: string;
  readonly port: number;
}

export interface LinkOptions {
  readonly readIdentity: () => Promise<DialIdentity>;
  /** Random; the same as long as this process lives. */
  readonly instance: string;
  readonly version: string;
  /** Serves gRPC on the connection until it is gone. */
  readonly serve: (stream: Duplex) => Promise<void>;
  readonly onWelcome: (host: string) => void;
  /** For TCP and TLS together. */
  readonly connectTimeout: Milliseconds;
  /** Without a byte for so long, the controller is dead. */
  readonly silenceLimit: Milliseconds;
}

export interface LinkEnd {
  /** Why there is no connection (any more). */
  readonly failure: Failure;
  /** The controller said so itself. */
  readonly isRefused: boolean;
}

/** Resolves when the connection is gone, or there was none. @param signal ends it */
export async function holdLink(address: DialAddress, options: LinkOptions, signal: AbortSignal): Promise<LinkEnd> {
  let socket: TLSSocket | undefined;
  try {
    socket = await connect(address, options, signal);
    return await talk(socket, address, options);
  } catch (error) {
    return { failure: explain(error, address), isRefused: false };
  } finally {
    socket?.destroy();
  }
}

async function connect(address: DialAddress, options: LinkOptions, signal: AbortSignal): Promise<TLSSocket> {
  const identity = await options.readIdentity();
  const timeout = timeoutSignal(options.connectTimeout);
  const { host, port } = address;
  const socket = openSocket(identity, host, port);
  socket.on('error', () => socket.destroy());
  const onAbort = () => socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', onAbort));
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.any([signal, timeout]) });
  } catch (error) {
    socket.destroy();
    if (!timeout.aborted || signal.aborted) throw error;
    throw fail('unreachable', `no answer within ${options.connectTimeout} ms`, 'look at firewalls and routes', error);
  }
  socket.setNoDelay(true);
  // Also keeps alive what a NAT on the way remembers.
  socket.setKeepAlive(true, options.silenceLimit / 3);
  return socket;
}

function openSocket(identity: DialIdentity, host: string, port: number): TLSSocket {
  try {
    return tls.connect({
      ...{ host, port, ...identity },
      // Server name indication carries names only; addresses are checked all the same.
      servername: isIP(host) === 0 ? host : '',
      checkServerIdentity: (_name, { raw }) => notTheServer(host, new X509Certificate(raw)),
      minVersion: 'TLSv1.3',
      ALPNProtocols: [DIAL_ALPN],
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw fail('untrusted', `the certificate of this host cannot be used: ${why}`, 'enroll this host again', cause);
  }
}

/** An agent's certificate is of the same CA, and must not command other agents. */
function notTheServer(host: string, certificate: X509Certificate): Error | undefined {
  const isNamed = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  const names = certificate.subjectAltName ?? 'nothing';
  if (isNamed === undefined) {
    const remedy = `dial it by a name in its certificate, or issue one with --address ${host}`;
    return fail('untrusted', `what answers is not ${host}: its certificate is for ${names}`, remedy);
  }
  const role = roleOf(certificate);
  if (role === 'server') return undefined;
  return fail(
    'untrusted',
    `what answers shows a certificate of role ${role ?? 'unknown'}, not server`,
    'is it a controller?',
  );
}

async function talk(socket: TLSSocket, address: DialAddress, options: LinkOptions): Promise<LinkEnd> {
  if (socket.alpnProtocol !== DIAL_ALPN) throw fail('untrusted', 'what answers takes no agents', 'mend the port');
  const silence = watchSilence(socket, options.silenceLimit);
  try {
    socket.write(encodeDialFrame({ kind: 'hello', instance: options.instance, version: options.version }));
    for (;;) {
      const frame = await readDialFrame(socket, silence.signal);
      switch (frame.kind) {
        case 'welcome':
          options.onWelcome(frame.host);
          break;
        case 'ping':
          socket.write(encodeDialFrame({ kind: 'pong' }));
          break;
        case 'refused':
          return {
            failure: { ...frame.failure, message: `${place(address)}: ${frame.failure.message}` },
            isRefused: true,
          };
        case 'begin':
          await written(socket, encodeDialFrame({ kind: 'begun' }));
          await options.serve(socket);
          throw fail('unreachable', silence.signal.aborted ? silentFor(options) : 'the connection was closed');
        case 'hello':
        case 'pong':
        case 'begun':
        case 'unknown':
          break;
      }
    }
  } catch (error) {
    throw silence.signal.aborted ? fail('unreachable', silentFor(options), '', error) : error;
  } finally {
    silence.stop();
  }
}

/** HTTP/2 takes the connection over below the stream: a write that is still under way then ends the process (Node 20). */
function written(socket: TLSSocket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

function silentFor({ silenceLimit }: LinkOptions): string {
  return `the controller was silent for ${silenceLimit} ms`;
}

/** Destroys the socket when nothing came for so long. */
function watchSilence(socket: TLSSocket, limit: Milliseconds): { readonly signal: AbortSignal; stop(): void } {
  const silent = new AbortController();
  const looks = 6;
  let bytes = socket.bytesRead;
  let quiet = 0;
  const timer = setInterval(() => {
    quiet = socket.bytesRead === bytes ? quiet + 1 : 0;
    bytes = socket.bytesRead;
    if (quiet < looks) return;
    silent.abort();
    socket.destroy();
  }, limit / looks);
  return { signal: silent.signal, stop: () => clearInterval(timer) };
}

function explain(error: unknown, address: DialAddress): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof FailureError) {
    const { failure } = error;
    return { ...failure, message: `${place(address)}: ${failure.message}` };
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isNetwork = /^(E[A-Z]+|EAI_AGAIN|ERR_STREAM_PREMATURE_CLOSE|ABORT_ERR)$/.test(code) && code !== 'EPROTO';
  if (isNetwork)
    return { ...toFailure(fail('unreachable', `cannot reach the controller at ${place(address)}: ${message}`)) };
  return fail(
    'untrusted',
    `the controller at ${place(address)} cannot prove who it is: ${message}`,
    'its certificate must be valid now, of role server, and come from the CA that this host enrolled with',
    error,
  ).failure;
}

export function place({ host, port }: DialAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
