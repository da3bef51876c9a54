// A small fleet on this machine for end-to-end tests: built program, real certificates, real agents as processes of their own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build, type RunningWorkload } from '../oracle/record-workload.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const perftrawl = join(root, 'bin', 'perftrawl');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Agent {
  readonly name: string;
  readonly port: number;
  readonly process: ChildProcess;
  readonly stateDirectory: string;
}

/** Everything below one temporary directory; `dispose` ends every process that was started, by pid. */
export class Fleet {
  readonly directory: string;
  readonly agents: Agent[] = [];
  readonly #children: ChildProcess[] = [];
  readonly #environment: NodeJS.ProcessEnv;

  static async create(): Promise<Fleet> {
    await access(join(root, 'dist', 'bundle', 'agent.mjs')).catch(() => {
      throw new Error('end-to-end tests run the built code: run `npm run build` first');
    });
    return new Fleet(await mkdtemp(join(tmpdir(), 'perftrawl-e2e-')));
  }

  private constructor(directory: string) {
    this.directory = directory;
    this.#environment = {
      PATH: process.env.PATH,
      HOME: directory,
      XDG_CONFIG_HOME: join(directory, 'config'),
      XDG_DATA_HOME: join(directory, 'data'),
      XDG_STATE_HOME: join(directory, 'state'),
      PERFTRAWL_STATE: join(directory, 'state', 'local-agent'),
      PERFTRAWL_DATA: join(directory, 'data'),
      PERFTRAWL_INVENTORY: join(directory, 'inventory.yaml'),
      LANG: 'C.UTF-8',
      // What captures cost, and how busy this machine is, other tests look at.
      PERFTRAWL_ADMISSION: 'off',
      PERFTRAWL_AGENT_BUDGET: 'none',
    };
  }

  /** Start `perftrawl ...args`; the caller waits for it or ends it. @param own in place of the fleet's environment, name by name */
  start(args: readonly string[], own: NodeJS.ProcessEnv = {}): ChildProcess {
    const [program, ...rest] = this.argv(args);
    const child = spawn(program, rest, {
      cwd: this.directory,
      env: this.environment(own),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    return child;
  }

  /** What runs `perftrawl ...args`, for whoever starts it by himself. */
  argv(args: readonly string[]): readonly [string, ...string[]] {
    return [process.execPath, perftrawl, ...args];
  }

  environment(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    return { ...this.#environment, ...own };
  }

  /** Run `perftrawl ...args` to its end. */
  run(...args: string[]): Promise<Ended> {
    return outputOf(this.start(args));
  }

  /** Run with `--json` and give the parsed answer; throws when the exit code is not `expected`. */
  async json<T>(args: readonly string[], expected = 0): Promise<T> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    if (code !== expected)
      throw new Error(`perftrawl ${args.join(' ')} ended with ${code}, not ${expected}: ${stderr}${stdout}`);
    return JSON.parse(stdout) as T;
  }

  async makeCertificates(...names: string[]): Promise<void> {
    const ca = join(this.directory, 'config', 'perftrawl', 'ca');
    await this.#must('ca', 'init', '--dir', ca);
    await this.#must('ca', 'issue', 'controller', '--role', 'controller', '--dir', ca);
    for (const name of names) await this.#must('ca', 'issue', name, '--address', '127.0.0.1', '--dir', ca);
  }

  get caDirectory(): string {
    return join(this.directory, 'config', 'perftrawl', 'ca');
  }

  /** Start an agent that listens with mutual TLS on a free loopback port. @param more arguments of it */
  async startAgent(name: string, ...more: readonly string[]): Promise<Agent> {
    const stateDirectory = join(this.directory, 'state', name);
    await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
    const file = (ending: string) => join(this.caDirectory, ending);
    const child = this.start([
      ...['agent', '--listen', '127.0.0.1:0', '--name', name, '--state', stateDirectory],
      ...['--cert', file(`${name}.crt`), '--key', file(`${name}.key`), '--ca', file('ca.crt')],
      ...more,
    ]);
    const complaints: string[] = [];
    child.stderr?.on('data', (part: Buffer) => complaints.push(part.toString()));
    const port = await new Promise<number>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`agent ${name} ended with ${code}: ${complaints.join('')}`)));
      if (child.stdout === null) return;
      createInterface({ input: child.stdout }).on('line', (line) => {
        const match = /^listening on .*:(\d+)$/.exec(line);
        if (match !== null) resolve(Number(match[1]));
      });
    });
    const agent = { name, port, process: child, stateDirectory };
    this.agents.push(agent);
    return agent;
  }

  async writeInventory(
    hosts: readonly { name: string; address: string; labels?: Record<string, string> }[],
  ): Promise<void> {
    const lines = hosts.map(({ name, address, labels }) => JSON.stringify({ name, address, labels: labels ?? {} }));
    await writeFile(join(this.directory, 'inventory.yaml'), `hosts: [${lines.join(', ')}]\n`);
  }

  /** Build a workload and run it until the fleet is disposed; gives its pid. */
  async startWorkload(name: RunningWorkload, ...args: string[]): Promise<number> {
    const [program, ...before] = await build(name, this.directory);
    const child = spawn(program, [...before, ...args], { cwd: this.directory, stdio: 'ignore' });
    this.#children.push(child);
    await once(child, 'spawn');
    if (child.pid === undefined) throw new Error(`${name} has no pid`);
    return child.pid;
  }

  async dispose(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async #must(...args: string[]): Promise<void> {
    const { code, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`perftrawl ${args.join(' ')} ended with ${code}: ${stderr}`);
  }
}

export async function outputOf(child: ChildProcess): Promise<Ended> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (part: Buffer) => stdout.push(part));
  child.stderr?.on('data', (part: Buffer) => stderr.push(part));
  const [code] = await once(child, 'close');
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
