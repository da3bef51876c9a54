// Reads a capture's log frame by frame from disk, also while another process appends to it.
import { type FileHandle, open } from 'node:fs/promises';
import type { CaptureEvent, CaptureState } from '../../proto/capture.js';
import { crc32 } from '../../proto/crc32.js';
import { decodeEvent } from '../../proto/event-codec.js';
import { FailureError, fail } from '../../proto/failure.js';
import { FRAME_HEADER_BYTES, LOG_MAGIC, MAX_BODY_BYTES, stateOfTag } from './frame.js';

const BUFFER_BYTES = 64 * 1024;

export interface Frame {
  /** Where the frame begins and ends in the file. */
  readonly start: number;
  readonly end: number;
  /** State that it leads to. */
  readonly state: CaptureState | undefined;
}

export class LogReader {
  readonly #file: FileHandle;
  readonly #path: string;
  #position = LOG_MAGIC.length;
  #buffer = Buffer.alloc(0);
  #bufferStart = 0;

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  static async open(path: string): Promise<LogReader> {
    const reader = new LogReader(await open(path, 'r'), path);
    const magic = await reader.#bytes(0, LOG_MAGIC.length);
    if (magic === undefined || !magic.equals(LOG_MAGIC)) {
      await reader.close();
      throw fail('bad-data', `${path} is no capture log`, 'release the capture');
    }
    return reader;
  }

  /** End of the last frame that was read. */
  get position(): number {
    return this.#position;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** The next frame without its content (nor a check of it); undefined while it is not complete on disk. */
  async skip(): Promise<Frame | undefined> {
    const length = await this.#bodyLength();
    if (length === undefined) return undefined;
    const start = this.#position;
    const end = start + FRAME_HEADER_BYTES + length;
    const tag = await this.#bytes(start + FRAME_HEADER_BYTES, 1);
    const last = await this.#bytes(end - 1, 1);
    if (tag === undefined || last === undefined) return undefined;
    this.#position = end;
    return { start, end, state: stateOfTag(tag.readUInt8(0)) };
  }

  /**
   * The next event; undefined while it is not complete on disk.
   * @throws FailureError `bad-data` where the log is damaged
   */
  async next(): Promise<CaptureEvent | undefined> {
    const length = await this.#bodyLength();
    if (length === undefined) return undefined;
    const header = await this.#bytes(this.#position, FRAME_HEADER_BYTES);
    const body = await this.#bytes(this.#position + FRAME_HEADER_BYTES, length);
    if (header === undefined || body === undefined) return undefined;
    if (crc32(body) !== header.readUInt32LE(4)) throw this.#damaged('its checksum does not match');
    const event = decodeEvent(Uint8Array.prototype.slice.call(body, 1));
    this.#position += FRAME_HEADER_BYTES + length;
    return event;
  }

  async #bodyLength(): Promise<number | undefined> {
    const header = await this.#bytes(this.#position, FRAME_HEADER_BYTES);
    if (header === undefined) return undefined;
    const length = header.readUInt32LE(0);
    if (length < 1 || length > MAX_BODY_BYTES) throw this.#damaged(`${length} bytes is no length of an entry`);
    return length;
  }

  #damaged(what: string): Error {
    return fail('bad-data', `${this.#path} is damaged at byte ${this.#position}: ${what}`, 'repeat the capture');
  }

  /** Bytes of the file; undefined when it is not that long yet. Valid until the next call. */
  async #bytes(from: number, length: number): Promise<Buffer | undefined> {
    const end = from + length;
    if (from < this.#bufferStart || end > this.#bufferStart + this.#buffer.length) {
      const target = Buffer.allocUnsafe(Math.max(length, BUFFER_BYTES));
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await this.#file.read(target, filled, target.length - filled, from + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      this.#buffer = target.subarray(0, filled);
      this.#bufferStart = from;
    }
    if (end > this.#bufferStart + this.#buffer.length) return undefined;
    return this.#buffer.subarray(from - this.#bufferStart, end - this.#bufferStart);
  }
}

export interface LogSummary {
  readonly lastSequence: number;
  readonly state: CaptureState;
}

/** Where a log stands, from its frame headers. @throws FailureError `bad-data` where it is damaged */
export async function summarizeLog(path: string): Promise<LogSummary> {
  const reader = await LogReader.open(path);
  try {
    let lastSequence = 0;
    let state: CaptureState = 'resolving';
    for (let frame = await reader.skip(); frame !== undefined; frame = await reader.skip()) {
      lastSequence++;
      state = frame.state ?? state;
    }
    return { lastSequence, state };
  } finally {
    await reader.close();
  }
}

/**
 * How much of a log is whole: its entries, their end in bytes, and whether the last one is the done event. An end of 0: not even its
 * beginning.
 */
export async function soundPart(path: string): Promise<{ entries: number; end: number; isDone: boolean }> {
  const reader = await openSound(path);
  if (reader === undefined) return { entries: 0, end: 0, isDone: false };
  let entries = 0;
  let isDone = false;
  try {
    for (let event = await reader.next(); event !== undefined; event = await reader.next()) {
      entries++;
      isDone = event.body.kind === 'done';
    }
  } catch (error) {
    // Damage ends the sound part; what follows cannot be trusted.
    if (!(error instanceof FailureError)) throw error;
  } finally {
    await reader.close();
  }
  return { entries, end: reader.position, isDone };
}

async function openSound(path: string): Promise<LogReader | undefined> {
  try {
    return await LogReader.open(path);
  } catch (error) {
    if (error instanceof FailureError && error.failure.code === 'bad-data') return undefined;
    throw error;
  }
}
