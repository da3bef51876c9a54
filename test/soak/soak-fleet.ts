// Two servers on one PostgreSQL, and simulated agents that dial both: real processes, real TLS, real gRPC. A server can be killed and come back.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { keepDialing } from '../../agent/dial/dialer.js';
import { readDialIdentity } from '../../agent/dial/identity-files.js';
import { serveOnStream } from '../../agent/serve.js';
import { issueCertificate } from '../../controller/ca/certificate-authority.js';
import { PING_INTERVAL, SILENCE_LIMIT } from '../../proto/dial.js';
import { type PostgresServer, postgresServer } from '../controller/store/postgres-server.js';
import { Fleet, outputOf } from '../e2e/fleet.js';
import { SimulatedAgent } from './simulated-agent.js';

export interface SoakServer {
  readonly name: string;
  /** Of agents; the same when it comes back. */
  port: number;
  process: ChildProcess | undefined;
  /** What it wrote to stderr, of all its lives. */
  readonly log: string[];
}

const TRIES = 600;
const PAUSE = 100;

export class SoakFleet {
  readonly agents: readonly SimulatedAgent[];
  readonly servers: readonly SoakServer[];
  readonly postgres: PostgresServer;
  readonly store: string;
  readonly #fleet: Fleet;
  readonly #over = new AbortController();
  readonly #dialing: Promise<void>[] = [];
  /** `server host` of each connection that a server has welcomed and that is not gone. */
  readonly #connected = new Set<string>();

  /** @param count how many agents; all are connected to both servers when this resolves */
  static async start(count: number): Promise<SoakFleet> {
    const postgres = await postgresServer();
    const fleet = await Fleet.create();
    const soak = new SoakFleet(postgres, await postgres.newStore(), fleet, count);
    try {
      await soak.#open();
    } catch (error) {
      await soak.close();
      throw error;
    }
    return soak;
  }

  private constructor(postgres: PostgresServer, store: string, fleet: Fleet, count: number) {
    this.postgres = postgres;
    this.store = store;
    this.#fleet = fleet;
    // Each connection listens.
    setMaxListeners(0, this.#over.signal);
    this.agents = Array.from({ length: count }, (_, at) => new SimulatedAgent(`sim${at + 1}`));
    this.servers = ['a', 'b'].map((name) => ({ name, port: 0, process: undefined, log: [] }));
  }

  /** `perftrawl ...args` on the store itself. @throws Error when it fails */
  async run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await outputOf(this.#fleet.start(args, { PERFTRAWL_STORE: this.store }));
    if (code !== 0) throw new Error(`perftrawl ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Rows of the store. @param text with `TABLES.` before the names of tables */
  query(text: string): Promise<readonly Record<string, unknown>[]> {
    const schema = new URL(this.store).searchParams.get('schema') ?? '';
    return this.postgres.query(text.replaceAll('TABLES.', `${schema}.`));
  }

  get directory(): string {
    return this.#fleet.directory;
  }

  async serve(server: SoakServer): Promise<void> {
    const args = ['serve', '--listen', '127.0.0.1:0', '--agents', `127.0.0.1:${server.port}`, '--name', 'localhost'];
    // In a pid namespace of its own the other server can judge it by its silence only, as on another machine.
    const isolated = ['--pid', '--fork', '--kill-child', '--mount-proc', ...this.#fleet.argv(args)];
    const env = { PERFTRAWL_STORE: this.store, PERFTRAWL_DATA: join(this.#fleet.directory, server.name) };
    const child = spawn('unshare', isolated, {
      cwd: this.#fleet.directory,
      env: this.#fleet.environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    server.process = child;
    createInterface({ input: child.stderr }).on('line', (line) => server.log.push(line));
    for await (const line of createInterface({ input: child.stdout })) {
      const port = /^agents dial in at .*:(\d+)$/.exec(line)?.[1];
      if (port === undefined) continue;
      server.port = Number(port);
      return;
    }
    throw new Error(`server ${server.name} does not serve: ${server.log.join('\n')}`);
  }

  /** SIGKILL. */
  async kill(server: SoakServer): Promise<void> {
    const child = server.process;
    if (child === undefined) return;
    server.process = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Resolves when each agent is connected to this server. */
  async dialedIn(server: SoakServer): Promise<void> {
    const areThere = async () => this.agents.every(({ name }) => this.#connected.has(`${server.name} ${name}`));
    await this.until(areThere, `the agents dial ${server.name}`);
  }

  /** @throws Error when it does not come to hold within a minute, or the limit. @param limit in minutes */
  async until(holds: () => Promise<boolean>, what: string, limit = 1): Promise<void> {
    for (let attempt = 0; attempt < TRIES * limit; attempt++) {
      if (await holds()) return;
      await sleep(PAUSE);
    }
    const logs = this.servers.map(({ name, log }) => `${name}:\n${log.slice(-20).join('\n')}`);
    throw new Error(`not within ${limit} min: ${what}\n${logs.join('\n')}`);
  }

  async close(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#dialing);
    for (const server of this.servers) await this.kill(server);
    await this.#fleet.dispose();
    await this.postgres.close();
  }

  async #open(): Promise<void> {
    await this.run('ca', 'init');
    const names = this.agents.map(({ name }) => name);
    await this.#fleet.writeInventory(names.map((name) => ({ name, address: 'dial-in', labels: { role: 'sim' } })));
    const { caDirectory } = this.#fleet;
    for (const name of names) {
      await issueCertificate(caDirectory, { name, addresses: [], role: 'dial-in-agent', days: 1 }, Date.now());
    }
    for (const server of this.servers) await this.serve(server);
    for (const server of this.servers) for (const agent of this.agents) this.#dialing.push(this.#dial(agent, server));
    for (const server of this.servers) await this.dialedIn(server);
  }

  async #dial({ name, api }: SimulatedAgent, server: SoakServer): Promise<void> {
    const place = join(this.#fleet.caDirectory, name);
    const files = { ca: join(this.#fleet.caDirectory, 'ca.crt'), cert: `${place}.crt`, key: `${place}.key` };
    const connection = `${server.name} ${name}`;
    await keepDialing(
      {
        address: { host: '127.0.0.1', port: server.port },
        readIdentity: () => readDialIdentity(files),
        instance: randomUUID(),
        version: '0.0.0',
        serve: (stream) => serveOnStream(api, stream, PING_INTERVAL),
        ...{ connectTimeout: 15_000, silenceLimit: SILENCE_LIMIT },
        // Sooner again than a real one, so that the server that comes back has its share of a short soak.
        backoff: { first: 500, longest: 2_000, stable: 0 },
        ...{ random: Math.random, monotonic: () => performance.now() },
        // The first trouble after a welcome is always told.
        note: (line) => this.#connected[line.startsWith('connected to ') ? 'add' : 'delete'](connection),
        sleep: (time, signal) => sleep(time, undefined, { signal }).catch(() => undefined),
      },
      this.#over.signal,
    );
  }
}
