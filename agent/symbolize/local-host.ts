// The machine itself as a SymbolHost: files below a root directory, programs by argv, never through a shell.
import { spawn } from 'node:child_process';
import { closeSync, constants, fstat, open, readlink, readSync, type Stats } from 'node:fs';
import { homedir, constants as osConstants, setPriority } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Milliseconds } from '../../proto/capture.js';
import { ChildCost } from '../process-cost.js';
import { readToEnd } from './byte-source.js';
import type { KeptObjects, OpenResult, ProgramLimits, ProgramResult, SymbolFile, SymbolHost } from './symbol-host.js';

export interface LocalHostOptions {
  /** Put before every path; '' by default. */
  readonly root?: string;
  /** The user's home directory by default. */
  readonly home?: string;
  readonly kept?: KeptObjects;
  /** Told what each program that was run has cost. */
  readonly onCost?: (cost: ProgramCost) => void;
}

export interface ProgramCost {
  readonly cpu: Milliseconds;
  readonly peakMemoryBytes: number;
}

export function createLocalHost(options: LocalHostOptions = {}): SymbolHost {
  const root = options.root ?? '';
  return {
    open: (path, followLink = true) => openFile(root + path, followLink),
    readAll: async (path, limit) => {
      const opened = await openFile(root + path, true);
      if (opened.kind !== 'file') return undefined;
      try {
        return readToEnd(opened.file, limit);
      } finally {
        opened.file.close();
      }
    },
    readLink: (path) =>
      new Promise((resolve) => readlink(root + path, (error, target) => resolve(error === null ? target : undefined))),
    run: (argv, input, limits) => runProgram(argv, input, limits, options.onCost ?? (() => undefined)),
    now: () => performance.now(),
    home: options.home ?? homedir(),
    user: process.geteuid?.() ?? 0,
    kept: options.kept,
  };
}

/** Opening goes through the thread pool, as it can hang on a dead network file system; later reads are small and direct. */
export function openFile(path: string, followLink: boolean): Promise<OpenResult> {
  const flags =
    constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | (followLink ? 0 : constants.O_NOFOLLOW);
  return new Promise((resolve) => {
    if (path.includes('\0')) {
      resolve({ kind: 'refused', reason: 'its path holds a NUL character' });
      return;
    }
    open(path, flags, (openError, descriptor) => {
      if (openError !== null) {
        resolve(failure(openError));
        return;
      }
      fstat(descriptor, (statError, stats) => {
        if (statError === null && stats.isFile()) {
          resolve({ kind: 'file', file: fileOf(descriptor, stats) });
          return;
        }
        closeSync(descriptor);
        resolve({ kind: 'refused', reason: statError === null ? 'not a regular file' : statError.message });
      });
    });
  });
}

function failure(error: NodeJS.ErrnoException): OpenResult {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ESRCH') {
    return { kind: 'gone', reason: 'file is gone' };
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') return { kind: 'refused', reason: 'permission denied' };
  return { kind: 'refused', reason: `cannot be opened (${error.code ?? error.message})` };
}

function fileOf(descriptor: number, stats: Stats): SymbolFile {
  let isOpen = true;
  return {
    size: stats.size,
    owner: stats.uid,
    path: `/proc/${process.pid}/fd/${descriptor}`,
    read: (offset, length) => (isOpen ? readAt(descriptor, offset, length) : new Uint8Array(0)),
    copy: (offset, into) =>
      isOpen && Number.isSafeInteger(offset) && offset >= 0 ? fill(descriptor, into, offset) : 0,
    close: () => {
      if (isOpen) closeSync(descriptor);
      isOpen = false;
    },
  };
}

/** A hostile header may ask for any length: memory is taken only for what the file has. */
function readAt(descriptor: number, offset: number, length: number): Uint8Array {
  if (!(length > 0) || !Number.isSafeInteger(offset) || offset < 0) return new Uint8Array(0);
  const parts: Uint8Array[] = [];
  for (let done = 0; done < length; ) {
    const part = Buffer.allocUnsafeSlow(Math.min(length - done, 1 << 24));
    const filled = fill(descriptor, part, offset + done);
    if (filled > 0) parts.push(part.subarray(0, filled));
    if (filled < part.length) break;
    done += filled;
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

/** Files in /proc give a page at a time: only a read of nothing is their end. @returns bytes read */
function fill(descriptor: number, into: Uint8Array, offset: number): number {
  let done = 0;
  while (done < into.length) {
    const count = readOrNothing(descriptor, into, done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** A file that shrinks, or memory that is unmapped while it is read (EIO), ends where it can no longer be read. */
function readOrNothing(descriptor: number, into: Uint8Array, at: number, offset: number): number {
  try {
    return readSync(descriptor, into, at, into.length - at, offset);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return 0;
    throw error;
  }
}

function runProgram(
  argv: readonly string[],
  input: Uint8Array,
  limits: ProgramLimits,
  onCost: (cost: ProgramCost) => void,
): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const [program, ...args] = argv;
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, LC_ALL: 'C' } });
    const cost = child.pid === undefined ? undefined : new ChildCost(child.pid);
    child.on('exit', () => {
      if (cost === undefined) return;
      cost.end();
      onCost({ cpu: cost.cpu, peakMemoryBytes: cost.peakMemoryBytes });
    });
    const parts: Buffer[] = [];
    let length = 0;
    let wasStopped = false;
    const stop = (): void => {
      wasStopped = true;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(stop, Math.max(0, limits.timeout));
    const end = (state: ProgramResult['state']): void => {
      clearTimeout(timer);
      resolve({ state, output: Buffer.concat(parts) });
    };
    child.on('error', () => end(child.pid === undefined ? 'missing' : 'failed'));
    child.on('close', (code) => end(wasStopped ? 'stopped' : code === 0 ? 'ended' : 'failed'));
    child.stdout.on('data', (part: Buffer) => {
      length += part.length;
      if (length > limits.maxOutput) stop();
      else parts.push(part);
    });
    // The program may end before it has read everything (EPIPE): what it wrote counts, and 'close' tells how it ended.
    child.stdin.on('error', () => child.stdin.destroy());
    if (child.pid !== undefined) yieldToOthers(child.pid);
    child.stdin.end(input);
  });
}

/** A helper must not slow the observed host down; where the kernel refuses, it runs at our own priority. */
function yieldToOthers(pid: number): boolean {
  try {
    setPriority(pid, osConstants.priority.PRIORITY_BELOW_NORMAL);
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}
