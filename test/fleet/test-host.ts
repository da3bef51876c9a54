// One test host: a process tree in namespaces of its own (pid, mount, host name, network) whose first process is sshd.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { hiddenFiles } from './hidden-files.js';
import { writeBootId } from './host-files.js';

const ENTER = fileURLToPath(new URL('enter-host.sh', import.meta.url));
const START_MS = 60_000;

export interface HostOptions {
  /** Nothing answers on its port, or there is no way to it from the start. */
  readonly unreachable?: 'no-sshd' | 'no-link';
  /** known_hosts has another key for it, or none. */
  readonly hostKey?: 'changed' | 'unknown';
  /** Programs that this host lacks. */
  readonly without?: readonly ('perf' | 'node')[];
  /** Lines of sshd_config; they win over the usual ones. */
  readonly sshdOptions?: readonly string[];
  /** Size of /var/lib/perftrawl, which is then lost at a reboot. Default: that of the disk below. */
  readonly stateBytes?: number;
}

export interface HostPlace {
  readonly name: string;
  readonly number: number;
  readonly directory: string;
  readonly address: string;
  readonly port: number;
}

/** How the host gets its network; undefined when it has that of this machine. */
export interface Cable {
  plug(pid: number): Promise<void>;
  set(state: 'up' | 'down'): Promise<void>;
}

interface Running {
  readonly unshare: ChildProcess;
  /** The host's process 1, as numbered on this machine. */
  readonly init: number;
}

export class TestHost implements HostPlace {
  readonly name: string;
  readonly number: number;
  readonly directory: string;
  readonly address: string;
  readonly port: number;
  readonly #options: HostOptions;
  readonly #cable: Cable | undefined;
  readonly #log: string[] = [];
  #running: Running | undefined;
  #isUp = false;

  constructor(place: HostPlace, options: HostOptions, cable: Cable | undefined) {
    this.name = place.name;
    this.number = place.number;
    this.directory = place.directory;
    this.address = place.address;
    this.port = place.port;
    this.#options = options;
    this.#cable = cable;
  }

  /** The last lines that sshd wrote. */
  get log(): string {
    return this.#log.join('\n');
  }

  /** The host's own home directory of the login user, and its /var/lib/perftrawl, seen from this machine. */
  get home(): string {
    return join(this.directory, 'home');
  }
  get state(): string {
    return join(this.directory, 'state');
  }

  /** False before it has started, and while it reboots. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Resolves when sshd listens. */
  async start(): Promise<void> {
    const { stateBytes, unreachable, without = [] } = this.#options;
    const unshare = spawn(
      'setpriv',
      [
        // Whatever ends the test ends the host.
        ...['--pdeathsig', 'KILL', 'unshare', '--kill-child', '--fork', '--mount-proc', '--propagation', 'private'],
        ...['--pid', '--mount', '--uts', ...(this.#cable === undefined ? [] : ['--net'])],
        ...['sh', ENTER, this.name, this.directory, userInfo().homedir],
        ...[this.#cable === undefined ? '-' : this.address, stateBytes === undefined ? '-' : `size=${stateBytes}`],
        ...[unreachable === 'no-sshd' ? '-' : '/usr/sbin/sshd', ...(await hiddenFiles(without))],
      ],
      { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env.PATH, LANG: 'C.UTF-8' } },
    );
    const entered = this.#line(unshare, unshare.stdout, /^entered$/);
    const listening = this.#line(unshare, unshare.stderr, /Server listening on|^no sshd$/);
    // Awaited below, unless entering fails first.
    listening.catch(() => undefined);
    await entered;
    const pid = unshare.pid ?? 0;
    const init = Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim());
    if (!(init > 0)) throw new Error(`host ${this.name} has no process 1: ${this.log}`);
    this.#running = { unshare, init };
    await this.#cable?.plug(pid);
    unshare.stdin.end('\n');
    await listening;
    await this.#cable?.set(unreachable === 'no-link' ? 'down' : 'up');
    this.#isUp = true;
  }

  /** Ends every process of the host at once, as a power cut does. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    this.#isUp = false;
    const { unshare, init } = running;
    if (unshare.exitCode !== null || unshare.signalCode !== null) return;
    const exited = once(unshare, 'exit');
    // The kernel reports the end of process 1 when all others of its namespace have ended.
    process.kill(init, 'SIGKILL');
    await exited;
  }

  /** A power cut: processes and /tmp are gone, files below the home directory and /var/lib/perftrawl stay, the boot id is new. */
  async reboot(): Promise<void> {
    await this.stop();
    await writeBootId(this.directory);
    await this.start();
  }

  /** Cut the network: packets are lost, nobody is told. */
  async cut(): Promise<void> {
    await this.#network().set('down');
  }

  async mend(): Promise<void> {
    await this.#network().set('up');
  }

  /** Start a program on the host. It ends with the host at the latest. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const target = ['--target', String(this.#init()), '--mount', '--uts', '--net', '--pid'];
    const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: userInfo().homedir };
    return spawn('nsenter', [...target, '--', ...argv], { env, ...options });
  }

  /** Run a program on the host to its end; gives its stdout. @throws when it fails */
  async run(...argv: string[]): Promise<string> {
    const child = this.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (part: Buffer) => stdout.push(part));
    child.stderr?.on('data', (part: Buffer) => stderr.push(part));
    const [code] = await once(child, 'close');
    if (code === 0) return Buffer.concat(stdout).toString();
    throw new Error(`${argv.join(' ')} on ${this.name} ended with ${code}: ${Buffer.concat(stderr).toString()}`);
  }

  /** Pids, as numbered on this machine, of the host's processes named `comm`, but for the first one. */
  async processes(comm: string): Promise<number[]> {
    const init = this.#init();
    const pids = (await namespaceOf(init)).filter((pid) => pid !== init);
    const comms = await Promise.all(pids.map((pid) => textOf(`/proc/${pid}/comm`)));
    return pids.filter((_, i) => comms[i] === `${comm}\n`);
  }

  /** Kill the sshd processes of the sessions that are open; sshd itself goes on. Gives how many. */
  async killSessions(): Promise<number> {
    const sessions = await this.processes('sshd');
    for (const pid of sessions) killIfThere(pid);
    return sessions.length;
  }

  #init(): number {
    if (this.#running === undefined) throw new Error(`host ${this.name} is not up`);
    return this.#running.init;
  }

  #network(): Cable {
    if (this.#cable === undefined) throw new Error(`host ${this.name} shares the network of this machine`);
    return this.#cable;
  }

  /** The first line that matches; all lines go to the log. */
  #line(child: ChildProcess, stream: NodeJS.ReadableStream, wanted: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (how: string) => reject(new Error(`host ${this.name} ${how}: ${this.log}`));
      const timer = setTimeout(() => failed(`did not start within ${START_MS} ms`), START_MS);
      child.once('error', (error) => failed(error.message));
      child.once('close', (code) => failed(`ended with ${code}`));
      createInterface({ input: stream }).on('line', (line) => {
        this.#log.push(line);
        if (this.#log.length > 200) this.#log.shift();
        if (!wanted.test(line)) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** All processes of the pid namespace of `init`, those that `spawn` put there too. */
async function namespaceOf(init: number): Promise<number[]> {
  const own = await readlink(`/proc/${init}/ns/pid`);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const spaces = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/pid`).catch(() => '')));
  return pids.filter((_, i) => spaces[i] === own);
}

/** '' for a process that has ended. */
async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
