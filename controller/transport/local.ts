// The `local` transport: a child process that serves the agent on its stdio. Each host name has a state directory (spool) of its own.
import { spawn } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { FailureError, fail } from '../../proto/failure.js';
import { timeoutSignal } from '../../proto/timeout-signal.js';
import type { Host } from '../api.js';
import { makePrivateDirectory } from '../directories.js';
import { ChildStream, type StdioChild } from './child-stream.js';
import { firstBytes } from './first-bytes.js';
import type { Transport } from './transport.js';

export interface LocalOptions {
  /** argv that runs the agent: `[process.execPath, '…/bin/perftrawl', 'agent']`. `--stdio --state DIRECTORY` is appended. */
  readonly agentCommand: readonly string[];
  /** Directory of the agents' state directories and logs. */
  readonly stateDirectory: string;
  /** How long the agent may take to start. */
  readonly startTimeout: number;
}

/** Bytes of the agent's stderr that an error message quotes, and the size at which its log is begun anew. */
const quotedBytes = 2048;
const longestLog = 1024 * 1024;

/**
 * The child is detached (Ctrl-C at the terminal is not for it) and its stderr is a file: it survives the controller and finishes
 * its captures; the next controller finds them in its spool.
 */
export function localTransport(options: LocalOptions): Transport {
  return {
    async open(host, signal) {
      const state = path.join(options.stateDirectory, host.name);
      makePrivateDirectory(state);
      const log = await openLog(`${state}.log`);
      try {
        const from = (await log.stat()).size;
        const child = await start([...options.agentCommand, '--stdio', '--state', state], log, host);
        const explain = async (how: string) => {
          const said = await tail(`${state}.log`, from);
          return fail(
            'unreachable',
            `the local agent of ${host.name} ${how}${said === '' ? '' : `: ${said}`}`,
            `its log is ${state}.log`,
          );
        };
        const stream = new ChildStream(child, explain);
        try {
          await firstBytes(
            stream,
            () => fail('unreachable', `the local agent of ${host.name} ended at once`, `its log is ${state}.log`),
            timeoutSignal(options.startTimeout, signal),
          );
        } catch (error) {
          stream.on('error', () => undefined);
          stream.destroy();
          throw error instanceof FailureError ? error : await notStarted(error, signal, options, explain);
        }
        return stream;
      } finally {
        await log.close();
      }
    },
  };
}

async function notStarted(
  error: unknown,
  signal: AbortSignal,
  options: LocalOptions,
  explain: (how: string) => Promise<Error>,
): Promise<Error> {
  if (signal.aborted) return fail('cancelled', 'starting the local agent: cancelled', '', error);
  if (error instanceof DOMException) return explain(`did not answer within ${options.startTimeout} ms`);
  return explain(error instanceof Error ? `failed (${error.message})` : 'failed');
}

async function start(argv: readonly string[], log: FileHandle, host: Host): Promise<StdioChild> {
  const [command, ...rest] = argv;
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', log.fd], detached: true });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) =>
      reject(fail('tool-missing', `cannot start the local agent of ${host.name}: ${cause.message}`, '', cause)),
    );
  });
  child.unref();
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw fail('internal', 'a child process without stdin or stdout');
  return { process: child, stdin, stdout };
}

async function openLog(file: string): Promise<FileHandle> {
  const log = await open(file, 'a', 0o600);
  if ((await log.stat()).size > longestLog) await log.truncate(0);
  return log;
}

/** The last lines that were written to a file after offset `from`. */
async function tail(file: string, from: number): Promise<string> {
  const log = await open(file, 'r');
  try {
    const { size } = await log.stat();
    const start = Math.max(from, size - quotedBytes);
    if (start >= size) return '';
    const { buffer, bytesRead } = await log.read(Buffer.alloc(size - start), 0, size - start, start);
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await log.close();
  }
}
