// A workstation and its fleet, each a test host: the built program on the one, workloads on all, and on the others either agents that listen
// with mutual TLS, or nothing of ours at all: those are reached by ssh.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { App } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import { build } from '../oracle/record-workload.js';
import { SshFleet } from './ssh-fleet.js';
import type { HostOptions, TestHost } from './test-host.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const perftrawl = join(root, 'bin', 'perftrawl');
const PORT = 7451;

/** The host that the controller runs on; an agent of its own serves it as `ws`. */
export const WORKSTATION = 'ws';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface WorkstationOptions {
  /** Hosts with an agent that listens. Default: none. */
  readonly hosts?: Readonly<Record<string, HostOptions>>;
  /** Hosts with sshd only. Default: none. */
  readonly sshHosts?: Readonly<Record<string, HostOptions>>;
  /** Hosts whose certificate is another CA's. */
  readonly strangers?: readonly string[];
  /** argv of the workload `faults` after its name, on every host. */
  readonly workload: readonly string[];
}

export class Workstation {
  readonly fleet: SshFleet;
  /** Names of the hosts with an agent that listens. */
  readonly listening: readonly string[];
  readonly #strangers: ReadonlySet<string>;
  /** argv of what runs on every host. */
  #workload: readonly string[] = [];
  readonly #agents = new Map<string, ChildProcess>();

  static async start(options: WorkstationOptions): Promise<Workstation> {
    await access(join(root, 'dist', 'bundle', 'agent.mjs')).catch(() => {
      throw new Error('this runs the built code: run `npm run build` first');
    });
    const { hosts = {}, sshHosts = {}, strangers = [] } = options;
    const fleet = await SshFleet.start({ hosts: { [WORKSTATION]: {}, ...hosts, ...sshHosts } });
    const workstation = new Workstation(fleet, Object.keys(hosts), strangers);
    try {
      await workstation.#prepare(Object.keys(sshHosts), options.workload);
      return workstation;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  private constructor(fleet: SshFleet, listening: readonly string[], strangers: readonly string[]) {
    this.fleet = fleet;
    this.listening = listening;
    this.#strangers = new Set(strangers);
  }

  get host(): TestHost {
    return this.fleet.host(WORKSTATION);
  }

  /** Of the controller, seen from this machine. */
  get dataDirectory(): string {
    return join(this.host.home, 'data');
  }
  get inventory(): string {
    return join(this.fleet.directory, 'inventory.yaml');
  }

  /** Start `perftrawl ...args` on the workstation. */
  spawn(args: readonly string[]): ChildProcess {
    return this.#spawn([process.execPath, perftrawl, ...args]);
  }

  #spawn(argv: readonly string[]): ChildProcess {
    const env = {
      PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: homedir(),
      PERFTRAWL_DATA: join(homedir(), 'data'),
      PERFTRAWL_INVENTORY: this.inventory,
      PERFTRAWL_CONFIG: join(this.fleet.directory, 'config'),
      PERFTRAWL_SSH_CONFIG: this.fleet.sshConfig,
      LANG: 'C.UTF-8',
    };
    return this.host.spawn(argv, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async run(...args: string[]): Promise<Ended> {
    return endOf(this.spawn(args));
  }

  /** Run any program on the workstation, in the same environment. */
  async runThere(argv: readonly string[]): Promise<Ended> {
    return endOf(this.#spawn(argv));
  }

  /** Run with `--json` and give the parsed answer. @throws when the exit code is none of `expected` */
  async json<T>(args: readonly string[], expected: readonly number[] = [0]): Promise<T> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    if (code === null || !expected.includes(code)) {
      throw new Error(`perftrawl ${args.join(' ')} ended with ${code}: ${stderr.slice(-2000)}${stdout.slice(-2000)}`);
    }
    return JSON.parse(stdout) as T;
  }

  /** What the store of the workstation holds: read here, in place of a process for each question. */
  async withStore<T>(ask: (app: App) => Promise<T>): Promise<T> {
    const app = await createApp({
      dataDir: this.dataDirectory,
      configDir: this.fleet.directory,
      inventoryPath: this.inventory,
      agentCommand: ['false'],
    });
    try {
      return await ask(app);
    } finally {
      await app.close();
    }
  }

  /** Resolves when it listens. @param environment on top of the host's */
  async startAgent(name: string, environment: Readonly<Record<string, string>> = {}): Promise<void> {
    const { fleet } = this;
    const host = fleet.host(name);
    const ca = this.#caOf(name);
    const child = host.spawn(
      [
        ...['env', ...Object.entries(environment).map(([key, value]) => `${key}=${value}`)],
        ...[process.execPath, perftrawl, 'agent', '--listen', `${host.address}:${PORT}`, '--name', name],
        ...['--cert', join(ca, `${name}.crt`), '--key', join(ca, `${name}.key`), '--ca', join(ca, 'ca.crt')],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#agents.set(name, child);
    const said: string[] = [];
    child.stderr?.on('data', (part: Buffer) => said.push(part.toString()));
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the agent of ${name} ended with ${code}: ${said.join('')}`)));
      if (child.stdout === null) return;
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('listening on ')) resolve();
      });
    });
  }

  /** Resolves when it is gone. False when there is none. */
  async killAgent(name: string): Promise<boolean> {
    const child = this.#agents.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return false;
    const ended = once(child, 'exit');
    const [pid] = await this.agentsOn(name);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await ended;
    return true;
  }

  /** A power cut; then what ran on the host from its start runs again. */
  async reboot(name: string): Promise<void> {
    const host = this.fleet.host(name);
    await host.reboot();
    host.spawn(this.#workload, { stdio: 'ignore' });
    if (this.listening.includes(name)) await this.startAgent(name);
  }

  isAgentUp(name: string): boolean {
    const child = this.#agents.get(name);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Pids of agent processes of a host, as numbered on this machine. */
  async agentsOn(name: string): Promise<number[]> {
    const pids = await this.fleet.host(name).processes('node');
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    // Ours is called `agent`; what was sent by ssh is called `agent-SHA256.cjs`.
    return pids.filter((_, i) => lines[i].split('\0').some((word) => /^agent$|\/agent-[0-9a-f]{64}/.test(word)));
  }

  /** Pids of controllers. */
  async controllers(): Promise<number[]> {
    const all = await this.fleet.host(WORKSTATION).processes('node');
    const agents = await this.agentsOn(WORKSTATION);
    return all.filter((pid) => !agents.includes(pid));
  }

  async stop(): Promise<void> {
    await this.fleet.stop();
  }

  async #prepare(sshNames: readonly string[], workload: readonly string[]): Promise<void> {
    const { fleet } = this;
    const [program, ...before] = await build('faults', fleet.directory);
    const strangers = this.listening.filter((name) => this.#strangers.has(name));
    const known = this.listening.filter((name) => !this.#strangers.has(name));
    if (known.length > 0) await this.#certificates('ca', known);
    if (strangers.length > 0) await this.#certificates('another-ca', strangers);
    const hosts = [
      { name: WORKSTATION, address: 'local' },
      ...this.listening.map((name) => ({ name, address: `tls://${fleet.host(name).address}:${PORT}` })),
      ...sshNames.map((name) => ({ name, address: `ssh://${name}` })),
    ];
    const lines = hosts.map((host) => JSON.stringify({ ...host, labels: {} }));
    await writeFile(this.inventory, `hosts: [${lines.join(', ')}]\n`);
    this.#workload = [program, ...before, ...workload];
    for (const host of fleet.hosts.values()) host.spawn(this.#workload, { stdio: 'ignore' });
    await Promise.all(this.listening.map((name) => this.startAgent(name)));
  }

  #caOf(name: string): string {
    return join(this.fleet.directory, 'config', this.#strangers.has(name) ? 'another-ca' : 'ca');
  }

  async #certificates(ca: string, names: readonly string[]): Promise<void> {
    const directory = join(this.fleet.directory, 'config', ca);
    await this.#must('ca', 'init', '--dir', directory);
    await this.#must('ca', 'issue', 'controller', '--role', 'controller', '--dir', directory);
    for (const name of names) {
      await this.#must('ca', 'issue', name, '--address', this.fleet.host(name).address, '--dir', directory);
    }
  }

  async #must(...args: string[]): Promise<void> {
    const { code, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`perftrawl ${args.join(' ')} ended with ${code}: ${stderr}`);
  }
}

async function endOf(child: ChildProcess): Promise<Ended> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (part: Buffer) => stdout.push(part));
  child.stderr?.on('data', (part: Buffer) => stderr.push(part));
  const [code] = await once(child, 'close');
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
