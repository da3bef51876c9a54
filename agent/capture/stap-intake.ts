// What a running script prints, on its way into the spool: bounded, parsed, shown soon.
import type { Milliseconds, StapSpec } from '../../proto/capture.js';
import { StapOutputParser } from '../stap/output/output-parser.js';
import { StapMessages } from '../stap/output/stap-messages.js';
import { OutputBound } from '../stap/output-bound.js';
import { type OutputFifo, openOutputFifo } from '../stap/output-fifo.js';
import { StackObjects } from '../stap/stack-objects.js';
import { ObjectKeeper } from '../symbolize/object-keeper.js';
import type { CaptureContext } from './capture-context.js';
import { RawRecording } from './raw-recording.js';
import { StapSpooler } from './stap-spooler.js';

export const STAP_OUTPUT = 'stap.out';
/** A line is shown at most about this long after it was printed. */
const FLUSH_INTERVAL: Milliseconds = 500;
const NEWLINE = 10;

export class StapIntake {
  readonly #context: CaptureContext;
  readonly #raw: RawRecording | undefined;
  readonly #parser: StapOutputParser;
  readonly #messages = new StapMessages();
  readonly #bound = new OutputBound();
  readonly #spooler: StapSpooler;
  readonly #keeper = new ObjectKeeper();
  readonly #places: StackObjects;
  readonly #startTime: number;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #fifo: OutputFifo | undefined;
  #commandLines = 0;
  #pushedAt: Milliseconds = 0;
  #writing: Promise<void> = Promise.resolve();

  /** @param pids of the processes that it is for, alive now; empty: all */
  static async begin(context: CaptureContext, spec: StapSpec, pids: readonly number[]): Promise<StapIntake> {
    const raw = spec.keepRaw ? await RawRecording.begin(context, STAP_OUTPUT, 'text/plain') : undefined;
    return new StapIntake(context, spec, pids, raw);
  }

  private constructor(context: CaptureContext, spec: StapSpec, pids: readonly number[], raw: RawRecording | undefined) {
    this.#context = context;
    this.#raw = raw;
    this.#startTime = context.machine.now();
    this.#places = new StackObjects({
      files: context.machine.files,
      now: () => this.#elapsed(),
      pids,
      note: (notice) => this.#keeper.note(notice),
    });
    const parser = new StapOutputParser({ interval: spec.interval, clock: 'arrival', places: this.#places });
    this.#parser = parser;
    this.#spooler = new StapSpooler(context, () => parser.interval);
    context.progress = () => this.#spooler.progress();
    this.#timer = setInterval(() => this.#show(), FLUSH_INTERVAL);
  }

  /** With a command stdout is the command's, and the script prints to a pipe of its own. */
  async commandOutput(
    command: readonly string[] | undefined,
  ): Promise<{ command?: readonly string[]; output?: string }> {
    if (command === undefined) return {};
    this.#fifo = await openOutputFifo(this.#context.machine, this.#context.capture.work, this.#take);
    return { command, output: this.#fifo.path };
  }

  /** Stdout of staprun. */
  readonly takeStdout = (piece: Uint8Array): Promise<void> | undefined => {
    if (this.#fifo === undefined) return this.#take(piece);
    for (const byte of piece) if (byte === NEWLINE) this.#commandLines++;
    return undefined;
  };

  /** Its stderr. */
  readonly takeStderr = (chunk: Uint8Array): void => {
    const lines = this.#messages.push(chunk, this.#elapsed());
    // What goes wrong with it is told by the next piece, and by `finish`.
    if (lines.length > 0)
      this.#write(() => this.#spooler.append({ points: [], lines, losses: [] })).catch(() => undefined);
  };

  /** All that staprun complained of. */
  get stderr(): string {
    return this.#messages.text;
  }

  /** staprun has ended: what is left, and the stacks. */
  async finish(): Promise<void> {
    const { losses, stop } = this.#context;
    clearInterval(this.#timer);
    await this.#endFifo();
    await this.#writing;
    const duration = Math.round(performance.now() - this.#startedAt);
    const output = this.#parser.end(this.#elapsed(), { startTime: this.#startTime, duration });
    const messages = this.#messages.end(this.#elapsed());
    stop.discard.throwIfAborted();
    await this.#spooler.append(output);
    await this.#spooler.append({ points: [], ...messages });
    await this.#spooler.flush();
    losses.push(...this.#bound.losses());
    if (this.#commandLines > 0) {
      losses.push({
        kind: 'dropped-lines',
        count: this.#commandLines,
        detail: 'printed by the command, not by the script',
      });
    }
    losses.push(...this.#places.losses());
    await this.#raw?.finish();
    await this.#keeper.settled();
    await this.#spooler.appendProfile(output.profile, output.objects, this.#keeper);
  }

  /** After `finish`, or in its place. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    // Its error has been thrown where it was taken.
    await this.#endFifo().catch(() => undefined);
    await this.#keeper.close();
    await this.#raw?.discard();
  }

  readonly #take = (piece: Uint8Array): Promise<void> | undefined => {
    this.#context.cost.recordedBytes += piece.length;
    const time = this.#elapsed();
    this.#pushedAt = time;
    const kept = this.#bound.pass(piece, time);
    if (kept.length === 0) return undefined;
    const output = this.#parser.push(kept, time);
    return this.#write(async () => {
      await this.#raw?.write(kept);
      await this.#spooler.append(output);
    });
  };

  #elapsed(): Milliseconds {
    return Math.round(performance.now() - this.#startedAt);
  }

  /** One after the other: the log has the order of the output. After a failure nothing more is written, and each piece fails with it. */
  #write(work: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(work);
    return this.#writing;
  }

  /** Who looks on sees what a script has printed, though it prints nothing more for now. */
  #show(): void {
    const isQuiet = this.#elapsed() - this.#pushedAt >= FLUSH_INTERVAL;
    const output = isQuiet ? this.#parser.idle(this.#elapsed()) : undefined;
    const shown = this.#write(async () => {
      if (output !== undefined) await this.#spooler.append(output);
      await this.#spooler.flush();
    });
    shown.catch(() => this.#context.stop.request('keep'));
  }

  async #endFifo(): Promise<void> {
    const fifo = this.#fifo;
    this.#fifo = undefined;
    await fifo?.end();
    await fifo?.taken;
  }
}
