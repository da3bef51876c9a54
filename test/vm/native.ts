// Run a program natively, on this machine's kernel, in the file system of the VM's image: a build host with compiler, headers and
// debuginfo of the VM's kernel, at full speed.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTool, type ToolResult } from './tool.js';

/** A directory of this machine that appears in the image, writable. */
export interface Bind {
  readonly from: string;
  readonly to: string;
}

const enterImage = fileURLToPath(new URL('enter-image.sh', import.meta.url));

/** What programs find in their environment, in the VM and natively alike. */
export const IMAGE_ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
} as const;

/**
 * argv that does it: a mount and a process namespace of their own, so that mounts, loop device and all descendants vanish with it, also
 * when whoever started it is killed. SIGTERM to it is ignored (unshare's rule): end its stdin or send SIGKILL.
 */
function nativeArgv(
  rootImage: string,
  work: string,
  mode: 'overlay' | 'write',
  binds: readonly Bind[],
  argv: readonly string[],
): string[] {
  return [
    ...['setpriv', '--pdeathsig', 'KILL', '--'],
    ...['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child=KILL', '--'],
    ...[enterImage, work, rootImage, mode],
    ...binds.map(({ from, to }) => `${from}:${to}`),
    '--',
    ...argv,
  ];
}

export interface NativeOptions {
  readonly binds?: readonly Bind[];
  /** Milliseconds (default: five minutes). */
  readonly timeout?: number;
  readonly stdin?: Buffer;
  /** Keep the changes in the image; only for building it. */
  readonly isKept?: boolean;
}

const DEFAULT_TIMEOUT = 300_000;

/** Run `argv` in the image to its end. Needs root. @param rootImage the file `root.img` */
export async function runNatively(
  rootImage: string,
  argv: readonly string[],
  { binds = [], timeout = DEFAULT_TIMEOUT, stdin, isKept = false }: NativeOptions = {},
): Promise<ToolResult> {
  const work = await mkdtemp(join(tmpdir(), 'perftrawl-image-'));
  try {
    const [command, ...args] = nativeArgv(rootImage, work, isKept ? 'write' : 'overlay', binds, argv);
    return await runTool(command, args, {
      timeout,
      env: IMAGE_ENVIRONMENT,
      ...(stdin === undefined ? {} : { stdin }),
    });
  } finally {
    await rmdir(work);
  }
}

/** A program that goes on in the image until it ends by itself or is stopped. */
export interface NativeProcess {
  /** stdin, stdout and stderr are pipes. */
  readonly child: ChildProcess;
  /** Kill it and everything it started; resolves when it is gone. */
  stop(): Promise<void>;
}

/** Start `argv` in the image, for instance an agent that is a build host. Needs root. */
export async function startNatively(
  rootImage: string,
  argv: readonly string[],
  binds: readonly Bind[] = [],
): Promise<NativeProcess> {
  const work = await mkdtemp(join(tmpdir(), 'perftrawl-image-'));
  const [command, ...args] = nativeArgv(rootImage, work, 'overlay', binds, argv);
  const child = spawn(command, args, { stdio: 'pipe', env: IMAGE_ENVIRONMENT });
  const isGone = new Promise<void>((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`cannot run ${command}: ${error.message}`)));
    child.on('close', () => rmdir(work).then(resolve, reject));
  });
  // Whoever never calls stop() sees how it ended on the child itself.
  isGone.catch(() => undefined);
  return {
    child,
    async stop() {
      child.kill('SIGKILL');
      await isGone;
    },
  };
}
