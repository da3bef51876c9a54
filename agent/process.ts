// Child processes: argv arrays, own process group, SIGINT then SIGKILL, stderr tail kept, cost measured, nothing survives.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { constants, setPriority } from 'node:os';
import type { Readable } from 'node:stream';
import type { Milliseconds } from '../proto/capture.js';
import { type FailureError, fail } from '../proto/failure.js';
import { AGENT_MARK, agentMark } from './orphans.js';
import { ChildCost } from './process-cost.js';
import { openToolOutput, type TakePiece, type ToolOutput } from './process-output.js';

export interface ToolOptions {
  /** Aborting stops the tool: SIGINT to its group, SIGKILL after `grace`. */
  readonly signal: AbortSignal;
  /** Added to a small clean environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** How long the tool may take to end after SIGINT. Default 10 s. */
  readonly grace?: Milliseconds;
  /** SIGINT when it runs longer than this. */
  readonly deadline?: Milliseconds;
  /** Give the tool a pipe on descriptor 3, read through `log`. */
  readonly hasLog?: boolean;
  /** stdin is a pipe that stays open for as long as this agent lives, for a tool that is to end with it: see `tethered`. */
  readonly isTethered?: boolean;
  /** Read stdout into one buffer and hand out each piece of it; `directory` is one that nobody else may enter. */
  readonly output?: { readonly directory: string; readonly take: TakePiece };
  /** Given stderr as it comes, beside the tail that is kept. */
  readonly onStderr?: (chunk: Uint8Array) => void;
  /** Working directory; the agent's own by default. */
  readonly cwd?: string;
  /** Run at low priority: for work after the capture. */
  readonly isBackground?: boolean;
}

export interface ToolResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last 64 KiB of stderr. */
  readonly stderr: string;
  /** CPU time of the tool and the children it waited for. */
  readonly cpu: Milliseconds;
  readonly peakMemoryBytes: number;
  /** Ended because of `signal` or `stop`. */
  readonly wasStopped: boolean;
  readonly passedDeadline: boolean;
}

export interface ToolUsage {
  readonly cpu: Milliseconds;
  readonly memoryBytes: number;
}

export interface RunningTool {
  readonly pid: number;
  /** Must be read to its end, or destroyed: the tool waits when nobody reads. With `output` there is nothing to read. */
  readonly stdout: Readable;
  /** Resolves when `output` took all there was, or `stdout` was destroyed; rejects with what it threw. */
  readonly taken: Promise<void>;
  readonly log: Readable | undefined;
  /** Resolves when the tool and its group are gone and its streams closed; never rejects. */
  readonly done: Promise<ToolResult>;
  /** So far, at most half a second old: CPU time and resident memory, also of the processes that it started. */
  usage(): ToolUsage;
  stop(): void;
}

const STDERR_TAIL_BYTES = 64 * 1024;
const DEFAULT_GRACE: Milliseconds = 10_000;

const running = new Set<number>();
process.on('exit', () => {
  for (const pid of running) signalGroup(pid, 'SIGKILL');
});

/**
 * Start a tool. stdin is closed unless it is tethered, the locale is C.
 * @throws FailureError `tool-missing` when the program is not there, `exhausted` when the host has no room for a process
 */
export async function startTool(argv: readonly string[], options: ToolOptions): Promise<RunningTool> {
  const [program = ''] = argv;
  if (options.signal.aborted) throw fail('cancelled', `${program} was not started: the capture was stopped before`);
  const output =
    options.output === undefined ? undefined : await openToolOutput(options.output.directory, options.output.take);
  try {
    const child = spawnTool(argv, options, output?.far ?? 'pipe');
    await spawned(child, program);
    return watch(child, options, output);
  } catch (error) {
    output?.near.destroy();
    throw error;
  } finally {
    output?.far.destroy();
  }
}

/** Run a tool to its end with bounded output. `stdout` is cut at `maxOutput` bytes. @throws FailureError as startTool */
export async function runTool(
  argv: readonly string[],
  options: ToolOptions & { readonly maxOutput?: number },
): Promise<ToolResult & { readonly stdout: string; readonly log: string }> {
  const tool = await startTool(argv, options);
  const limit = options.maxOutput ?? 1024 * 1024;
  const [stdout, log, result] = await Promise.all([
    readText(tool.stdout, limit),
    tool.log === undefined ? '' : readText(tool.log, limit),
    tool.done,
  ]);
  return { ...result, stdout, log };
}

/** How a tool ended, for messages: `exit status 255: <last lines of stderr>`. */
export function describeEnd(result: ToolResult): string {
  const end = result.signal === null ? `exit status ${result.code}` : `signal ${result.signal}`;
  const lines = result.stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0 ? end : `${end}: ${lines.slice(-8).join('\n')}`;
}

function spawnTool([program = '', ...args]: readonly string[], options: ToolOptions, stdout: Socket | 'pipe') {
  return spawn(program, args, {
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    shell: false,
    env: {
      PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: process.env.HOME ?? '/',
      LC_ALL: 'C',
      ...options.env,
      [AGENT_MARK]: agentMark(),
    },
    stdio: [
      options.isTethered === true ? 'pipe' : 'ignore',
      ...([stdout, 'pipe'] as const),
      ...(options.hasLog === true ? (['pipe'] as const) : []),
    ],
  });
}

function spawned(child: ChildProcess, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(spawnFailure(program, error)));
  });
}

function spawnFailure(program: string, error: Error): FailureError {
  const code = 'code' in error ? error.code : '';
  if (code === 'ENOENT') return fail('tool-missing', `${program} is not on this host`, '', error);
  if (code === 'EACCES') return fail('permission', `${program} may not be run by this user`, '', error);
  if (code === 'EAGAIN' || code === 'ENOMEM' || code === 'EMFILE') {
    return fail(
      'exhausted',
      `${program} could not be started: ${error.message}`,
      'free processes, memory or descriptors',
      error,
    );
  }
  return fail('tool-failed', `${program} could not be started: ${error.message}`, '', error);
}

function watch(child: ChildProcess, options: ToolOptions, output: ToolOutput | undefined): RunningTool {
  const { pid, stderr } = child;
  const stdout = output?.near ?? child.stdout;
  if (pid === undefined || stdout === null || stderr === null)
    throw fail('internal', 'a started process without pid or pipes');
  running.add(pid);
  // It is never written to; that its reader is gone is no news.
  child.stdin?.on('error', () => undefined);
  if (options.isBackground === true) lowerPriority(pid);
  const cost = new ChildCost(pid);
  const tail = new TextTail(stderr);
  if (options.onStderr !== undefined) stderr.on('data', options.onStderr);
  let wasStopped = false;
  let passedDeadline = false;
  let killTimer: NodeJS.Timeout | undefined;
  const interrupt = () => {
    if (killTimer !== undefined) return;
    signalGroup(pid, 'SIGINT');
    killTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), options.grace ?? DEFAULT_GRACE);
  };
  const stop = () => {
    wasStopped = true;
    interrupt();
  };
  options.signal.addEventListener('abort', stop, { once: true });
  const deadlineTimer =
    options.deadline === undefined
      ? undefined
      : setTimeout(() => {
          passedDeadline = true;
          interrupt();
        }, options.deadline);
  const done = new Promise<ToolResult>((resolve) => {
    child.once('exit', () => {
      cost.end();
      clearTimeout(deadlineTimer);
      clearTimeout(killTimer);
      options.signal.removeEventListener('abort', stop);
      // Whatever it left behind (the `sleep` of perf) goes with it, or its pipes would stay open.
      signalGroup(pid, 'SIGKILL');
    });
    child.once('close', (code, signal) => {
      running.delete(pid);
      const { cpu, peakMemoryBytes } = cost;
      resolve({ code, signal, stderr: tail.text(), cpu, peakMemoryBytes, wasStopped, passedDeadline });
    });
  });
  const log = options.hasLog === true ? logStream(child) : undefined;
  return { pid, stdout, taken: output?.taken ?? Promise.resolve(), log, done, usage: () => cost.usage, stop };
}

function logStream(child: ChildProcess): Readable {
  const stream = child.stdio[3];
  if (stream === null || stream === undefined || !('read' in stream))
    throw fail('internal', 'a tool without its log pipe');
  return stream;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ESRCH';
    if (!isGone) throw error;
  }
}

/** Best effort: the process may be gone already. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch (error) {
    const isExpected = error instanceof Error && 'code' in error && error.code === 'ERR_SYSTEM_ERROR';
    if (!isExpected) throw error;
  }
}

async function readText(stream: Readable, limit: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) continue;
    const part = chunk.subarray(0, Math.max(0, limit - size));
    size += part.length;
    if (part.length > 0) parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Keeps the end of what a stream says. */
class TextTail {
  #text = Buffer.alloc(0);

  constructor(stream: Readable) {
    stream.on('data', (chunk: Buffer) => {
      this.#text = Buffer.concat([this.#text, chunk]).subarray(-STDERR_TAIL_BYTES);
    });
  }

  text(): string {
    return this.#text.toString('utf8');
  }
}
