// Brings samples and side-band records of all CPUs into one order of time, round by round, and counts the samples.
//
// perf reads the CPUs' buffers in turn and writes FINISHED_ROUND after each turn. What comes after a round is not older than what came
// before the previous one, so everything up to the previous round's latest time can be settled:
//
//     │ round 1 … max m1 │ round 2 … max m2 │ round 3 …
//                                           ▲ here: apply side-band up to m1, count the samples of round 1
//
// Samples are not sorted: threads keep the history of their names and maps, and a sample asks for the moment it was taken.

import type { AddressSpace } from './address-space.js';
import { ChainTable } from './chain-table.js';
import { CountTable } from './count-table.js';
import { readLength, readValueLength } from './event-attr.js';
import { EventSet, type RecordedEvent } from './event-set.js';
import { LossTally } from './loss-tally.js';
import { PendingSamples } from './pending-samples.js';
import type { RecordSink } from './reader.js';
import { ContextMarker, Misc, ReadBit, SampleBit } from './record-type.js';
import type { RecordView } from './record-view.js';
import { word64 } from './record-view.js';
import { RecordingFacts } from './recording-facts.js';
import { decodeSideband, type MapRecord, type SidebandRecord } from './sideband-record.js';
import { type Thread, ThreadTable } from './thread-table.js';

/** What samples of one row of the count table have in common besides their chain. */
export interface SampleContext {
  readonly comm: number;
  readonly space: AddressSpace;
  /** -1 where the capture is not split so far. */
  readonly pid: number;
  readonly tid: number;
}

export interface SorterOptions {
  readonly split: 'comm' | 'pid' | 'tid';
  /** Called for each sample in the order of counting. `time` in nanoseconds since `SampleSorter.clockStart`. */
  readonly onSample?: (countRow: number, time: number, cpu: number, weight: number) => void;
  /** Called for each memory map as it is read, before it counts. */
  readonly onMap?: (map: MapRecord) => void;
  /** Memory for distinct call chains. */
  readonly mostChainBytes: number;
  /** Of a ring that was written backwards: rounds tell nothing about the order, and all of it waits for the end. It is no larger than the ring. */
  readonly isUnordered?: boolean;
  /** Samples before this time are left out: nanoseconds of the recording's clock. */
  readonly since?: number;
}

/** A recording without rounds is settled whenever this many samples wait. */
const MOST_PENDING = 1 << 20;
const MOST_SIDEBAND = 1 << 18;

export class SampleSorter implements RecordSink {
  readonly events = new EventSet();
  readonly facts = new RecordingFacts();
  readonly losses = new LossTally();
  readonly threads = new ThreadTable(this.losses);
  readonly chains: ChainTable;
  readonly counts = new CountTable();
  readonly contexts: SampleContext[] = [];
  /** Earliest and latest sample, in nanoseconds since `clockStart`; NaN without any. */
  firstTime = Number.NaN;
  lastTime = Number.NaN;
  /** Samples before `since`. */
  tooOld = 0;
  /** The event of the earliest sample. */
  firstEvent = -1;
  /** Recordings measure time from here: nanoseconds of the trace clock. Differences to it are exact. */
  get clockStart(): number {
    return Math.max(0, this.#baseHigh) * 2 ** 32;
  }
  readonly #options: SorterOptions;
  readonly #since: number;
  readonly #contextIndex = new Map<string, number>();
  readonly #one = new Int32Array(4);
  /** The words that samples were last read from, and the same memory as the chain table wants it. */
  #words: Uint32Array = new Uint32Array(0);
  #signedWords: Int32Array = new Int32Array(0);
  #baseHigh = -1;
  #waiting = new PendingSamples();
  #settling = new PendingSamples();
  #sideband: SidebandRecord[] = [];
  #isSidebandSorted = true;
  #latest = Number.NEGATIVE_INFINITY;
  #previousLatest = Number.NEGATIVE_INFINITY;
  #horizon = Number.NEGATIVE_INFINITY;
  #lastId = -1;
  #lastEvent: RecordedEvent | undefined;
  readonly #readValues = new Map<number, number>();

  constructor(options: SorterOptions) {
    this.#options = options;
    this.#since = options.since ?? Number.NEGATIVE_INFINITY;
    this.chains = new ChainTable(options.mostChainBytes);
  }

  sample(words: Uint32Array, at: number, length: number): void {
    const event = this.#eventOf(words, at, length);
    if (event === undefined || length < event.layout.fixedEnd) {
      this.losses.add('skipped-samples', event === undefined ? UNKNOWN_EVENT : MALFORMED);
      return;
    }
    const { layout, attr } = event;
    let chainAt = layout.chain < 0 ? -1 : at + layout.chain;
    let readAt = -1;
    if (layout.read >= 0) {
      readAt = at + layout.read;
      const readWords = readLength(attr.readFormat, words, readAt, at + length);
      if (readWords < 0) {
        this.losses.add('skipped-samples', MALFORMED);
        return;
      }
      if ((attr.sampleType & SampleBit.CALLCHAIN) !== 0) chainAt = readAt + readWords;
    }
    const chain = chainAt < 0 ? this.#addressChain(words, at, event) : this.#chain(words, chainAt, at + length);
    if (chain < 0) return;
    const weight = layout.period >= 0 ? word64(words, at + layout.period) : attr.samplePeriod;
    if (readAt >= 0 && (attr.readFormat & ReadBit.GROUP) !== 0) this.#countGroup(words, at, readAt, event, chain);
    else this.#take(words, at, event, chain, weight);
  }

  sideband(type: number, record: RecordView): void {
    const event = this.#eventOfTrailer(record);
    const trailer = event?.idLayout ?? { length: 0, time: 0 };
    const endWord = record.at + (record.size >>> 2);
    if (record.size < 16 + 4 * trailer.length) {
      this.losses.add('skipped-records', 'side-band records too short for their type');
      return;
    }
    const time = trailer.time > 0 ? this.#time(record.words, endWord - trailer.time) : UNTIMED;
    const body = decodeSideband(type, record, (endWord - trailer.length) * 4);
    if (body === undefined) return;
    if (body.kind === 'map') this.#options.onMap?.(body);
    if (time === UNTIMED) {
      // perf made it up when it started, or the event keeps no times: it holds from the present on.
      this.threads.apply({ time, ...body }, this.#previousLatest);
      return;
    }
    const last = this.#sideband.at(-1);
    if (last !== undefined && last.time > time) this.#isSidebandSorted = false;
    if (time > this.#latest) this.#latest = time;
    this.#sideband.push({ time, ...body });
    if (this.#sideband.length >= MOST_SIDEBAND) this.round();
  }

  round(): void {
    if (this.#options.isUnordered === true) return;
    this.#applySideband(this.#previousLatest);
    this.#settle();
    // Samples of the round that waits now may be as old as the latest of the round before last.
    this.threads.forgetBefore(this.#horizon);
    this.#horizon = this.#previousLatest;
    this.#previousLatest = this.#latest;
    [this.#settling, this.#waiting] = [this.#waiting, this.#settling];
  }

  /** The input is over: count what still waits. */
  finish(): void {
    this.#applySideband(Number.POSITIVE_INFINITY);
    this.#settle();
    [this.#settling, this.#waiting] = [this.#waiting, this.#settling];
    this.#settle();
  }

  /** Samples that wait for the end of their round. */
  get waiting(): number {
    return this.#waiting.length + this.#settling.length;
  }

  #take(words: Uint32Array, at: number, event: RecordedEvent, chain: number, weight: number): void {
    const { layout } = event;
    const pid = layout.pid < 0 ? -1 : words[at + layout.pid] | 0;
    const tid = layout.pid < 0 ? -1 : words[at + layout.pid + 1] | 0;
    const cpu = layout.cpu < 0 ? -1 : words[at + layout.cpu] | 0;
    const time = layout.time < 0 ? UNTIMED : this.#time(words, at + layout.time);
    if (time === UNTIMED) {
      this.#count(this.threads.find(pid, tid), chain, event.index, cpu, Number.POSITIVE_INFINITY, weight);
      return;
    }
    if (time + this.clockStart < this.#since) {
      this.tooOld++;
      return;
    }
    if (time > this.#latest) this.#latest = time;
    if (!(time >= this.firstTime)) {
      this.firstTime = time;
      this.firstEvent = event.index;
    }
    if (!(time <= this.lastTime)) this.lastTime = time;
    this.#waiting.push(chain, event.index, pid, tid, cpu, time, weight);
    if (this.#waiting.length >= MOST_PENDING) this.round();
  }

  /** Group reads carry one running count per event; what each counted since its last sample is its weight (perf's `:S`). */
  #countGroup(words: Uint32Array, at: number, readAt: number, leader: RecordedEvent, chain: number): void {
    const format = leader.attr.readFormat;
    const perValue = readValueLength(format);
    const times = ((format & ReadBit.TIME_ENABLED) !== 0 ? 2 : 0) + ((format & ReadBit.TIME_RUNNING) !== 0 ? 2 : 0);
    const count = words[readAt];
    for (let i = 0; i < count; i++) {
      const valueAt = readAt + 2 + times + i * perValue;
      const value = word64(words, valueAt);
      const id = (format & ReadBit.ID) !== 0 ? word64(words, valueAt + 2) : i;
      const event = (format & ReadBit.ID) !== 0 ? this.events.byId(id) : leader;
      if (event === undefined) {
        this.losses.add('skipped-samples', UNKNOWN_EVENT);
        continue;
      }
      const weight = value - (this.#readValues.get(id) ?? 0);
      if (this.#readValues.size < MOST_SIDEBAND || this.#readValues.has(id)) this.#readValues.set(id, value);
      if (weight > 0) this.#takeAs(words, at, leader, event, chain, weight);
    }
  }

  #takeAs(
    words: Uint32Array,
    at: number,
    leader: RecordedEvent,
    event: RecordedEvent,
    chain: number,
    weight: number,
  ): void {
    this.#take(words, at, { ...leader, index: event.index }, chain, weight);
  }

  #chain(words: Uint32Array, at: number, end: number): number {
    if (at + 2 > end || words[at + 1] !== 0 || words[at] * 2 > end - at - 2) {
      this.losses.add('skipped-samples', MALFORMED);
      return -1;
    }
    if (words !== this.#words) {
      this.#words = words;
      this.#signedWords = new Int32Array(words.buffer, words.byteOffset, words.length);
    }
    return this.#remember(this.#signedWords, at + 2, words[at] * 2);
  }

  /** A sample without a call chain is a stack of one frame: where it was taken. */
  #addressChain(words: Uint32Array, at: number, { layout }: RecordedEvent): number {
    if (layout.ip < 0) return ChainTable.EMPTY;
    const isKernel = (words[at + 1] & Misc.CPU_MODE_MASK) === Misc.KERNEL;
    this.#one[0] = isKernel ? ContextMarker.KERNEL : ContextMarker.USER;
    this.#one[1] = -1;
    this.#one[2] = words[at + layout.ip];
    this.#one[3] = words[at + layout.ip + 1];
    return this.#remember(this.#one, 0, 4);
  }

  #remember(words: Int32Array, at: number, size: number): number {
    const row = this.chains.add(words, at, size);
    if (row >= 0) return row;
    this.losses.add('out-of-budget', 'samples counted without their stack: no memory left for new stacks');
    return ChainTable.EMPTY;
  }

  #eventOf(words: Uint32Array, at: number, length: number): RecordedEvent | undefined {
    const first = this.events.list[0];
    if (this.events.list.length === 1) return first;
    if (first === undefined) return undefined;
    const idAt = first.layout.id;
    if (idAt < 0) return first;
    if (idAt + 2 > length) return undefined;
    const id = word64(words, at + idAt);
    if (id !== this.#lastId) {
      this.#lastId = id;
      this.#lastEvent = this.events.ofSample(id);
    }
    return this.#lastEvent;
  }

  /** Which event a record that is no sample belongs to: an identifier is its last field, without one all events look alike. */
  #eventOfTrailer({ words, at, size }: RecordView): RecordedEvent | undefined {
    const first = this.events.list[0];
    if (first === undefined || (first.attr.sampleType & SampleBit.IDENTIFIER) === 0 || !first.attr.hasSampleId)
      return first;
    return this.events.byId(word64(words, at + (size >>> 2) - 2)) ?? first;
  }

  /** Nanoseconds since `clockStart`, exact; records that were given no time have 0 or ~0 there. */
  #time(words: Uint32Array, at: number): number {
    const low = words[at];
    const high = words[at + 1];
    if ((low === 0 && high === 0) || (low === 0xffffffff && high === 0xffffffff)) return UNTIMED;
    if (this.#baseHigh < 0) this.#baseHigh = high;
    return (high - this.#baseHigh) * 2 ** 32 + low;
  }

  #applySideband(bound: number): void {
    const list = this.#sideband;
    if (list.length === 0) return;
    if (!this.#isSidebandSorted) list.sort((a, b) => a.time - b.time);
    this.#isSidebandSorted = true;
    let done = 0;
    while (done < list.length && list[done].time <= bound) {
      const record = list[done++];
      this.threads.apply(record, record.time);
    }
    if (done > 0) list.splice(0, done);
  }

  #settle(): void {
    const { length, chain, event, pid, tid, cpu, time, weight } = this.#settling;
    let thread: Thread | undefined;
    for (let i = 0; i < length; i++) {
      if (thread === undefined || thread.tid !== tid[i] || thread.pid !== pid[i])
        thread = this.threads.find(pid[i], tid[i]);
      this.#count(thread, chain[i], event[i], cpu[i], time[i], weight[i]);
    }
    this.#settling.clear();
  }

  #count(thread: Thread, chain: number, event: number, cpu: number, time: number, weight: number): void {
    const isCached = thread.context >= 0 && time >= thread.contextSince;
    const context = isCached ? this.#freshContext(thread, time) : this.#contextAt(thread, time);
    const row = this.counts.add(context, chain, event, weight);
    this.#options.onSample?.(row, time, cpu, weight);
  }

  #freshContext(thread: Thread, time: number): number {
    const { space } = this.contexts[thread.context];
    return space === thread.process.space.latest ? thread.context : this.#contextAt(thread, time);
  }

  #contextAt(thread: Thread, time: number): number {
    const { split } = this.#options;
    const comm = thread.comm.at(time);
    const space = thread.process.space.at(time);
    const pid = split === 'comm' ? -1 : thread.pid;
    const tid = split === 'tid' ? thread.tid : -1;
    const key = `${comm} ${space.id} ${pid} ${tid}`;
    let context = this.#contextIndex.get(key);
    if (context === undefined) {
      context = this.contexts.push({ comm, space, pid, tid }) - 1;
      this.#contextIndex.set(key, context);
    }
    const since = Math.max(thread.comm.latestSince, thread.process.space.latestSince);
    thread.context = time >= since ? context : -1;
    thread.contextSince = since;
    return context;
  }
}

const UNTIMED = Number.NEGATIVE_INFINITY;
const UNKNOWN_EVENT =
  'samples of an event that the header does not describe (another perf session on this host recorded the same events: record one event at a time, or one session)';
const MALFORMED = 'malformed samples (fields outside of the record)';
