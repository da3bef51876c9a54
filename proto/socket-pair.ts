// A real socket for any stream. Node's HTTP/2 on a stream that is no socket goes through a wrapper that fails an assertion, and with it
// the process, when a session is destroyed while a write is under way (Node 20: JSStreamSocket.doWrite).
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { type Duplex, pipeline } from 'node:stream';
import { socketDirectory } from './placeholder-socket.js';

let made = 0;

/** Two ends of one connection, in this process. */
export async function socketPair(): Promise<readonly [net.Socket, net.Socket]> {
  const path = join(await socketDirectory(), `pair-${made++}`);
  const server = net.createServer();
  try {
    server.listen(path);
    await once(server, 'listening');
    const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
    const near = net.connect(path);
    await once(near, 'connect');
    return [near, await accepted];
  } finally {
    // The path goes; the connection stays.
    server.close();
  }
}

/** The stream itself when it is a socket; else a socket whose other end is joined to it. They close together. */
export async function asSocket(stream: Duplex): Promise<net.Socket> {
  if (stream instanceof net.Socket) return stream;
  const [near, far] = await socketPair();
  // Whoever opened the stream hears of its errors; here they only end the pair.
  pipeline(stream, far, () => far.destroy());
  pipeline(far, stream, () => undefined);
  return near;
}
