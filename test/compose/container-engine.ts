// A container engine of our own: dockerd with a directory, a network and a mount namespace that nobody else sees. Needs root.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { needTool, runTool, type ToolOptions, type ToolResult } from '../vm/tool.js';

const START_TIMEOUT = 60_000;
const STOP_TIMEOUT = 60_000;
const CHECK_EVERY = 200;
const CONFIGURATION = 'daemon.json';
const CGROUPS = '/sys/fs/cgroup';

export class ContainerEngine {
  readonly #directory: string;
  readonly #cgroup: string;
  readonly #dockerd: ChildProcess;
  readonly #ended: Promise<void>;
  #log = '';
  #hasEnded = false;

  /** @param directory is made, and removed by `stop` @throws Error with the end of dockerd's log when it does not start */
  static async start(directory: string): Promise<ContainerEngine> {
    if (process.getuid?.() !== 0) throw new Error('a container engine of our own needs root: run this test as root');
    await mkdir(directory);
    // In place of the configuration of this machine.
    await writeFile(join(directory, CONFIGURATION), '{}');
    const engine = new ContainerEngine(directory);
    for (const end = Date.now() + START_TIMEOUT; ; await pause(CHECK_EVERY)) {
      if (engine.#hasEnded || Date.now() > end) break;
      if ((await engine.tryDocker('info')).status === 0) return engine;
    }
    await engine.stop();
    throw new Error(`dockerd did not start:\n${engine.#log}`);
  }

  private constructor(directory: string) {
    this.#directory = directory;
    this.#cgroup = `perftrawl-test-${process.pid}`;
    const dockerd = [
      'dockerd',
      ...[`--data-root=${join(directory, 'data')}`, `--exec-root=${join(directory, 'exec')}`],
      ...[`--host=${this.#socket}`, `--pidfile=${join(directory, 'dockerd.pid')}`],
      // Cgroups that can be told from those of others.
      ...[`--config-file=${join(directory, CONFIGURATION)}`, `--cgroup-parent=/${this.#cgroup}`],
    ];
    this.#dockerd = spawn(
      'unshare',
      [
        ...['--net', '--mount', '--propagation', 'private', '--'],
        // It ends with this process, whatever ends that one.
        ...['sh', '-c', 'ip link set lo up && exec setpriv --pdeathsig TERM -- "$@"', 'sh', ...dockerd],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const keep = (part: Buffer) => {
      this.#log = (this.#log + part.toString('utf8')).slice(-4000);
    };
    this.#dockerd.stdout?.on('data', keep);
    this.#dockerd.stderr?.on('data', keep);
    this.#ended = new Promise((resolve) => {
      const end = () => {
        this.#hasEnded = true;
        resolve();
      };
      this.#dockerd.on('close', end).on('error', (error) => {
        this.#log += error.message;
        end();
      });
    });
  }

  get #socket(): string {
    return `unix://${join(this.#directory, 'docker.sock')}`;
  }

  /** For programs that talk to the engine. The builder of dockerd itself, which needs nothing beside it. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, DOCKER_HOST: this.#socket, DOCKER_BUILDKIT: '0', COMPOSE_DOCKER_CLI_BUILD: '0' };
  }

  /** stdout of `docker …`. @throws Error when it fails */
  docker(args: readonly string[], options: ToolOptions = { timeout: 60_000 }): Promise<string> {
    return needTool('docker', args, { env: this.environment, ...options });
  }

  tryDocker(...args: string[]): Promise<ToolResult> {
    return runTool('docker', args, { env: this.environment, timeout: 60_000 });
  }

  /** Run a program of this machine where the published ports of the containers are. */
  runInNetwork(command: string, args: readonly string[], options: ToolOptions): Promise<ToolResult> {
    return runTool('nsenter', [`--net=/proc/${this.#dockerd.pid}/ns/net`, '--', command, ...args], options);
  }

  /** Ends the engine with all its containers, and removes its directory and its cgroups. */
  async stop(): Promise<void> {
    this.#dockerd.kill('SIGTERM');
    const kill = setTimeout(() => this.#dockerd.kill('SIGKILL'), STOP_TIMEOUT);
    await this.#ended;
    clearTimeout(kill);
    await rm(this.#directory, { recursive: true, force: true });
    for (const cgroup of await this.#cgroups()) await rmdir(cgroup);
  }

  /** Of each hierarchy of cgroup v1, or the one of v2; empty when all containers are gone. */
  async #cgroups(): Promise<string[]> {
    const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '));
    const places = mounts.filter(([, place = '', type = '']) => place.startsWith(CGROUPS) && type.startsWith('cgroup'));
    const found = await Promise.all(
      places.map(async ([, place]) =>
        (await readdir(place)).includes(this.#cgroup) ? [join(place, this.#cgroup)] : [],
      ),
    );
    return found.flat();
  }
}
