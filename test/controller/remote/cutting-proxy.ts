// A way to a server that breaks when it is told to: what the server does meanwhile, its client does not learn.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CuttingProxy {
  readonly url: URL;
  /** From now on answers go no further, until `cut`. */
  holdAnswers(): void;
  /** Break all connections; new ones are let through whole. */
  cut(): void;
  /** Break all connections, and new ones at once. */
  goAway(): void;
  close(): Promise<void>;
}

export async function cuttingProxy(target: URL): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  let isHeld = false;
  let isAway = false;
  const keep = (socket: Socket) => {
    open.add(socket);
    // Broken on purpose: each end only has to go when the other one does.
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
  };
  const proxy = createServer((client) => {
    if (isAway) return void client.destroy();
    const server = connect(Number(target.port), '127.0.0.1');
    keep(client);
    keep(server);
    client.on('data', (data) => server.write(data)).on('close', () => server.destroy());
    server.on('data', (data) => void (isHeld || client.write(data))).on('close', () => client.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  const cut = () => {
    isHeld = false;
    for (const socket of open) socket.destroy();
  };
  return {
    url: new URL(`https://localhost:${port}`),
    holdAnswers: () => {
      isHeld = true;
    },
    cut,
    goAway() {
      isAway = true;
      cut();
    },
    async close() {
      cut();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}
