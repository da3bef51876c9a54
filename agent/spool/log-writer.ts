// Appends numbered events to a capture's log. One writer per log: the process that runs the capture.
import { type FileHandle, open } from 'node:fs/promises';
import type { CaptureEvent, CaptureEventBody } from '../../proto/capture.js';
import { writeFailure } from './file-error.js';
import { encodeFrame, LOG_MAGIC } from './frame.js';

export interface LogWriterOptions {
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
  /** Throws when the spool may not grow by so many bytes. */
  readonly reserve: (bytes: number) => void;
}

const GROWING: ReadonlySet<CaptureEventBody['kind']> = new Set(['profile-chunk', 'counters', 'histograms', 'text']);

export class LogWriter {
  readonly #file: FileHandle;
  readonly #options: LogWriterOptions;
  #wakeWaiting: () => void = () => undefined;
  #change: Promise<void>;
  #closing: Promise<void> | undefined;
  #size: number;
  #sequence: number;
  #tail: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, size: number, sequence: number, options: LogWriterOptions) {
    this.#file = file;
    this.#size = size;
    this.#sequence = sequence;
    this.#options = options;
    this.#change = this.#nextChange();
  }

  /** Begin a log at `path`, which must not exist. */
  static async create(path: string, options: LogWriterOptions): Promise<LogWriter> {
    const file = await open(path, 'wx', 0o600);
    await file.write(LOG_MAGIC);
    return new LogWriter(file, LOG_MAGIC.length, 0, options);
  }

  /** Go on after the sound part of a log, cutting off what follows it. */
  static async reopen(
    path: string,
    sound: { entries: number; end: number },
    options: LogWriterOptions,
  ): Promise<LogWriter> {
    const file = await open(path, 'r+');
    await file.truncate(sound.end);
    if (sound.end < LOG_MAGIC.length) await file.write(LOG_MAGIC, 0, LOG_MAGIC.length, 0);
    return new LogWriter(file, Math.max(sound.end, LOG_MAGIC.length), sound.entries, options);
  }

  /** Bytes of the log. */
  get size(): number {
    return this.#size;
  }

  /**
   * Resolves when the event is in the file; events get their numbers in the order of the calls.
   * @throws FailureError `exhausted` when the spool or the disk is full; the log is whole and may be appended to again
   */
  append(body: CaptureEventBody): Promise<void> {
    const done = this.#tail.then(() => this.#write(body));
    this.#tail = done.catch(() => undefined);
    return done;
  }

  /** Resolves at the next append. */
  changed(): Promise<void> {
    return this.#change;
  }

  /** Append nothing afterwards. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#tail;
    await this.#file.sync();
    await this.#file.close();
    this.#wake();
  }

  async #write(body: CaptureEventBody): Promise<void> {
    const event: CaptureEvent = { sequence: this.#sequence + 1, time: this.#options.now(), body };
    const frame = encodeFrame(event);
    // Only what can grow is refused: the end of a capture must always find its place.
    if (GROWING.has(body.kind)) this.#options.reserve(frame.length);
    try {
      for (let written = 0; written < frame.length; ) {
        const { bytesWritten } = await this.#file.write(frame, written, frame.length - written, this.#size + written);
        written += bytesWritten;
      }
    } catch (error) {
      await this.#file.truncate(this.#size);
      throw writeFailure('cannot write to the spool', error);
    }
    this.#size += frame.length;
    this.#sequence++;
    this.#wake();
  }

  #wake(): void {
    const wake = this.#wakeWaiting;
    this.#change = this.#nextChange();
    wake();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeWaiting = resolve;
    });
  }
}
