// Serves the agent's API on stdio, on a stream, or on a unix socket; agent/serve-tls.ts does it on TCP.
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import type { AgentApi } from '../proto/agent-api.js';
import { addAgentService, SERVER_OPTIONS } from '../proto/agent-server.js';
import type { Milliseconds } from '../proto/capture.js';
import { serveStream } from '../proto/duplex.js';
import { fail } from '../proto/failure.js';
import { hasCode } from './spool/file-error.js';

/** How long calls may take to end once serving is to end. */
const CLOSE_MS = 2000;

/**
 * Serve one stream until it closes.
 * @param pingInterval how often the other side is pinged, so that either notices when the other one is gone; absent: never
 */
export async function serveOnStream(api: AgentApi, stream: Duplex, pingInterval?: Milliseconds): Promise<void> {
  // It may have gone while its caller was still loading this.
  if (stream.closed) return;
  const server = newServer(
    api,
    pingInterval === undefined
      ? {}
      : { 'grpc.keepalive_time_ms': pingInterval, 'grpc.keepalive_timeout_ms': 2 * pingInterval },
  );
  // Not `once`, which rejects at an error: a controller that went away is no defect, and `close` follows.
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  stream.on('error', () => stream.destroy());
  await serveStream(server, stream);
  await closed;
  server.forceShutdown();
}

export interface Listener {
  /** Where it listens: `unix:PATH` or `HOST:PORT`, the port as bound. */
  readonly address: string;
  close(): Promise<void>;
}

/** @throws FailureError `conflict` when another agent serves there */
export async function listenOnSocket(api: AgentApi, path: string): Promise<Listener> {
  await removeStaleSocket(path);
  const server = newServer(api);
  const before = process.umask(0o177);
  try {
    await bind(server, `unix:${path}`, ServerCredentials.createInsecure());
  } finally {
    process.umask(before);
  }
  return { address: `unix:${path}`, close: () => closeServer(server) };
}

export function newServer(api: AgentApi, options: ServerOptions = {}): Server {
  const server = new Server({ ...SERVER_OPTIONS, ...options });
  addAgentService(server, api);
  return server;
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(fail('conflict', `cannot listen on ${address}: ${error.message}`, 'choose another address', error));
    });
  });
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), CLOSE_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** @throws FailureError 'not-found', 'permission' */
export async function readPem(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT'))
      throw fail('not-found', `no file ${path}`, 'make it with `perftrawl ca issue`', error);
    throw fail(
      'permission',
      `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
      '',
      error,
    );
  }
}

/** A socket file that nobody answers on is left from an agent that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  const probe = net.connect(path);
  try {
    await once(probe, 'connect');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    if (hasCode(error, 'ECONNREFUSED')) return rm(path, { force: true });
    throw fail(
      'conflict',
      `cannot listen on ${path}: ${error instanceof Error ? error.message : String(error)}`,
      '',
      error,
    );
  } finally {
    probe.destroy();
  }
  throw fail('conflict', `another process serves on ${path}`, 'use that agent, or another --socket');
}
