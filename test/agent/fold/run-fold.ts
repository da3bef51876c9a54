// Runs the fold command with streams in memory.
import { Readable, Writable } from 'node:stream';
import { runFold } from '../../../agent/fold/fold-command.js';

export interface FoldResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function foldIn(argv: readonly string[], stdin: Uint8Array = new Uint8Array(0)): Promise<FoldResult> {
  const stdout = new Collected();
  const stderr = new Collected();
  const status = await runFold(argv, { stdin: Readable.from(inPieces(stdin)), stdout, stderr });
  return { status, stdout: stdout.text, stderr: stderr.text };
}

function* inPieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
}

class Collected extends Writable {
  readonly #parts: Buffer[] = [];
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // The writer may use its buffer again once this is done.
    this.#parts.push(Buffer.from(chunk));
    done();
  }
  get text(): string {
    return Buffer.concat(this.#parts).toString();
  }
}
