// Hosts that never finish: before, in and after the handshake, in HTTP/2, in a message. The job ends in time, and the sound host's part stands.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { issueCertificate } from '../../controller/ca/certificate-authority.js';
import { encodeEvent } from '../../proto/event-codec.js';
import type { ServedAgent } from '../controller/tls-fleet.js';
import { AttackedJob, type Hostile } from './attacked-job.js';

/** Everything that listens ends with its connections. */
async function listening(server: net.Server, name: string): Promise<ServedAgent> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const stop = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { name, port, stop };
}

/** One byte at a time, for ever. */
function trickle(stream: Duplex, bytes: (at: number) => number): void {
  let at = 0;
  const timer = setInterval(() => stream.write(Buffer.of(bytes(at++))), 50);
  stream.on('close', () => clearInterval(timer));
  stream.on('error', () => clearInterval(timer));
}

const plain = (act: (socket: net.Socket) => void): Hostile => ({
  listens: (_ca, name) => listening(net.createServer(act), name),
});

async function identity(caDirectory: string, name: string) {
  await issueCertificate(caDirectory, { name, addresses: ['127.0.0.1'], role: 'agent', days: 1 }, Date.now());
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', `${name}.crt`, `${name}.key`].map((file) => readFile(join(caDirectory, file))),
  );
  return { ca, cert, key, requestCert: true, ALPNProtocols: ['h2'] };
}

const afterTls = (act: (socket: tls.TLSSocket) => void): Hostile => ({
  listens: async (ca, name) => {
    const server = tls.createServer(await identity(ca, name), (socket) => {
      socket.on('error', () => socket.destroy());
      act(socket);
    });
    return listening(server, name);
  },
});

/** gRPC by hand: captures start, and `follow` has the stream of the log. */
const grpc = (follow: (stream: http2.ServerHttp2Stream) => void): Hostile => ({
  listens: async (ca, name) => {
    const server = http2.createSecureServer(await identity(ca, name));
    server.on('sessionError', () => undefined);
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      const answer = { ':status': 200, 'content-type': 'application/grpc' };
      if (String(headers[':path']).endsWith('/FollowCapture')) {
        stream.respond(answer);
        follow(stream);
        return;
      }
      stream.respond(answer, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5));
    });
    return listening(server, name);
  },
});

const frame = (length: number, body: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, body]);
};
/** A message that is announced, begun, and goes on byte by byte. */
function slowly(stream: http2.ServerHttp2Stream, length: number): void {
  stream.write(frame(length, event));
  trickle(stream, () => 0);
}

const event = encodeEvent({ sequence: 1, time: 1, body: { kind: 'state', state: 'running', detail: '' } });
const unanswered = /(?:unreachable|untrusted|lost): |deadline: .*was connecting/;
const silent = /unreachable: .*no answer within|deadline: .*was connecting/;
const late = /(?:deadline|lost|unreachable|exhausted|internal|bad-data): /;
const SETTINGS = Buffer.from('000000040000000000', 'hex');

const HOSTS: Readonly<Record<string, readonly [Hostile, RegExp]>> = {
  'says-nothing': [plain(() => undefined), silent],
  'says-noise': [plain((socket) => trickle(socket, () => 0x41)), unanswered],
  'says-tls-slowly': [plain((socket) => trickle(socket, (at) => [0x16, 3, 3, 0x40, 0][at] ?? 0)), unanswered],
  'endless-banner': [plain((socket) => flood(socket, Buffer.alloc(65_536, 'SSH-2.0-x\r\n'))), unanswered],
  'silent-after-tls': [afterTls(() => undefined), silent],
  'slow-http2': [afterTls((socket) => trickle(socket, (at) => SETTINGS[at % SETTINGS.length])), late],
  'no-http2': [afterTls((socket) => flood(socket, Buffer.alloc(65_536, 'HTTP/1.1 200 OK\r\n'))), late],
  'endless-frames': [afterTls((socket) => flood(socket, Buffer.concat(new Array(4096).fill(SETTINGS)))), late],
  'silent-log': [grpc(() => undefined), /deadline: not done after/],
  'slow-message': [grpc((stream) => slowly(stream, 4_000_000)), /deadline: not done after/],
  'huge-message': [grpc((stream) => slowly(stream, 2 ** 30)), /larger than max \(1073741824/],
  'no-end': [grpc((stream) => void stream.write(frame(event.length, event))), /deadline: not done after/],
};

/** As much as the other side takes. */
function flood(stream: Duplex, bytes: Uint8Array): void {
  const more = () => {
    while (!stream.destroyed && stream.write(bytes));
  };
  stream.on('drain', more);
  stream.on('error', () => undefined);
  more();
}

let attacked: AttackedJob;
let result: Awaited<ReturnType<AttackedJob['record']>>;
beforeAll(async () => {
  attacked = await AttackedJob.begin(
    Object.fromEntries(Object.entries(HOSTS).map(([name, [hostile]]) => [name, hostile])),
  );
  result = await attacked.record('--grace', '15s');
});
afterAll(() => attacked.end());

it.each(Object.entries(HOSTS).map(([name, [, words]]) => [name, words] as const))('%s', (name, words) => {
  expect(result.ends[name]).toMatch(/^(?:failed|lost)/);
  expect(result.ends[name]).toMatch(words);
});

it('the sound host is not harmed, and little memory is taken', () => {
  expect(result.ends.good).toBe('succeeded');
  expect(result.job.state).toBe('partial');
  expect(result.peakMemory).toBeLessThan(400);
});
