// Everything a command may touch of the process it runs in; main.ts makes the real one, tests make their own.
import type { Writable } from 'node:stream';

/** What a person asks for with Ctrl-C while something runs. */
interface Interrupt {
  /** First Ctrl-C: stop, keep what there is. */
  readonly stop: AbortSignal;
  /** Second Ctrl-C: discard and get out. */
  readonly cancel: AbortSignal;
}

/** The reason of `Interrupt.stop` when it was no person but the reader of stdout who went away. */
export const OUTPUT_CLOSED = new Error('the reader of the output went away');

export interface CliIo {
  /** Results, and nothing else. */
  readonly stdout: Writable;
  /** Progress, warnings, errors. */
  readonly stderr: Writable;
  readonly isStdoutTty: boolean;
  readonly isStderrTty: boolean;
  /** Width that tables on stdout should fit; infinite where stdout is no terminal, so that pipes get names whole. */
  readonly columns: number;
  /** Width of the terminal that stderr is. */
  readonly progressColumns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly interrupt: Interrupt;
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
  readonly homeDirectory: string;
  readonly userName: string;
}

/** Write and, where the reader is slower than we are, wait for it. */
export async function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  if (stream.write(data) || stream.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      stream.off('error', done);
      resolve();
    };
    stream.on('drain', done).on('close', done).on('error', done);
  });
}

export async function writeLines(stream: Writable, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await write(stream, `${lines.join('\n')}\n`);
}

/** One JSON document on stdout: what `--json` prints. */
export async function writeJson(io: CliIo, value: unknown): Promise<void> {
  await write(io.stdout, `${JSON.stringify(value, undefined, 2)}\n`);
}
