// The stdio of a child process as one stream. Destroying it closes the child's stdin and lets go of the child; it never kills it.
import type { ChildProcess } from 'node:child_process';
import { Duplex, type Readable, type Writable } from 'node:stream';

/** A child whose stdin and stdout are pipes of ours. */
export interface StdioChild {
  readonly process: ChildProcess;
  readonly stdin: Writable;
  readonly stdout: Readable;
}

export class ChildStream extends Duplex {
  readonly #child: StdioChild;
  #exit: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined;

  /** @param explainExit the error for a child that ended while the stream was open */
  constructor(child: StdioChild, explainExit: (how: string) => Promise<Error>) {
    super();
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stdout.on('error', (error) => this.destroy(error));
    // EPIPE: the child is gone, and 'close' below says why.
    child.stdin.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') this.destroy(error);
    });
    child.process.on('exit', (code, signal) => {
      this.#exit = { code, signal };
    });
    // Once both have happened: the child has exited and all that it wrote has been read.
    child.process.on('close', () => {
      const exit = this.#exit ?? { code: null, signal: null };
      if (this.destroyed) return;
      if (exit.code === 0) this.push(null);
      else {
        const how = exit.signal === null ? `exited with status ${exit.code}` : `was killed by ${exit.signal}`;
        explainExit(how).then(
          (error) => this.destroy(error),
          (error: Error) => this.destroy(error),
        );
      }
    });
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#child.stdin.write(chunk)) done();
    else {
      const { stdin } = this.#child;
      const go = () => {
        stdin.off('drain', go);
        stdin.off('close', go);
        done();
      };
      stdin.on('drain', go);
      stdin.on('close', go);
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#child.stdin.destroy();
    this.#child.stdout.destroy();
    done(error);
  }
}
