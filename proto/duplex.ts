// gRPC over any byte stream: the agent's side serves on a stream it was given, the controller's side calls over one that it opens.
import { fstatSync } from 'node:fs';
import net from 'node:net';
import { Duplex, type Readable, type Writable } from 'node:stream';
import { CallCredentials, ChannelCredentials, type experimental, type Server, ServerCredentials } from '@grpc/grpc-js';
import { asSocket } from './socket-pair.js';

/** Serve on one stream that is already open; nothing listens. The peer is trusted: whoever opened the stream has authenticated it. */
export async function serveStream(server: Server, stream: Duplex): Promise<void> {
  const socket = await asSocket(stream);
  server.createConnectionInjector(ServerCredentials.createInsecure()).injectConnection(socket);
}

/** Two half streams as one, with back-pressure both ways. */
export function joinStreams(input: Readable, output: Writable): Duplex {
  return Duplex.from({ readable: input, writable: output });
}

/**
 * This process's stdin and stdout as one stream. sshd gives a command without a terminal one socket pair for both: that is used
 * as it is, which saves a copy.
 */
export function stdioDuplex(): Duplex {
  const stdin = fstatSync(0);
  const stdout = fstatSync(1);
  const isOneSocket = stdin.isSocket() && stdout.isSocket() && stdin.ino === stdout.ino && stdin.dev === stdout.dev;
  if (isOneSocket) return new net.Socket({ fd: 0, readable: true, writable: true });
  return joinStreams(process.stdin, process.stdout);
}

/** Opens the stream to an agent; called again for every reconnect. */
export type OpenStream = () => Promise<Duplex>;

/**
 * Channel credentials whose connection is the stream that `open` gives. grpc-js always makes a socket connection first: it goes to
 * `placeholderTarget()`, which accepts and forgets. This rests on the SecureConnector contract of grpc-js (exported as
 * experimental): the version is pinned and the transport contract tests cover it.
 */
export class StreamCredentials extends ChannelCredentials {
  readonly #open: OpenStream;

  constructor(open: OpenStream) {
    super();
    this.#open = open;
  }

  override _isSecure(): boolean {
    return false;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(
    _target: unknown,
    _options: unknown,
    perCall?: CallCredentials,
  ): experimental.SecureConnector {
    const credentials = perCall ?? CallCredentials.createEmpty();
    return {
      connect: async (placeholder) => {
        const socket = await asSocket(await this.#open());
        placeholder.destroy();
        return { socket, secure: false };
      },
      waitForReady: async () => undefined,
      getCallCredentials: () => credentials,
      destroy: () => undefined,
    };
  }
}
