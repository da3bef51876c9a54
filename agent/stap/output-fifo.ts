// A named pipe for a script's output: with a command as target, stdout is the command's.
import { constants, open as openDescriptor } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fail } from '../../proto/failure.js';
import type { Machine } from '../host/machine.js';
import { describeEnd, runTool } from '../process.js';

const MAKE_DEADLINE_MS = 10_000;

export interface OutputFifo {
  /** For staprun's -o. */
  readonly path: string;
  /** Hands out each piece until `end`; rejects with what `take` threw. */
  readonly taken: Promise<void>;
  /** No more writers come: what is left is taken, then `taken` resolves. */
  end(): Promise<void>;
}

/** @param directory one that nobody else may enter. @throws FailureError `tool-missing`, `tool-failed` */
export async function openOutputFifo(
  machine: Machine,
  directory: string,
  take: (piece: Uint8Array) => Promise<void> | undefined,
): Promise<OutputFifo> {
  const mkfifo = await machine.program('mkfifo');
  if (mkfifo === '') throw fail('tool-missing', 'mkfifo is not on this host', 'install coreutils');
  const path = join(directory, 'output.fifo');
  const { signal } = new AbortController();
  const made = await runTool([mkfifo, '-m', '600', path], { signal, deadline: MAKE_DEADLINE_MS });
  if (made.code !== 0) throw fail('tool-failed', `cannot make the pipe ${path}: ${describeEnd(made)}`);
  // A bare descriptor: the socket that reads it also closes it.
  const reader = await promisify(openDescriptor)(path, constants.O_RDONLY | constants.O_NONBLOCK);
  // While this end is open there is no end of file, whoever comes and goes.
  const keeper = await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const taken = readAll(reader, take);
  // Told to whoever awaits it, which may be later.
  taken.catch(() => undefined);
  return { path, taken, end: () => keeper.close() };
}

async function readAll(reader: number, take: (piece: Uint8Array) => Promise<void> | undefined): Promise<void> {
  const socket = new Socket({ fd: reader, readable: true, writable: false });
  for await (const chunk of socket) if (Buffer.isBuffer(chunk)) await take(chunk);
}
