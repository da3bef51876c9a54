// Threads and events of `perf script` headers, as rows of the profile's tables; each distinct one is decoded once.
import type { Label } from '../../profile/profile.js';
import type { ProfileBuilder } from '../../profile/profile-builder.js';
import { samplesOf, weightOf } from '../../profile/sample-type.js';
import type { HeaderLine } from './script-parser-header.js';
import { ByteStringIndex, hashBytes } from './script-parser-interner.js';

/** Event number of `PERF_RECORD_…` lines, which `--show-*-events` puts between the samples. */
export const RECORD_LINE = -1;
/** Event number of an event too many. */
export const EVENT_TOO_MANY = -2;
/** Every event costs two columns. */
const MOST_EVENTS = 64;
/** What perf itself prints for an event that it has no name for. */
const UNNAMED = '[unknown]';

export class HeaderNames {
  readonly #builder: ProfileBuilder;
  readonly #split: 'comm' | 'pid' | 'tid';
  readonly #threads = new ByteStringIndex();
  readonly #labelsOfThread: number[] = [];
  readonly #eventTexts = new ByteStringIndex();
  readonly #eventOfText: number[] = [];
  readonly #events = new Map<string, number>();

  constructor(builder: ProfileBuilder, split: 'comm' | 'pid' | 'tid') {
    this.#builder = builder;
    this.#split = split;
  }

  /** The label set of the thread that the header names. */
  labels(bytes: Uint8Array, header: HeaderLine): number {
    const end = this.#split === 'comm' ? header.commEnd : header.idsEnd;
    const start = header.commStart;
    if (end === start) return this.#builder.labelSet(this.#labelsOf('', header));
    const hash = hashBytes(bytes, start, end);
    const known = this.#threads.find(hash, bytes, start, end, end - start);
    if (known >= 0) return this.#labelsOfThread[known];
    const labels = this.#builder.labelSet(this.#labelsOf(utf8(bytes, start, header.commEnd), header));
    this.#forgetWhenFull(this.#threads);
    const entry = this.#threads.add(hash, bytes, start, end);
    if (entry >= 0) this.#labelsOfThread[entry] = labels;
    return labels;
  }

  /** The event's number, RECORD_LINE or EVENT_TOO_MANY. */
  event(bytes: Uint8Array, header: HeaderLine): number {
    const { eventStart: start, eventEnd: end } = header;
    if (end === start) return isRecord(bytes, start) ? RECORD_LINE : this.#eventNamed(UNNAMED);
    const hash = hashBytes(bytes, start, end);
    const known = this.#eventTexts.find(hash, bytes, start, end, end - start);
    if (known >= 0) return this.#eventOfText[known];
    const event = isRecord(bytes, start) ? RECORD_LINE : this.#eventNamed(utf8(bytes, start, end));
    this.#forgetWhenFull(this.#eventTexts);
    const entry = this.#eventTexts.add(hash, bytes, start, end);
    if (entry >= 0) this.#eventOfText[entry] = event;
    return event;
  }

  #labelsOf(comm: string, { pid, tid }: HeaderLine): Label[] {
    const labels = [{ key: 'comm', value: comm }];
    if (this.#split !== 'comm' && !Number.isNaN(pid)) labels.push({ key: 'pid', value: String(pid) });
    if (this.#split === 'tid') labels.push({ key: 'tid', value: String(tid) });
    return labels;
  }

  #eventNamed(name: string): number {
    const known = this.#events.get(name);
    if (known !== undefined) return known;
    if (this.#events.size === MOST_EVENTS) return EVENT_TOO_MANY;
    const event = this.#events.size;
    this.#events.set(name, event);
    this.#builder.addSampleType(samplesOf(name));
    this.#builder.addSampleType(weightOf(name));
    return event;
  }

  #forgetWhenFull(index: ByteStringIndex): void {
    if (index.isFull) index.clear();
  }
}

/** Bytes as text; what is no UTF-8 becomes U+FFFD. */
export function utf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
}

const recordPrefix = Buffer.from('PERF_RECORD_');

function isRecord(bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < recordPrefix.length; i++) if (bytes[start + i] !== recordPrefix[i]) return false;
  return true;
}
