// What stap, staprun and stapio say on stderr: kept as text, and what it tells about skipped probes and lost output as losses.
// The words are those of stap's runtime (transport/, runtime.h) and translator; they are the same from 2.x to 5.x.
import type { Loss } from '../../../profile/loss.js';
import type { TextLine } from '../../../profile/text-line.js';
import type { Milliseconds } from '../../../proto/capture.js';
import { LossTally } from '../../perf/loss-tally.js';
import { LineCutter } from './line-cutter.js';

export interface StapMessagesOptions {
  /** Lines given out; what comes after is counted. 2,000 when left out. */
  readonly lines?: number;
  /** Of one line; 2,048 when left out. */
  readonly lineBytes?: number;
}

/** `Number of errors: 0, skipped probes: 9`, printed once, at the end of a run. */
const total = /^WARNING: Number of errors: (\d{1,12}), skipped probes: (\d{1,12})/;
/** Its breakdown, with `-t`: `Skipped due to missed kprobe on 'x': 9`. */
const skippedDueTo = /^WARNING: Skipped due to (.{1,200}): *(\d{1,12})$/;
const transport = /^WARNING: There were (\d{1,12}) transport failures/;
const registration = /^WARNING: probe (.{1,300}) registration error.*\(rc (-?\d{1,6})\)/;
const tooMany = /too many pending \((?:warning|error)\) messages/;
const MOST_TEXT = 64 * 1024;

export class StapMessages {
  readonly #cutter: LineCutter;
  readonly #limit: number;
  readonly #losses = new LossTally();
  #time: Milliseconds = 0;
  #number = 0;
  #lines: TextLine[] = [];
  #skipped = 0;
  #broken = 0;
  #head = '';
  #tail = '';

  constructor({ lines = 2000, lineBytes = 2048 }: StapMessagesOptions = {}) {
    this.#limit = lines;
    this.#cutter = new LineCutter(lineBytes, (text) => this.#line(text));
  }

  /** Bytes as they come; `time`: when, milliseconds since the capture began. The lines that they complete. */
  push(chunk: Uint8Array, time: Milliseconds): readonly TextLine[] {
    this.#time = time;
    this.#cutter.push(chunk);
    return this.#lines.splice(0);
  }

  /** A last line without an end, and all losses that were told. */
  end(time: Milliseconds): { readonly lines: readonly TextLine[]; readonly losses: readonly Loss[] } {
    this.#time = time;
    this.#cutter.end();
    // the total has the hits of the breakdown in it
    this.#losses.add(
      'skipped-probes',
      'stap: overload, reentrancy or no free return slot',
      this.#skipped - this.#broken,
    );
    return { lines: this.#lines.splice(0), losses: this.#losses.list() };
  }

  /** All that was said, or its beginning and its end when it was very much: for stapFailure(). */
  get text(): string {
    return this.#tail === '' ? this.#head : `${this.#head}…\n${this.#tail}`;
  }

  #line(text: string): void {
    this.#number++;
    if (this.#number > this.#limit)
      this.#losses.add('dropped-lines', `messages of stap, behind the first ${this.#limit}`);
    else this.#lines.push({ time: this.#time, number: this.#number, stream: 'stderr', text });
    if (this.#head.length < MOST_TEXT) this.#head += `${text}\n`;
    else this.#tail = `${this.#tail}${text}\n`.slice(-MOST_TEXT);
    if (text.startsWith('WARNING: ')) this.#readWarning(text);
  }

  #readWarning(text: string): void {
    const counts = total.exec(text);
    if (counts !== null) {
      this.#losses.add('skipped-probes', 'stap: errors in probe handlers', Number(counts[1]));
      this.#skipped += Number(counts[2]);
      return;
    }
    const part = skippedDueTo.exec(text);
    if (part !== null) {
      this.#broken += Number(part[2]);
      this.#losses.add('skipped-probes', `stap: ${part[1]}`, Number(part[2]));
      return;
    }
    const failures = transport.exec(text);
    if (failures !== null) {
      this.#losses.add('dropped-lines', 'stap: its buffers were full (transport failures)', Number(failures[1]));
      return;
    }
    const probe = registration.exec(text);
    if (probe !== null) {
      this.#losses.add('skipped-probes', `stap: the kernel refused the probe ${probe[1]} (rc ${probe[2]})`);
    } else if (tooMany.test(text)) {
      this.#losses.add('dropped-lines', 'stap: it had too many messages at once');
    }
  }
}
