// A way to a PostgreSQL that passes everything on, loses what a test wants lost, and can be cut at a statement.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class LossyWay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** So often a connection over which a transaction was committed is cut before the answer. */
  losses = 0;
  /** Nothing gets through from a statement with these words on, which does not itself, until `open`. */
  cutAt: string | undefined;
  isCut = false;

  constructor(port: number) {
    this.#server = createServer((client) => {
      if (this.isCut) {
        client.destroy();
        return;
      }
      const server = connect(port, '127.0.0.1');
      let isCommitting = false;
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          for (const end of [client, server]) {
            this.#sockets.delete(end);
            end.destroy();
          }
        });
      }
      client.on('data', (bytes) => {
        if (this.cutAt !== undefined && bytes.includes(this.cutAt)) this.isCut = true;
        if (this.isCut) {
          for (const socket of this.#sockets) socket.destroy();
          return;
        }
        isCommitting = this.losses > 0 && bytes.includes('commit\0');
        // Counted here: another connection may commit before the answer is there.
        if (isCommitting) this.losses--;
        server.write(bytes);
      });
      server.on('data', (bytes) => {
        if (!isCommitting) {
          client.write(bytes);
          return;
        }
        client.destroy();
      });
    });
  }

  /** @returns its port on 127.0.0.1 */
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  open(): void {
    this.cutAt = undefined;
    this.isCut = false;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
