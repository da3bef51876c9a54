// Serves the agent's API on TCP: TLS 1.3, and to controllers only: their certificate is of that role, of the agent's CA, and not revoked.
import type { X509Certificate } from 'node:crypto';
import tls, { type TLSSocket } from 'node:tls';
import type { AgentApi } from '../proto/agent-api.js';
import type { Milliseconds } from '../proto/capture.js';
import { roleOf } from '../proto/certificate-role.js';
import { serveStream } from '../proto/duplex.js';
import { fail, toFailure } from '../proto/failure.js';
import { isRevoked, readRevoked } from './revoked-file.js';
import { closeServer, type Listener, newServer, readPem } from './serve.js';

/** Paths of PEM files; `revoked` lists certificates that are refused (agent/revoked-file.ts). */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly revoked?: string;
}

const HANDSHAKE_TIMEOUT: Milliseconds = 10_000;
/** How often the list of revoked certificates is held against connections that are open. */
const LOOK_INTERVAL: Milliseconds = 2000;

/**
 * @param note for the agent's log
 * @throws FailureError `not-found`, `permission`, `bad-request` or `bad-data` for files that cannot be used, `conflict` for the address
 */
export async function listenOnTls(
  api: AgentApi,
  address: string,
  files: TlsFiles,
  note: (text: string) => void,
): Promise<Listener> {
  const [cert, key, ca] = await Promise.all([files.cert, files.key, files.ca].map(readPem));
  await readRevoked(files.revoked);
  const server = newServer(api);
  const open = new Map<TLSSocket, X509Certificate>();
  const secure = secureServer(files, { cert, key, ca });
  secure.on('tlsClientError', (_error, socket) => socket.destroy());
  secure.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy());
    serveController(socket).catch((error: unknown) => {
      note(`refused ${socket.remoteAddress ?? 'somebody'}: ${toFailure(error).message}`);
      socket.destroy();
    });
  });

  async function serveController(socket: TLSSocket): Promise<void> {
    const certificate = socket.getPeerX509Certificate();
    const role = certificate === undefined ? undefined : roleOf(certificate);
    if (certificate === undefined || role !== 'controller') {
      throw fail('untrusted', `a certificate of role ${role ?? 'none'} is not that of a controller`);
    }
    if (isRevoked(certificate, await readRevoked(files.revoked))) throw fail('untrusted', revokedText(certificate));
    // It may have gone meanwhile, and would never be taken off.
    if (socket.destroyed) return;
    open.set(socket, certificate);
    socket.once('close', () => open.delete(socket));
    await serveStream(server, socket);
  }

  async function cutOffRevoked(): Promise<void> {
    const revoked = await readRevoked(files.revoked);
    for (const [socket, certificate] of open) {
      if (!isRevoked(certificate, revoked)) continue;
      note(revokedText(certificate));
      socket.destroy();
    }
  }
  const looking = setInterval(() => {
    cutOffRevoked().catch((error: unknown) => note(toFailure(error).message));
  }, LOOK_INTERVAL);
  if (files.revoked === undefined) clearInterval(looking);

  try {
    const port = await listen(secure, address);
    // Without it an error of accepting, such as too many open files, would end the process.
    secure.on('error', (error) => note(`taking a connection: ${error.message}`));
    return {
      address: address.replace(/:\d+$/, `:${port}`),
      async close() {
        clearInterval(looking);
        const closed = new Promise<void>((resolve) => secure.close(() => resolve()));
        await closeServer(server);
        for (const socket of open.keys()) socket.destroy();
        await closed;
      },
    };
  } catch (error) {
    clearInterval(looking);
    throw error;
  }
}

function secureServer(files: TlsFiles, pem: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer }) {
  try {
    return tls.createServer({
      ...pem,
      ...{ requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', ALPNProtocols: ['h2'] },
      handshakeTimeout: HANDSHAKE_TIMEOUT,
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw fail(
      'bad-request',
      `cannot use the certificate ${files.cert} with its key: ${why}`,
      'issue a new one',
      error,
    );
  }
}

/** @returns the port as bound */
function listen(secure: tls.Server, address: string): Promise<number> {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(address);
  return new Promise((resolve, reject) => {
    const refuse = (error: Error) =>
      reject(fail('conflict', `cannot listen on ${address}: ${error.message}`, 'choose another address', error));
    secure.once('error', refuse);
    try {
      secure.listen(Number(found?.[3]), found?.[1] ?? found?.[2], () => {
        const bound = secure.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : 0);
      });
    } catch (error) {
      refuse(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

function revokedText(certificate: X509Certificate): string {
  return `the certificate with the serial ${certificate.serialNumber.toLowerCase()} is revoked`;
}
