// Reads perf's own binary stream, in file form or pipe form, pushed in chunks of any size; hands records to a sink as they are whole.
//
//   pipe form:  magic, 16 │ records … (attributes, names, build ids and features are records too)
//   file form:  magic, 104 │ ids, attributes │ records … │ feature table, features
//
// Nothing before the records refers to what comes after them, so a file can be read from a pipe in one pass as well.
import { fail } from '../../proto/failure.js';
import { ByteStore } from './byte-store.js';
import { parseEventAttr } from './event-attr.js';
import type { EventSet } from './event-set.js';
import * as header from './file-header.js';
import type { LossTally } from './loss-tally.js';
import { RecordFramer } from './record-framer.js';
import { RecordType, SILENT_RECORDS, UNREAD_RECORDS } from './record-type.js';
import { type RecordView, textAt, word64 } from './record-view.js';
import type { RecordingFacts } from './recording-facts.js';
import { type StreamDecoder, zstdDecoder } from './zstd.js';

/** Where the records go. The reader fills `events`, `facts` and `losses` by itself. */
export interface RecordSink {
  readonly events: EventSet;
  readonly facts: RecordingFacts;
  readonly losses: LossTally;
  /** A SAMPLE record: words `at` to `at + length`. Nothing in it was checked. */
  sample(words: Uint32Array, at: number, length: number): void;
  /** A record of MMAP, MMAP2, COMM, FORK, EXIT or KSYMBOL type. */
  sideband(type: number, record: RecordView): void;
  /** Every CPU's buffer was read once: what comes now is not older than what came before the previous round. */
  round(): void;
}

export interface PerfReaderOptions {
  /** For `perf record -z`; default: zstd. */
  readonly decoder?: StreamDecoder;
}

type Phase = 'magic' | 'before-data' | 'records' | 'unreadable' | 'features';

/** Build ids of 100,000 files take about 10 MiB. */
const MOST_FEATURE_BYTES = 64 << 20;

export class PerfReader {
  readonly #sink: RecordSink;
  #decoder: StreamDecoder | undefined;
  readonly #framer: RecordFramer;
  #unpacked: RecordFramer | undefined;
  #phase: Phase = 'magic';
  #held = new ByteStore(header.MAGIC_LENGTH);
  #header: header.FileHeader | undefined;
  #staging: Uint8Array | undefined;
  /** Bytes of the data section still to come. */
  #remaining = Number.POSITIVE_INFINITY;
  #offset = 0;
  #samples = 0;
  #unreadable = 0;

  constructor(sink: RecordSink, options: PerfReaderOptions = {}) {
    this.#sink = sink;
    this.#decoder = options.decoder;
    this.#framer = new RecordFramer(this.#handler());
  }

  /** Bytes pushed so far. */
  get bytes(): number {
    return this.#offset;
  }

  /** SAMPLE records seen so far. */
  get samples(): number {
    return this.#samples;
  }

  /** @throws FailureError `bad-data`, naming the byte, when nothing can be made of the input */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const space = this.reserve();
      const part = chunk.subarray(at, at + space.length);
      space.set(part);
      this.commit(part.length);
      at += part.length;
    }
  }

  /** Where to read the next bytes into, to spare a copy; call `commit` with how many they are. */
  reserve(): Uint8Array {
    if (this.#phase === 'records') {
      const space = this.#framer.reserve();
      return space.length > this.#remaining ? space.subarray(0, this.#remaining) : space;
    }
    this.#staging ??= new Uint8Array(65_536);
    return this.#staging.subarray(0, this.#wanted());
  }

  /** @throws FailureError as `push` does */
  commit(length: number): void {
    this.#offset += length;
    if (this.#phase === 'records') {
      this.#remaining -= length;
      if (!this.#framer.commit(length)) this.#giveUp();
    } else {
      const bytes = (this.#staging ?? new Uint8Array(0)).subarray(0, length);
      if (this.#phase === 'unreadable') {
        this.#unreadable += length;
        this.#remaining -= length;
      } else if (this.#phase === 'features') {
        const kept = this.#held.append(bytes);
        if (kept < length) this.#sink.losses.add('unreadable-bytes', 'feature sections beyond 64 MiB', length - kept);
      } else {
        this.#held.append(bytes);
        if (this.#phase === 'magic' && this.#wanted() === 0) this.#readMagic();
        if (this.#phase === 'before-data' && this.#wanted() === 0) this.#readBeforeData();
      }
    }
    if (this.#remaining === 0 && this.#phase !== 'features') this.#endData();
  }

  /** The input is over. @throws FailureError `bad-data` when it ended before the first record */
  end(): void {
    if (this.#phase === 'magic' || this.#phase === 'before-data') {
      throw fail(
        'bad-data',
        `byte ${this.#offset}: perf.data ends inside its header`,
        'the file is empty or was cut off',
      );
    }
    if (this.#phase === 'features') this.#readFeatures();
    else {
      this.#endRecords();
      if (this.#remaining !== Number.POSITIVE_INFINITY) {
        this.#sink.losses.add(
          'unreadable-bytes',
          'announced by the header, but the input ends before them',
          this.#remaining,
        );
      } else if (this.#header !== undefined) {
        this.#sink.losses.add(
          'truncated-input',
          'perf record was ended before it completed the header (build ids may be missing)',
        );
      }
    }
  }

  /** Bytes that the present phase can take next. */
  #wanted(): number {
    if (this.#phase === 'magic') return header.MAGIC_LENGTH - this.#held.length;
    if (this.#phase === 'before-data') return Math.min(65_536, this.#beforeData() - this.#held.length);
    return Math.min(65_536, this.#phase === 'unreadable' ? this.#remaining : 65_536);
  }

  #beforeData(): number {
    return this.#header?.data.offset ?? header.FILE_HEADER_SIZE;
  }

  #readMagic(): void {
    const magic = this.#held.bytes;
    if (header.headerSize(magic) === header.PIPE_HEADER_SIZE) {
      this.#phase = 'records';
      return;
    }
    this.#held = new ByteStore(header.MOST_BEFORE_DATA);
    this.#held.append(magic);
    this.#phase = 'before-data';
  }

  #readBeforeData(): void {
    if (this.#header === undefined) {
      this.#header = header.parseFileHeader(this.#held.bytes);
      if (this.#wanted() > 0) return;
    }
    const { data } = this.#header;
    for (const { attr, ids } of header.parseAttrTable(this.#header, this.#held.bytes)) {
      if (!this.#sink.events.add(attr, ids))
        throw fail('bad-data', 'byte 24: more events or ids than a recording can have');
    }
    this.#phase = 'records';
    this.#held = new ByteStore(MOST_FEATURE_BYTES);
    if (data.size > 0) this.#remaining = data.size;
  }

  #endData(): void {
    this.#endRecords();
    this.#phase = 'features';
  }

  #endRecords(): void {
    const { losses } = this.#sink;
    const cut = this.#phase === 'records' ? this.#framer.pending + this.#framer.missingPayload : 0;
    losses.add('unreadable-bytes', 'of a record that the input ends in', cut + (this.#unpacked?.pending ?? 0));
    losses.add(
      'unreadable-bytes',
      `bytes behind byte ${this.#offset - this.#unreadable}, where no record begins`,
      this.#unreadable,
    );
  }

  /** The next header is no record's. Without a single sample before it, this was never a perf.data to begin with. */
  #giveUp(): void {
    const pending = this.#framer.pending;
    if (this.#samples === 0) {
      throw fail(
        'bad-data',
        `byte ${this.#offset - pending}: no record begins here`,
        'the file is damaged: record it again',
      );
    }
    this.#unreadable = pending;
    this.#phase = 'unreadable';
  }

  #readFeatures(): void {
    if (this.#header === undefined) return;
    const { data, features } = this.#header;
    const sections = header.featureSections(features, this.#held.bytes, data.offset + data.size);
    for (const { feature, bytes } of sections) this.#sink.facts.addFeature(feature, bytes, this.#sink.events);
    const missing = sections.filter((section) => !section.isWhole).length;
    this.#sink.losses.add(
      'truncated-input',
      'header features that lie outside of the file (build ids may be missing)',
      missing,
    );
  }

  #handler(): { sample: RecordSink['sample']; record: (type: number, record: RecordView) => number } {
    const sink = this.#sink;
    return {
      sample: (words, at, length) => {
        this.#samples++;
        sink.sample(words, at, length);
      },
      record: (type, record) => this.#record(type, record),
    };
  }

  #record(type: number, record: RecordView): number {
    const sink = this.#sink;
    const { words, bytes, at, size } = record;
    const start = at * 4;
    switch (type) {
      case RecordType.MMAP:
      case RecordType.MMAP2:
      case RecordType.COMM:
      case RecordType.FORK:
      case RecordType.EXIT:
      case RecordType.KSYMBOL:
        sink.sideband(type, record);
        return 0;
      case RecordType.FINISHED_ROUND:
        sink.round();
        return 0;
      case RecordType.LOST:
        if (size >= 24) sink.losses.add('lost-events', LOST_DETAIL, word64(words, at + 4));
        return 0;
      case RecordType.LOST_SAMPLES:
        if (size >= 16) sink.losses.add('lost-samples', LOST_DETAIL, word64(words, at + 2));
        return 0;
      case RecordType.THROTTLE:
        sink.losses.add('throttled', 'times the kernel paused an event that fired too often (lower the frequency)');
        return 0;
      case RecordType.HEADER_ATTR:
        this.#attribute(record);
        return 0;
      case RecordType.EVENT_UPDATE:
        if (size > 24 && words[at + 2] === EVENT_UPDATE_NAME) {
          sink.events.nameById(word64(words, at + 4), textAt(bytes, start + 24, start + size));
        }
        return 0;
      case RecordType.HEADER_BUILD_ID:
        sink.facts.addBuildId(bytes, start, start + size);
        return 0;
      case RecordType.HEADER_FEATURE:
        if (size >= 16) sink.facts.addFeature(words[at + 2], bytes.slice(start + 16, start + size), sink.events);
        return 0;
      case RecordType.HEADER_TRACING_DATA:
        return size >= 12 ? Math.ceil(words[at + 2] / 8) * 8 : 0;
      case RecordType.COMPRESSED:
        this.#unpack(bytes.subarray(start + 8, start + size));
        return 0;
      case RecordType.COMPRESSED2:
        this.#unpack(bytes.subarray(start + 16, start + 16 + Math.min(words[at + 2], size - 16)));
        return 0;
      default:
        if (!SILENT_RECORDS.has(type)) {
          sink.losses.add('skipped-records', UNREAD_RECORDS.get(type) ?? `records of unknown type ${type}`);
        }
        return type === RecordType.AUXTRACE && size >= 16 ? word64(words, at + 2) : 0;
    }
  }

  #attribute({ words, bytes, at, size }: RecordView): void {
    const start = at * 4;
    const attrSize = size >= 16 && words[at + 3] > 0 ? words[at + 3] : 64;
    const attr = parseEventAttr(bytes.subarray(start + 8, Math.min(start + 8 + attrSize, start + size)));
    const ids = [];
    for (let id = start + 8 + attrSize; id + 8 <= start + size; id += 8) ids.push(word64(words, id >>> 2));
    if (attr === undefined || !this.#sink.events.add(attr, ids)) {
      this.#sink.losses.add('skipped-records', 'event attributes that make no sense');
    }
  }

  #unpack(packed: Uint8Array): void {
    this.#decoder ??= zstdDecoder();
    this.#unpacked ??= new RecordFramer(this.#handler());
    const plain = this.#decoder.decode(packed);
    for (let at = 0; at < plain.length; ) {
      const space = this.#unpacked.reserve();
      const part = plain.subarray(at, at + space.length);
      space.set(part);
      if (!this.#unpacked.commit(part.length)) {
        throw fail('bad-data', `byte ${this.#offset}: no record begins inside of the compressed data here`);
      }
      at += part.length;
    }
  }
}

const EVENT_UPDATE_NAME = 2;
const LOST_DETAIL = 'the ring buffer was full when the kernel wrote to it (record with larger --mmap-pages)';
