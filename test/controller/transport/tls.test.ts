// The transport contract over mTLS with real certificates, and who is let in.

import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Host } from '../../../controller/api.js';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { identityFilesIn, readIdentity } from '../../../controller/transport/identity.js';
import { tlsTransport } from '../../../controller/transport/tls.js';
import type { Transport } from '../../../controller/transport/transport.js';
import { type ServedAgent, type TlsFleet, tlsFleet } from '../tls-fleet.js';
import { contractAgent } from './contract-agent.js';
import { failureOf, transportContract } from './transport-contract.js';

const hostAt = (port: number, name = 'db1'): Host => ({
  name,
  labels: {},
  address: { transport: 'tls', host: '127.0.0.1', port },
});
const transportOf = (caDirectory: string, connectTimeout = 20_000): Transport =>
  tlsTransport({ readIdentity: () => readIdentity(identityFilesIn(caDirectory, 'controller')), connectTimeout });

transportContract('tls', async () => {
  const fleet = await tlsFleet();
  const serve = (port: number): Promise<ServedAgent> =>
    fleet.serve(
      'db1',
      contractAgent(() => agent.stop()),
      port,
    );
  let agent: ServedAgent = await serve(0);
  const { port } = agent;
  return {
    host: hostAt(port),
    transport: transportOf(fleet.caDirectory),
    async revive() {
      agent = await serve(port);
    },
    close: () => fleet.close(),
  };
});

describe('trust', () => {
  let fleet: TlsFleet;
  let port: number;
  const { signal } = new AbortController();
  const now = Date.now();

  beforeAll(async () => {
    fleet = await tlsFleet();
    ({ port } = await fleet.serve(
      'db1',
      contractAgent(() => undefined),
    ));
  });
  afterAll(() => fleet.close());

  it('refuses an agent with another name', async () => {
    const failure = await failureOf(transportOf(fleet.caDirectory).open(hostAt(port, 'db2'), signal));
    expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringContaining('is not db2') });
    expect(failure.remedy).toContain('serverName');
  });

  it('accepts it under the name that the inventory gives', async () => {
    const host: Host = {
      ...hostAt(port, 'db2'),
      address: { transport: 'tls', host: '127.0.0.1', port, serverName: 'db1' },
    };
    (await transportOf(fleet.caDirectory).open(host, signal)).destroy();
    const byAddress: Host = {
      ...host,
      address: { transport: 'tls', host: '127.0.0.1', port, serverName: '127.0.0.1' },
    };
    (await transportOf(fleet.caDirectory).open(byAddress, signal)).destroy();
  });

  it('refuses an agent of another CA', async () => {
    const other = await tlsFleet();
    try {
      const failure = await failureOf(transportOf(other.caDirectory).open(hostAt(port), signal));
      expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringContaining('cannot prove who it is') });
    } finally {
      await other.close();
    }
  });

  it('is told when the agent does not accept it: a certificate of another CA, or one of an agent', async () => {
    const other = await tlsFleet();
    await issueCertificate(fleet.caDirectory, { name: 'thief', addresses: [], role: 'agent', days: 1 }, now);
    const as = (directory: string, name: string): Transport =>
      tlsTransport({
        readIdentity: () =>
          readIdentity({
            ca: join(fleet.caDirectory, 'ca.crt'),
            cert: join(directory, `${name}.crt`),
            key: join(directory, `${name}.key`),
          }),
        connectTimeout: 20_000,
      });
    try {
      for (const transport of [as(other.caDirectory, 'controller'), as(fleet.caDirectory, 'thief')]) {
        const failure = await failureOf(transport.open(hostAt(port), signal));
        expect(failure).toMatchObject({
          code: 'untrusted',
          message: expect.stringContaining('does not accept this controller'),
        });
      }
    } finally {
      await other.close();
    }
  });

  it('refuses an agent whose certificate has expired', async () => {
    const longAgo = now - 10 * 86_400_000;
    const directory = join(fleet.directory, 'old-ca');
    await initCa(directory, longAgo);
    await issueCertificate(directory, { name: 'db1', addresses: [], role: 'agent', days: 1 }, longAgo);
    await issueCertificate(directory, { name: 'controller', addresses: [], role: 'controller', days: 1 }, now);
    const server = tls.createServer({
      cert: await readFile(join(directory, 'db1.crt')),
      key: await readFile(join(directory, 'db1.key')),
      ALPNProtocols: ['h2'],
    });
    const at = await listen(server);
    const failure = await failureOf(transportOf(directory).open(hostAt(at), signal));
    server.close();
    expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringContaining('expired') });
  });

  it('refuses what speaks no TLS', async () => {
    const server = net.createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const at = await listen(server);
    const failure = await failureOf(transportOf(fleet.caDirectory).open(hostAt(at), signal));
    server.close();
    expect(failure.code).toBe('untrusted');
  });

  it('outlives one that hangs up during the handshake', async () => {
    const server = net.createServer((socket) => socket.once('data', () => socket.end()));
    const at = await listen(server);
    const failure = await failureOf(transportOf(fleet.caDirectory).open(hostAt(at), signal));
    server.close();
    expect(failure.code).toBe('unreachable');
  });

  it('says that nothing listens there, and what to do', async () => {
    const server = net.createServer();
    const at = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const failure = await failureOf(transportOf(fleet.caDirectory).open(hostAt(at), signal));
    expect(failure).toMatchObject({ code: 'unreachable', message: expect.stringContaining(`127.0.0.1:${at}`) });
    expect(failure.remedy).toContain('perftrawl agent --listen');
  });

  it('does not wait for ever for one that says nothing', async () => {
    const sockets: net.Socket[] = [];
    const server = net.createServer((socket) => sockets.push(socket));
    const at = await listen(server);
    const failure = await failureOf(transportOf(fleet.caDirectory, 200).open(hostAt(at), signal));
    for (const socket of sockets) socket.destroy();
    server.close();
    expect(failure).toMatchObject({ code: 'unreachable', message: expect.stringContaining('no answer within 200 ms') });
  });

  it('names the file that is missing from its own identity', async () => {
    const failure = await failureOf(transportOf(join(fleet.directory, 'nowhere')).open(hostAt(port), signal));
    expect(failure).toMatchObject({ code: 'not-found', message: expect.stringContaining('nowhere') });
    expect(failure.remedy).toContain('perftrawl ca issue controller');
  });
});

function listen(server: net.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address === 'object' && address !== null) resolve(address.port);
      else reject(new Error('no port'));
    });
  });
}
