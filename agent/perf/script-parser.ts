// Reads the text of `perf script`, of any perf and any field selection that has the comm and an id, into a profile.
//
//   header      comm, ids, CPU, time, period, event     script-parser-header.ts
//   frame …     address symbol+offset (object)          script-parser-frame.ts; innermost first
//   empty line                                          ends the sample
//
// A capture repeats its frame lines, so each distinct one is parsed once and found again by its bytes; a sample then
// costs one header scan and one lookup per frame, and nothing is kept of it but its counts.
//
// The text has addresses as they were in the process, so locations of this profile hold those, not offsets in the object.
import type { Loss } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import { ProfileBuilder } from '../../profile/profile-builder.js';
import { LossTally } from './loss-tally.js';
import { readFrame, readFrameOfHeader, readSource } from './script-parser-frame.js';
import { HeaderLine, isBlank } from './script-parser-header.js';
import { ByteStringIndex, hashBytes } from './script-parser-interner.js';
import { type LineReader, LineSplitter } from './script-parser-lines.js';
import { EVENT_TOO_MANY, HeaderNames, RECORD_LINE, utf8 } from './script-parser-names.js';
import { type KnownFrame, StackInProgress } from './script-parser-stack.js';
import { TimedRows } from './script-parser-timed.js';

export interface ScriptParserOptions {
  /** Labels of a sample: `comm`; `comm`, `pid`; or `comm`, `pid`, `tid`. A pid that the text does not have is no label. */
  readonly split: 'comm' | 'pid' | 'tid';
  /** Keep every sample's time, CPU and weight (implies split `tid`); samples printed without a time are counted all the same. */
  readonly keepTimestamps: boolean;
}

const HASH = 0x23;
const CARRIAGE_RETURN = 0x0d;
const CLOSING_PARENTHESIS = 0x29;
/** A single period above this is damage. */
const MOST_PERIOD = 1e15;
const MOST_COMMENTS = 32;
const MOST_LINES_NAMED = 5;

const lostRecord = /^PERF_RECORD_LOST(_SAMPLES)?:? +lost(?: samples)? (\d{1,15})/;
const throttleRecord = /^PERF_RECORD_THROTTLE\b/;
const headerComment = /^# (hostname|os release|perf version|arch|cmdline) *: (.{1,1000})/;

export class ScriptParser implements LineReader {
  readonly #lines = new LineSplitter(this);
  readonly #builder = new ProfileBuilder([]);
  readonly #names: HeaderNames;
  readonly #timed: TimedRows | undefined;
  readonly #losses = new LossTally();
  readonly #comments: string[] = [];
  readonly #frameLines = new ByteStringIndex();
  readonly #frames: KnownFrame[] = [];
  readonly #headerRests = new ByteStringIndex();
  readonly #framesOfHeaders: (KnownFrame | undefined)[] = [];
  /** Sum of the periods of each event. */
  readonly #eventWeight: number[] = [];
  #firstTime = Number.POSITIVE_INFINITY;
  #lastTime = Number.NEGATIVE_INFINITY;
  #lineNumber = 0;
  #skippedLines = 0;
  readonly #firstSkipped: number[] = [];

  readonly #header = new HeaderLine();
  /** A line like a header without a time. Many a line looks like that; a frame below makes it one. */
  #candidate: { readonly bytes: Uint8Array; readonly line: number } | undefined;
  readonly #stack: StackInProgress;
  /** The sample that is being read, while isOpen; one object serves them all. */
  readonly #sample: Sample = {
    isOpen: false,
    event: 0,
    labels: 0,
    hasTime: false,
    seconds: 0,
    nanoseconds: 0,
    cpu: -1,
    period: 1,
    frameOfHeader: undefined,
  };

  constructor(options: ScriptParserOptions) {
    this.#names = new HeaderNames(this.#builder, options.keepTimestamps ? 'tid' : options.split);
    this.#timed = options.keepTimestamps ? new TimedRows() : undefined;
    this.#stack = new StackInProgress(this.#builder);
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  /** The profile of all the text, and what is missing from it; the parser must not be used afterwards. */
  end(): { readonly profile: Profile; readonly losses: readonly Loss[] } {
    this.#lines.end();
    this.#settleCandidate(false);
    if (this.#sample.isOpen && !this.#stack.isEmpty) {
      this.#losses.add('truncated-input', 'the text ends inside a sample');
    }
    this.#endSample();
    this.#tellSkippedLines();
    const timed = this.#timed?.moveTo(this.#builder);
    if (timed !== undefined) {
      this.#losses.add('skipped-samples', 'time more than 100 days after the first', timed.tooLate);
    }
    const profile = this.#builder.freeze({
      duration: this.#lastTime > this.#firstTime ? (this.#lastTime - this.#firstTime) * 1000 : 0,
      clockStart: timed?.clockStart ?? 0,
      comments: this.#comments,
      losses: this.#losses.list(),
    });
    return { profile, losses: profile.losses };
  }

  /** Takes a frame line that was seen before. */
  known(bytes: Uint8Array, at: number, limit: number): number {
    if (!this.#sample.isOpen) return -1;
    const entry = this.#frameLines.find(hashOfFirstWord(bytes, at, limit), bytes, at, limit);
    if (entry < 0) return -1;
    this.#lineNumber++;
    this.#stack.push(this.#frames[entry]);
    return at + this.#frameLines.lengthOf(entry);
  }

  line(bytes: Uint8Array, start: number, end: number): void {
    this.#lineNumber++;
    if (this.#candidate !== undefined) {
      this.#settleCandidate(isBlank(bytes[start]) && readFrame(utf8(bytes, start, end).trim()) !== undefined);
    }
    if (end === start || (end === start + 1 && bytes[start] === CARRIAGE_RETURN)) {
      this.#endSample();
      return;
    }
    // Without call graphs perf indents the headers too. Below a frame, a line is rather another frame.
    const isFrameFirst = isBlank(bytes[start]) && !this.#stack.isEmpty;
    const isUnderstood = isFrameFirst
      ? this.#readBelowHeader(bytes, start, end) || this.#readHeader(bytes, start, end)
      : this.#readHeader(bytes, start, end) ||
        this.#readComment(bytes, start, end) ||
        this.#readBelowHeader(bytes, start, end) ||
        this.#readCandidate(bytes, start, end);
    if (!isUnderstood) this.#skipLine(this.#lineNumber);
  }

  tooLong(): void {
    this.#skipLine(++this.#lineNumber);
  }

  /** A line below a header: a frame, the source line of a frame, or nothing but blanks. */
  #readBelowHeader(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#sample.isOpen) return false;
    if (!isBlank(bytes[start]) && bytes[end - 1] !== CLOSING_PARENTHESIS) return false;
    const text = utf8(bytes, start, end).trim();
    if (text === '') return true;
    const frame = readFrame(text);
    if (frame === undefined) {
      const source = readSource(text);
      return source !== undefined && this.#stack.addSource(source);
    }
    const known = this.#stack.intern(frame);
    if (this.#frameLines.isFull) this.#frameLines.clear();
    const entry = this.#frameLines.add(hashOfFirstWord(bytes, start, end), bytes, start, end + 1);
    if (entry >= 0) this.#frames[entry] = known;
    this.#stack.push(known);
    return true;
  }

  #readHeader(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#header.read(bytes, start, end)) return false;
    this.#endSample();
    const event = this.#names.event(bytes, this.#header);
    if (event === RECORD_LINE) this.#readRecord(utf8(bytes, this.#header.eventStart, end));
    else this.#beginSample(bytes, event, end);
    return true;
  }

  #readCandidate(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#header.readWithoutTime(bytes, start, end)) return false;
    this.#endSample();
    this.#candidate = { bytes: bytes.slice(start, end), line: this.#lineNumber };
    return true;
  }

  #settleCandidate(isHeader: boolean): void {
    const candidate = this.#candidate;
    if (candidate === undefined) return;
    this.#candidate = undefined;
    const { bytes, line } = candidate;
    if (isHeader && this.#header.readWithoutTime(bytes, 0, bytes.length)) {
      this.#beginSample(bytes, this.#names.event(bytes, this.#header), bytes.length);
    } else {
      this.#skipLine(line);
    }
  }

  #beginSample(bytes: Uint8Array, event: number, end: number): void {
    const sample = this.#sample;
    const header = this.#header;
    sample.isOpen = true;
    sample.event = event;
    sample.labels = this.#names.labels(bytes, header);
    sample.hasTime = header.hasTime;
    sample.seconds = header.seconds;
    sample.nanoseconds = header.nanoseconds;
    sample.cpu = header.cpu;
    sample.period = header.period;
    sample.frameOfHeader = this.#frameOfHeader(bytes, header.restStart, end);
  }

  /** Without call graphs the one frame stands at the end of the header. */
  #frameOfHeader(bytes: Uint8Array, start: number, end: number): KnownFrame | undefined {
    let last = end;
    while (last > start && isBlank(bytes[last - 1])) last--;
    if (last === start || bytes[last - 1] !== CLOSING_PARENTHESIS) return undefined;
    const hash = hashOfFirstWord(bytes, start, last);
    const known = this.#headerRests.find(hash, bytes, start, last, last - start);
    if (known >= 0) return this.#framesOfHeaders[known];
    const text = readFrameOfHeader(utf8(bytes, start, last));
    const frame = text === undefined ? undefined : this.#stack.intern(text);
    if (this.#headerRests.isFull) this.#headerRests.clear();
    const entry = this.#headerRests.add(hash, bytes, start, last);
    if (entry >= 0) this.#framesOfHeaders[entry] = frame;
    return frame;
  }

  #endSample(): void {
    const sample = this.#sample;
    const stack = this.#stack;
    if (!sample.isOpen) return;
    sample.isOpen = false;
    if (stack.isEmpty && sample.frameOfHeader !== undefined) stack.push(sample.frameOfHeader);
    this.#losses.add('unsymbolized-frames', 'perf script printed no name', stack.unknownFrames);
    if (stack.isCut) this.#losses.add('truncated-stacks', 'more frames than this reader keeps');
    const { event, period, seconds, nanoseconds } = sample;
    const weight = (this.#eventWeight[event] ?? 0) + period;
    if (event === EVENT_TOO_MANY || period > MOST_PERIOD || weight > Number.MAX_SAFE_INTEGER) {
      this.#losses.add(
        'skipped-samples',
        event === EVENT_TOO_MANY ? 'of too many events' : 'weight too large to add up',
      );
      stack.clear();
      return;
    }
    this.#eventWeight[event] = weight;
    const row = this.#builder.sample(stack.finish(), sample.labels);
    this.#builder.add(row, 2 * event, 1);
    this.#builder.add(row, 2 * event + 1, period);
    if (!sample.hasTime) return;
    this.#timed?.push(row, event, seconds, nanoseconds, sample.cpu, period);
    const time = seconds + nanoseconds / 1e9;
    if (time < this.#firstTime) this.#firstTime = time;
    if (time > this.#lastTime) this.#lastTime = time;
  }

  /** What `--show-lost-events` and the like print between the samples; only losses are of use here. */
  #readRecord(text: string): void {
    const lost = lostRecord.exec(text);
    if (lost !== null) {
      const kind = lost[1] === undefined ? 'lost-events' : 'lost-samples';
      this.#losses.add(kind, `told by PERF_RECORD_LOST${lost[1] ?? ''}`, Number(lost[2]));
    } else if (throttleRecord.test(text)) {
      this.#losses.add('throttled', 'told by PERF_RECORD_THROTTLE');
    }
  }

  #readComment(bytes: Uint8Array, start: number, end: number): boolean {
    if (bytes[start] !== HASH) return false;
    const match = this.#comments.length < MOST_COMMENTS ? headerComment.exec(utf8(bytes, start, end)) : null;
    if (match !== null) this.#comments.push(`${match[1]}: ${match[2].trim()}`);
    return true;
  }

  #skipLine(line: number): void {
    this.#skippedLines++;
    if (this.#firstSkipped.length < MOST_LINES_NAMED) this.#firstSkipped.push(line);
  }

  #tellSkippedLines(): void {
    if (this.#skippedLines === 0) return;
    const lines = this.#firstSkipped.join(', ') + (this.#skippedLines > MOST_LINES_NAMED ? ', …' : '');
    const detail = `not understood as perf script text: line${this.#skippedLines > 1 ? 's' : ''} ${lines}`;
    this.#losses.add('skipped-lines', detail, this.#skippedLines);
  }
}

interface Sample {
  isOpen: boolean;
  event: number;
  labels: number;
  hasTime: boolean;
  seconds: number;
  nanoseconds: number;
  cpu: number;
  period: number;
  frameOfHeader: KnownFrame | undefined;
}

/** Frame lines differ most in their address, which is their first word. */
function hashOfFirstWord(bytes: Uint8Array, start: number, limit: number): number {
  let word = start;
  while (word < limit && isBlank(bytes[word])) word++;
  let end = word;
  while (end < limit && bytes[end] > 0x20) end++;
  return hashBytes(bytes, word, end);
}
