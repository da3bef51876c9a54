// How much of the results of all hosts together may be in memory at a time: beyond that, hosts are read one after the other.
import type { CaptureEventBody } from '../../proto/capture.js';

/** Estimated bytes, of all jobs of this process. */
export const INTAKE_ROOM_BYTES = 1024 ** 3;
/** A byte of a column is a row at least, which is kept as a number of 8 bytes in an array that grows by doubling. */
const BYTES_PER_RAW_BYTE = 16;
/** An object with its texts. */
const BYTES_PER_POINT = 200;
const BYTES_PER_BUCKET = 24;

/** What an event will take in memory until the result of its host is merged; an estimate from above. */
export function memoryOf(body: CaptureEventBody): number {
  switch (body.kind) {
    case 'profile-chunk':
      return body.chunk.data.length + body.chunk.rawLength * BYTES_PER_RAW_BYTE;
    case 'counters':
      return body.points.length * BYTES_PER_POINT;
    case 'histograms':
      return body.points.reduce(
        (sum, { histogram }) => sum + BYTES_PER_POINT + histogram.buckets.length * BYTES_PER_BUCKET,
        0,
      );
    case 'text':
      return body.lines.reduce((sum, { text }) => sum + BYTES_PER_POINT + 2 * text.length, 0);
    case 'state':
    case 'progress':
    case 'part':
    case 'triggered':
    case 'losses':
    case 'cost':
    case 'artifact':
    case 'done':
      return 0;
  }
}

/**
 * Who has come first may always go on, so that somebody always does; what is taken therefore stays below the limit and what one host may
 * bring on its own.
 */
export class IntakeRoom {
  readonly #limit: number;
  /** In the order of their first bytes. */
  readonly #held = new Map<object, number>();
  #used = 0;
  #waiting: (() => void)[] = [];

  constructor(limit = INTAKE_ROOM_BYTES) {
    this.#limit = limit;
  }

  /** Estimated bytes that are taken. */
  get used(): number {
    return this.#used;
  }

  /** Resolves when `holder` may take so many bytes more, or, without having taken any, when `signal` aborts. */
  async take(holder: object, bytes: number, signal: AbortSignal): Promise<void> {
    if (bytes === 0) return;
    while (!this.#hasRoom(holder, bytes)) {
      if (signal.aborted) return;
      await this.#change(signal);
    }
    this.#used += bytes;
    this.#held.set(holder, (this.#held.get(holder) ?? 0) + bytes);
  }

  /** All that `holder` took is free again. */
  release(holder: object): void {
    this.#used -= this.#held.get(holder) ?? 0;
    this.#held.delete(holder);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #hasRoom(holder: object, bytes: number): boolean {
    const [first] = this.#held.keys();
    return first === undefined || first === holder || this.#used + bytes <= this.#limit;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.push(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
