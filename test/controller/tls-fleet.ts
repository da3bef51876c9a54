// A CA, and agents that serve real gRPC over mTLS on ports of this machine. Everything is gone after `close`.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { initCa, issueCertificate } from '../../controller/ca/certificate-authority.js';
import type { AgentApi } from '../../proto/agent-api.js';
import { addAgentService, SERVER_OPTIONS } from '../../proto/agent-server.js';

export interface TlsFleet {
  /** Temporary; `ca/` is in it, with a controller's certificate. */
  readonly directory: string;
  readonly caDirectory: string;
  /** Serve an agent whose certificate names `name`. */
  serve(name: string, api: AgentApi, port?: number): Promise<ServedAgent>;
  /** `inventory.yaml` with these agents. */
  writeInventory(
    agents: readonly { readonly name: string; readonly port: number; readonly labels?: string }[],
  ): Promise<string>;
  close(): Promise<void>;
}

export interface ServedAgent {
  readonly name: string;
  readonly port: number;
  /** Breaks all its connections and stops listening. */
  stop(): void;
}

export async function tlsFleet(): Promise<TlsFleet> {
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-fleet-'));
  const caDirectory = join(directory, 'ca');
  await initCa(caDirectory, Date.now());
  await issueCertificate(caDirectory, { name: 'controller', addresses: [], role: 'controller', days: 1 }, Date.now());
  const served: ServedAgent[] = [];
  const issued = new Set<string>();
  return {
    directory,
    caDirectory,
    async serve(name, api, port = 0) {
      if (!issued.has(name)) {
        issued.add(name);
        await issueCertificate(caDirectory, { name, addresses: ['127.0.0.1'], role: 'agent', days: 1 }, Date.now());
      }
      const agent = await serveAgent(caDirectory, name, api, port);
      served.push(agent);
      return agent;
    },
    async writeInventory(agents) {
      const lines = agents.map(
        ({ name, port, labels = '{}' }) =>
          `  - { name: ${name}, labels: ${labels}, address: "tls://127.0.0.1:${port}" }`,
      );
      const file = join(directory, 'inventory.yaml');
      await writeFile(file, `hosts:\n${lines.join('\n')}\n`);
      return file;
    },
    async close() {
      for (const agent of served) agent.stop();
      await rm(directory, { recursive: true });
    },
  };
}

async function serveAgent(caDirectory: string, name: string, api: AgentApi, port: number): Promise<ServedAgent> {
  const read = (file: string) => readFile(join(caDirectory, file));
  const [ca, cert_chain, private_key] = await Promise.all([read('ca.crt'), read(`${name}.crt`), read(`${name}.key`)]);
  const server = new Server(SERVER_OPTIONS);
  addAgentService(server, api);
  const credentials = ServerCredentials.createSsl(ca, [{ cert_chain, private_key }], true);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, at) => (error === null ? resolve(at) : reject(error)));
  });
  return { name, port: bound, stop: () => server.forceShutdown() };
}
