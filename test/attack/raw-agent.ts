// An agent whose answers are bytes: it keeps to gRPC, and to nothing else.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerWritableStream, type UntypedHandleCall } from '@grpc/grpc-js';
import { issueCertificate } from '../../controller/ca/certificate-authority.js';
import { captureAgentService as service } from '../../proto/service.js';
import type { ServedAgent } from '../controller/tls-fleet.js';

/** Writes messages of the log as they are; resolves when the connection can take more, rejects when the reader has gone. */
export type WriteBytes = (message: Uint8Array) => Promise<void>;

/** Captures start at once; `follow` writes their log. */
export type FollowBytes = (write: WriteBytes, isGone: () => boolean) => Promise<void>;

export async function serveRawAgent(caDirectory: string, name: string, follow: FollowBytes): Promise<ServedAgent> {
  await issueCertificate(caDirectory, { name, addresses: ['127.0.0.1'], role: 'agent', days: 1 }, Date.now());
  const read = (file: string) => readFile(join(caDirectory, file));
  const [ca, cert_chain, private_key] = await Promise.all([read('ca.crt'), read(`${name}.crt`), read(`${name}.key`)]);
  const server = new Server({ 'grpc.max_send_message_length': -1 });
  const definition = Object.fromEntries(
    Object.entries(service).map(([method, { path, responseStream }]) => [
      method,
      { path, responseStream, requestStream: false, ...BYTES },
    ]),
  );
  const empty: UntypedHandleCall = (_call: unknown, reply: (error: null, bytes: Buffer) => void) =>
    reply(null, Buffer.alloc(0));
  const handlers = Object.fromEntries(Object.keys(service).map((method) => [method, empty]));
  server.addService(definition, { ...handlers, followCapture: streaming(follow) });
  const credentials = ServerCredentials.createSsl(ca, [{ cert_chain, private_key }], true);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, at) => (error === null ? resolve(at) : reject(error)));
  });
  return { name, port, stop: () => server.forceShutdown() };
}

const same = (bytes: Buffer) => bytes;
const BYTES = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };

function streaming(follow: FollowBytes): UntypedHandleCall {
  return (call: ServerWritableStream<Buffer, Buffer>) => {
    let isGone = false;
    const gone = new Promise<never>((_, reject) => {
      call.once('cancelled', () => {
        isGone = true;
        reject(new Error('the reader has gone'));
      });
    });
    gone.catch(() => undefined);
    call.on('error', () => undefined);
    const write: WriteBytes = async (message) => {
      if (isGone) return gone;
      if (call.write(Buffer.from(message))) return;
      await Promise.race([gone, new Promise<void>((resolve) => call.once('drain', resolve))]);
    };
    follow(write, () => isGone).then(
      () => call.end(),
      () => call.end(),
    );
  };
}
