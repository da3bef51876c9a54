// Bounds what a script may print: in all, and over time. What is above is counted by lines and told; reading goes on, so that the
// module's buffer never fills because of us. Pure.
import type { Loss } from '../../profile/loss.js';
import type { Milliseconds } from '../../proto/capture.js';

export interface OutputLimits {
  /** Bytes of the whole output. */
  readonly total: number;
  /** Bytes per second, over any longer time. */
  readonly rate: number;
  /** Bytes that may come at once. */
  readonly burst: number;
}

export const OUTPUT_LIMITS: OutputLimits = {
  total: 64 * 1024 * 1024,
  rate: 4 * 1024 * 1024,
  burst: 16 * 1024 * 1024,
};

const NEWLINE = 10;

export class OutputBound {
  readonly #limits: OutputLimits;
  #total: number;
  #tokens: number;
  #refilled: Milliseconds = 0;
  /** Inside a line that is dropped. */
  #isDropping = false;
  #droppedForTotal = 0;
  #droppedForRate = 0;

  constructor(limits: OutputLimits = OUTPUT_LIMITS) {
    this.#limits = limits;
    this.#total = limits.total;
    this.#tokens = limits.burst;
  }

  /** What of `chunk` goes on: whole lines, but for those that reach into the next chunk. @param time since the start */
  pass(chunk: Uint8Array, time: Milliseconds): Uint8Array {
    const { rate, burst } = this.#limits;
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, time - this.#refilled) / 1000) * rate);
    this.#refilled = Math.max(this.#refilled, time);
    const from = this.#isDropping ? this.#endOfDropped(chunk) : 0;
    const room = Math.floor(Math.min(this.#total, this.#tokens));
    const fitting = chunk.subarray(from, from + room);
    // A line that began before stays whole or is cut here, which the parser sees.
    const isAll = from + fitting.length === chunk.length;
    const kept = isAll ? fitting : fitting.subarray(0, fitting.lastIndexOf(NEWLINE) + 1);
    this.#total -= kept.length;
    this.#tokens -= kept.length;
    if (!isAll) this.#drop(chunk.subarray(from + kept.length));
    return kept;
  }

  losses(): Loss[] {
    const { total, rate } = this.#limits;
    const loss = (count: number, detail: string): Loss[] =>
      count === 0 ? [] : [{ kind: 'dropped-lines', count, detail }];
    return [
      ...loss(this.#droppedForTotal, `the script printed more than ${total / 1024 / 1024} MiB`),
      ...loss(this.#droppedForRate, `the script printed more than ${rate / 1024 / 1024} MiB per second`),
    ];
  }

  /** Where in `chunk` the next line begins. */
  #endOfDropped(chunk: Uint8Array): number {
    const end = chunk.indexOf(NEWLINE);
    if (end < 0) return chunk.length;
    this.#isDropping = false;
    return end + 1;
  }

  #drop(bytes: Uint8Array): void {
    let lines = 0;
    for (const byte of bytes) if (byte === NEWLINE) lines++;
    const isCut = bytes.at(-1) !== NEWLINE;
    this.#isDropping = isCut;
    if (isCut) lines++;
    if (this.#total <= this.#tokens) this.#droppedForTotal += lines;
    else this.#droppedForRate += lines;
  }
}
