// A server over an app with fake agents: real HTTPS on a port of this machine, real certificates, real gRPC behind it.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { App } from '../../../controller/api.js';
import { createApp, type LocalApp } from '../../../controller/app.js';
import type { ApprovalRule } from '../../../controller/approval/approval.js';
import { issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { type Clock, systemClock } from '../../../controller/clock.js';
import type { QueueLimits } from '../../../controller/jobs/queue-policy.js';
import { openRemoteApp, type RemoteAppOptions } from '../../../controller/remote/remote-app.js';
import { identityFilesIn } from '../../../controller/transport/identity.js';
import type { Role } from '../../../controller/users/role.js';
import type { HttpServer } from '../../../controller/web/http-server.js';
import { serveApp } from '../../../controller/web/serve-app.js';
import { serverIdentity } from '../../../controller/web/server-identity.js';
import type { LogEntry } from '../../../controller/web/server-log.js';
import { FakeAgent, type Script } from '../fake-agent.js';
import { type TlsFleet, tlsFleet } from '../tls-fleet.js';

export interface ServedApp {
  readonly fleet: TlsFleet;
  readonly app: LocalApp;
  readonly agents: Readonly<Record<string, FakeAgent>>;
  readonly log: readonly LogEntry[];
  /** What the app says that nobody asked for. */
  readonly told: readonly string[];
  readonly ca: string;
  url(): URL;
  /** The token of a new user. */
  token(name: string, role: Role, ttl?: number): Promise<string>;
  /** The server as this user sees it; closed with the rest. */
  remote(token: string, more?: Partial<RemoteAppOptions>): Promise<App>;
  /** Cert and key of a role. */
  certificate(name: string, role: 'user' | 'agent' | 'controller'): Promise<{ cert: Buffer; key: Buffer }>;
  /** Stop the server as SIGTERM does, and start another on the same port over the same data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface Serving {
  readonly approve?: ApprovalRule;
  readonly clock?: Clock;
  /** As `--store` takes it; default: SQLite in the data directory. */
  readonly store?: string;
  readonly queue?: QueueLimits;
  readonly mostJobs?: number;
}

export async function servedApp(scripts: Record<string, Script>, serving: Serving = {}): Promise<ServedApp> {
  const { approve = 'none', clock = systemClock, store: name, queue = { mostHosts: 0 }, mostJobs = 64 } = serving;
  const fleet = await tlsFleet();
  const agents = Object.fromEntries(Object.entries(scripts).map(([name, script]) => [name, new FakeAgent(script)]));
  const listed = [];
  for (const [name, agent] of Object.entries(agents)) listed.push(await fleet.serve(name, agent));
  await fleet.writeInventory(listed);
  const log: LogEntry[] = [];
  const told: string[] = [];
  const open: App[] = [];
  const openApp = () =>
    createApp({
      ...{ dataDir: join(fleet.directory, 'data'), configDir: fleet.directory, agentCommand: ['/nonexistent'] },
      ...{ approve, clock, queue, log: (text: string) => void told.push(text) },
      ...(name === undefined ? {} : { store: { name, env: {}, homeDirectory: fleet.directory } }),
    });
  const openServer = async (port: number) => {
    const addresses = ['localhost', '127.0.0.1'];
    return serveApp({
      ...{
        app,
        listen: { host: '127.0.0.1', port },
        clock,
        random: Math.random,
        name: 'server',
        version: '1.2.3',
        mostJobs,
      },
      identity: await serverIdentity({
        ...{ caDirectory: fleet.caDirectory, files: identityFilesIn(fleet.caDirectory, 'server') },
        ...{ isIssuable: true, addresses, now: Date.now() },
      }),
      log: (entry) => void log.push(entry),
    });
  };
  let app = await openApp();
  let server: HttpServer = await openServer(0);
  const ca = await readFile(join(fleet.caDirectory, 'ca.crt'), 'utf8');
  const url = () => new URL(`https://localhost:${server.address.port}`);
  return {
    ...{ fleet, agents, log, told, ca, url },
    get app() {
      return app;
    },
    async token(name, role, ttl) {
      const { token } = await app.users.add({ name, role, ttl, withToken: true });
      if (token === undefined) throw new Error('no token');
      return token;
    },
    async remote(token, more = {}) {
      const { signal: interrupt } = new AbortController();
      const remote = await openRemoteApp({
        ...{ url: url(), ca, token, clock: systemClock, newKey: () => randomUUID(), tell: () => undefined, interrupt },
        ...more,
      });
      open.push(remote);
      return remote;
    },
    async certificate(name, role) {
      const now = Date.now();
      const { certPath, keyPath } = await issueCertificate(
        fleet.caDirectory,
        { name, addresses: [], role, days: 1 },
        now,
      );
      return { cert: await readFile(certPath), key: await readFile(keyPath) };
    },
    async restart() {
      const { port } = server.address;
      await server.close();
      await app.close();
      app = await openApp();
      server = await openServer(port);
    },
    async close() {
      for (const remote of open) await remote.close();
      await server.close();
      await app.close();
      await fleet.close();
    },
  };
}
