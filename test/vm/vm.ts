// A virtual machine with Debian's own kernel, for what needs loadable modules and kprobes: boot it, run programs in it, stop it.
//
// QEMU interprets every instruction (TCG): that works on any machine, and is some ten times slower than native. The image is never changed.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type Image, needImage } from './image.js';
import { askMonitor, forwardedPorts } from './qemu-monitor.js';
import { needTool, runTool, type ToolResult } from './tool.js';

export interface VmOptions {
  /** Default: that of the cache, built if need be. */
  readonly image?: Image;
  /** TCP ports in the VM to be reached through a port of 127.0.0.1 here; see {@link Vm.port}. */
  readonly forward?: readonly number[];
  /** MiB of memory (default 1536). */
  readonly memory?: number;
  /** Processors (default 2). */
  readonly processors?: number;
  /** More parameters of the kernel, such as `lockdown=integrity`. */
  readonly kernelParameters?: readonly string[];
  /** Milliseconds until it must answer (default three minutes; some ten seconds are usual). */
  readonly bootTimeout?: number;
}

export interface RunOptions {
  /** Milliseconds (default two minutes). */
  readonly timeout?: number;
  readonly stdin?: Buffer;
}

export interface Vm {
  /** What `uname -r` says in it. */
  readonly release: string;
  /** Milliseconds from start to answering. */
  readonly bootTime: number;
  /** The port of 127.0.0.1 that leads to `guestPort`, one of {@link VmOptions.forward}. */
  port(guestPort: number): number;
  /** Run a program as root to its end. @throws Error when it takes too long or the VM does not answer, not when it fails */
  run(argv: readonly string[], options?: RunOptions): Promise<ToolResult>;
  /** Its stdout. @throws Error with its stderr when it fails */
  need(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** Start a program as root; stdin, stdout and stderr are pipes. It ends with {@link Vm.stop} at the latest. */
  start(argv: readonly string[]): ChildProcess;
  /** Copy a file or directory of this machine to the path `to`, whose directory is made. */
  put(from: string, to: string): Promise<void>;
  /** Copy a file or directory to the path `to` of this machine, whose directory exists; it keeps its name. */
  get(from: string, toDirectory: string): Promise<void>;
  /** What the kernel and the first process wrote on the console, its last 64 KiB. */
  console(): string;
  /** For the message of a failure: the console's last lines, and whether its processors are halted or where they run; asks QEMU, not the VM. */
  state(): Promise<string>;
  /** End it; nothing of it is left. May be called twice. */
  stop(): Promise<void>;
}

const BOOT_TIMEOUT = 180_000;
const RUN_TIMEOUT = 120_000;
const COPY_TIMEOUT = 120_000;
const STOP_TIMEOUT = 5000;
const CONSOLE_LIMIT = 64 * 1024;
const SSH_PORT = 22;
const SSH_FAILED = 255;

/** Boot a VM. Several may run at a time. It dies with this process, however that ends. @throws Error with the console's last lines */
export async function bootVm(options: VmOptions = {}): Promise<Vm> {
  const image = options.image ?? (await needImage());
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-vm-'));
  const start = Date.now();
  const machine = new Machine(image, directory, options);
  try {
    await machine.whenUp(options.bootTimeout ?? BOOT_TIMEOUT);
    return machine.vm(Date.now() - start);
  } catch (error) {
    await machine.stop();
    throw error;
  }
}

/** QEMU and the ssh connection that all programs share. */
class Machine {
  readonly #image: Image;
  readonly #directory: string;
  readonly #qemu: ChildProcess;
  readonly #ended: Promise<void>;
  #ssh: ChildProcess | undefined;
  #ports = new Map<number, number>();
  #console = '';
  #stopped: Promise<void> | undefined;
  #onConsole: () => void = () => undefined;

  constructor(image: Image, directory: string, options: VmOptions) {
    this.#image = image;
    this.#directory = directory;
    const args = qemuArgs(image, this.#monitor, options);
    // The image's temporary changes are a file in TMPDIR, deleted as soon as it is open.
    this.#qemu = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: directory },
    });
    const keep = (part: Buffer) => {
      this.#console = (this.#console + part.toString('latin1')).slice(-CONSOLE_LIMIT);
      this.#onConsole();
    };
    this.#qemu.stdout?.on('data', keep);
    this.#qemu.stderr?.on('data', keep);
    this.#ended = new Promise((resolve) => {
      this.#qemu.on('error', (error) => {
        this.#console += `cannot run qemu: ${error.message}`;
        resolve();
      });
      this.#qemu.on('close', resolve);
    });
  }

  get #monitor(): string {
    return join(this.#directory, 'monitor');
  }

  get #control(): string {
    return join(this.#directory, 'ssh');
  }

  async whenUp(timeout: number): Promise<void> {
    const deadline = Date.now() + timeout;
    await this.#whenConsoleSays(/^VM-READY/m, timeout);
    this.#ports = forwardedPorts(await askMonitor(this.#monitor, 'info usernet'));
    await this.#connect(deadline);
  }

  async #whenConsoleSays(pattern: RegExp, timeout: number): Promise<void> {
    const said = new Promise<void>((resolve) => {
      this.#onConsole = () => {
        if (pattern.test(this.#console) || /^VM-FAILED/m.test(this.#console)) resolve();
      };
    });
    await this.#before(timeout, 'it was not up', Promise.race([said, this.#ended]));
    this.#onConsole = () => undefined;
    if (!pattern.test(this.#console)) throw this.#broken('it ended before it was up');
  }

  /** One connection for all programs, so that only the first pays for the key exchange. */
  async #connect(deadline: number): Promise<void> {
    const ssh = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', 'ssh', '-M', '-N', ...this.#sshOptions(), 'root@127.0.0.1'],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    this.#ssh = ssh;
    let complaints = '';
    ssh.stderr.on('data', (part: Buffer) => {
      complaints += part.toString('utf8');
    });
    const refused = new Promise<void>((resolve) => ssh.on('error', () => resolve()).on('close', () => resolve()));
    const check = ['-O', 'check', ...this.#sshOptions(), 'root@127.0.0.1'];
    const isUp = async () => (await runTool('ssh', check, { timeout: RUN_TIMEOUT })).status === 0;
    while (!(await isUp())) {
      const isRefused = await Promise.race([refused.then(() => true), tick().then(() => false)]);
      if (isRefused) throw this.#broken(`ssh to it failed: ${complaints.trim()}`);
      if (Date.now() > deadline) throw this.#broken(`ssh to it took too long: ${complaints.trim()}`);
    }
  }

  #sshOptions(): string[] {
    return [
      ...['-q', '-F', 'none', '-i', this.#image.sshKey, '-p', String(this.port(SSH_PORT)), '-S', this.#control],
      ...['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes', 'IdentitiesOnly=yes'].flatMap(
        (option) => ['-o', option],
      ),
    ];
  }

  port(guestPort: number): number {
    const port = this.#ports.get(guestPort);
    if (port === undefined) throw new Error(`port ${guestPort} of the VM is not forwarded: name it in \`forward\``);
    return port;
  }

  /** argv of ssh for a program in the VM. ssh hands its words to a shell there, so each is quoted. */
  #remote(argv: readonly string[]): string[] {
    const words = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
    return [...this.#sshOptions(), 'root@127.0.0.1', '--', 'exec', ...words];
  }

  async run(argv: readonly string[], { timeout = RUN_TIMEOUT, stdin }: RunOptions = {}): Promise<ToolResult> {
    // In the VM too, so that a program that hangs does not go on beside the next one.
    const bounded = ['timeout', '-k', '1', String(timeout / 1000), ...argv];
    const patience = 2 * STOP_TIMEOUT;
    const options = { timeout: timeout + patience, ...(stdin === undefined ? {} : { stdin }) };
    const result = await runTool('ssh', this.#remote(bounded), options);
    if (result.status === SSH_FAILED) throw this.#broken(`${argv[0]} could not be run: ${result.stderr}`);
    if (result.status === TIMED_OUT)
      throw new Error(`${argv.join(' ')} took more than ${timeout / 1000} s in the VM\n${result.stderr}`);
    return result;
  }

  vm(bootTime: number): Vm {
    const run: Vm['run'] = (argv, options) => this.run(argv, options);
    const need: Vm['need'] = async (argv, options) => {
      const { status, stdout, stderr } = await run(argv, options);
      if (status === 0) return stdout;
      throw new Error(`${argv.join(' ')} ended with ${status} in the VM\n${stderr || stdout}`);
    };
    return {
      release: this.#image.release,
      bootTime,
      port: (guestPort) => this.port(guestPort),
      run,
      need,
      start: (argv) => spawn('ssh', this.#remote(argv), { stdio: 'pipe' }),
      put: async (from, to) => {
        const archive = await tarOf(from, basename(to));
        await need(['mkdir', '-p', dirname(to)]);
        await need(['tar', '-x', '--touch', '-C', dirname(to)], { timeout: COPY_TIMEOUT, stdin: archive });
      },
      get: (from, toDirectory) => this.#get(from, toDirectory),
      console: () => this.#console,
      state: () => this.#state(),
      stop: () => this.stop(),
    };
  }

  async #get(from: string, toDirectory: string): Promise<void> {
    const tar = ['tar', '-c', '-C', dirname(from), '--', basename(from)];
    const ssh = spawn('ssh', this.#remote(tar), { stdio: ['ignore', 'pipe', 'pipe'] });
    const archive: Buffer[] = [];
    const complaints: Buffer[] = [];
    ssh.stdout.on('data', (part: Buffer) => archive.push(part));
    ssh.stderr.on('data', (part: Buffer) => complaints.push(part));
    const closed = new Promise<number | null>((resolve, reject) => ssh.on('error', reject).on('close', resolve));
    const status = await this.#before(COPY_TIMEOUT, `copying ${from} was not done`, closed).finally(() =>
      ssh.kill('SIGKILL'),
    );
    if (status !== 0) throw new Error(`cannot copy ${from} from the VM: ${Buffer.concat(complaints).toString('utf8')}`);
    await needTool('tar', ['-x', '-C', toDirectory], { timeout: COPY_TIMEOUT, stdin: Buffer.concat(archive) });
  }

  stop(): Promise<void> {
    this.#stopped ??= (async () => {
      // Nothing to save in it: its disk is thrown away.
      this.#ssh?.kill('SIGKILL');
      this.#qemu.kill('SIGKILL');
      await this.#ended;
      await rm(this.#directory, { recursive: true, force: true });
    })();
    return this.#stopped;
  }

  async #before<T>(timeout: number, what: string, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#broken(`${what} after ${timeout / 1000} s`)), timeout);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
  }

  #broken(what: string): Error {
    return new Error(`test VM: ${what}; the last lines of its console:\n${this.#lastLines()}`);
  }

  #lastLines(): string {
    const lines = this.#console.trimEnd().split(/\r?\n/).slice(-15);
    return lines.map((line) => `  ${line}`).join('\n');
  }

  async #state(): Promise<string> {
    const looks: string[] = [];
    for (let look = 0; look < LOOKS; look++) {
      const registers = await askMonitor(this.#monitor, 'info registers -a').catch((error: Error) => error.message);
      looks.push(...registers.split('\n').filter((line) => /^CPU#|RIP=/.test(line)));
      await tick();
    }
    return `the last lines of the VM's console:\n${this.#lastLines()}\nits processors, ${LOOKS} times:\n${looks.join('\n')}`;
  }
}

/** What timeout(1) says when it had to end the program. */
const TIMED_OUT = 124;
const TICK = 200;
/** How often {@link Vm.state} looks at the processors. */
const LOOKS = 5;

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, TICK));
}

/** A tar archive of one file or directory under the name it shall have. */
async function tarOf(path: string, name: string): Promise<Buffer> {
  const own = basename(path).replaceAll(/[\][\\.*^$,]/g, '\\$&');
  const rename = `--transform=flags=r;s,^\\./${own},${name.replaceAll(/[,\\&]/g, '\\$&')},`;
  return new Promise((resolve, reject) => {
    const tar = spawn('tar', ['-c', '-C', dirname(path), rename, '--', `./${basename(path)}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const archive: Buffer[] = [];
    const complaints: Buffer[] = [];
    tar.stdout.on('data', (part: Buffer) => archive.push(part));
    tar.stderr.on('data', (part: Buffer) => complaints.push(part));
    tar.on('error', reject);
    tar.on('close', (status) => {
      if (status === 0) resolve(Buffer.concat(archive));
      else reject(new Error(`cannot pack ${path}: ${Buffer.concat(complaints).toString('utf8')}`));
    });
  });
}

function qemuArgs(image: Image, monitor: string, options: VmOptions): string[] {
  const { forward = [], memory = 1536, processors = 2, kernelParameters = [] } = options;
  // Port 0: the kernel chooses a free one, the monitor tells which.
  const forwards = [SSH_PORT, ...forward].map((port) => `,hostfwd=tcp:127.0.0.1:0-:${port}`);
  const kernel = [
    'root=/dev/nvme0n1 rw rootfstype=ext4 init=/vm-init console=ttyS0 quiet panic=-1',
    'mitigations=off nokaslr audit=0 nowatchdog',
    ...kernelParameters,
  ];
  return [
    ...[
      '-machine',
      'pc',
      '-accel',
      // One thread for all processors: with one each, QEMU 7.2 can go on with the translation of an instruction that the kernel has
      // replaced since. Seen with kprobes: the breakpoint of a probe that is gone is met for ever, and the VM hangs.
      'tcg,thread=single',
      '-cpu',
      'max',
      '-smp',
      String(processors),
      '-m',
      String(memory),
    ],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-serial', 'stdio', '-qmp', `unix:${monitor},server=on,wait=off`],
    ...['-kernel', image.kernel, '-append', kernel.join(' ')],
    ...['-drive', `file=${image.root},format=raw,if=none,id=root,snapshot=on,cache=unsafe`],
    ...['-device', 'nvme,drive=root,serial=root'],
    ...['-netdev', `user,id=net${forwards.join('')}`, '-device', 'virtio-net-pci,netdev=net,romfile='],
  ];
}
