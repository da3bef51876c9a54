// Profiles to bounded, self-checking chunks and back. The format is described in profile.proto.
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { checkValid } from '../profile/check-valid.js';
import type { Loss } from '../profile/loss.js';
import type { Label, Profile } from '../profile/profile.js';
import { ColumnDecoder, ColumnEncoder } from './column-codec.js';
import { crc32 } from './crc32.js';
import { fail } from './failure.js';
import { perftrawl } from './generated/perftrawl.js';
import { decodeLoss } from './loss-codec.js';
import { assembleProfile, columnsOf } from './profile-columns.js';

const { ProfilePart, ColumnId, Encoding } = perftrawl.v1;
type Part = perftrawl.v1.ProfilePart.$Properties;

/** One part of an encoded profile, as it travels and is stored. */
export interface ProfileChunk {
  /** Which profile of the capture: '' for its main one. */
  readonly name: string;
  readonly index: number;
  readonly isLast: boolean;
  readonly encoding: 'identity' | 'brotli';
  /** CRC-32 (IEEE) of `data`. */
  readonly crc32: number;
  /** Bytes of the decoded data. */
  readonly rawLength: number;
  readonly data: Uint8Array;
}

/** Raw bytes after which a part is closed, and the most that a receiver accepts. */
const PART_BYTES = 512 * 1024;
const MAX_PART_BYTES = 4 * 1024 * 1024;
const MAX_STRING_BYTES = 64 * 1024;
/** What a text, label or loss costs in memory, in rows of a column. */
const OBJECT_ROWS = 8;
/** Events times two, and the columns of the tables. */
const MAX_COLUMNS = 1024;

/** Cut a profile into chunks of at most about 512 KiB before compression. At least one chunk; the last one says so. */
export function* encodeProfile(profile: Profile, name = ''): Generator<ProfileChunk> {
  let index = 0;
  let waiting: Part | undefined;
  for (const part of partsOf(profile)) {
    if (waiting !== undefined) yield toChunk(waiting, name, index++, false);
    waiting = part;
  }
  yield toChunk(waiting ?? {}, name, index, true);
}

function toChunk(part: Part, name: string, index: number, isLast: boolean): ProfileChunk {
  const raw = ProfilePart.encode(part).finish();
  const data = brotliCompressSync(raw, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
  });
  return { name, index, isLast, encoding: 'brotli', crc32: crc32(data), rawLength: raw.length, data };
}

function* partsOf(profile: Profile): Generator<Part> {
  const columns = columnsOf(profile);
  let part: Part = {
    header: {
      sampleTypes: profile.sampleTypes.map((type) => ({ type: type.type, unit: type.unit })),
      startTimeMs: profile.startTime,
      durationMs: profile.duration,
      clockStartNs: profile.clockStart,
      comments: profile.comments.map((comment) => comment.slice(0, MAX_STRING_BYTES)),
      tables: [
        { id: ColumnId.STRING_TABLE, rows: profile.strings.length },
        { id: ColumnId.LABEL_SET_TABLE, rows: profile.labelSets.length },
      ],
    },
    losses: profile.losses.slice(),
  };
  for (const strings of stringParts(profile.strings)) {
    yield { ...part, strings };
    part = {};
  }
  let size = 0;
  for (const set of profile.labelSets) {
    if (size > PART_BYTES) {
      yield part;
      part = {};
      size = 0;
    }
    part.labelSets ??= [];
    part.labelSets.push({ labels: set.slice() });
    size += set.reduce((sum, label) => sum + label.key.length + label.value.length + 8, 4);
  }
  for (const { id, series, rows } of columns) {
    const encoder = new ColumnEncoder(rows);
    while (!encoder.isDone) {
      if (size > PART_BYTES - 64) {
        yield part;
        part = {};
        size = 0;
      }
      const encoded = encoder.encode(PART_BYTES - size);
      part.columns ??= [];
      part.columns.push({ id, series, ...encoded });
      size += encoded.deltas.length + 16;
    }
  }
  if (size > 0) yield part;
}

/** UTF-8 texts, each followed by a zero byte; zero bytes inside a text travel as U+FFFD. */
function* stringParts(strings: readonly string[]): Generator<Uint8Array> {
  let pieces: Buffer[] = [];
  let size = 0;
  for (const text of strings) {
    const bytes = Buffer.from(`${text.slice(0, MAX_STRING_BYTES).replaceAll('\0', '\ufffd')}\0`, 'utf8');
    pieces.push(bytes);
    size += bytes.length;
    if (size > PART_BYTES) {
      yield Buffer.concat(pieces);
      pieces = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(pieces);
}

/** What a receiver accepts of one profile. */
export interface DecodeLimits {
  /** Bytes of all parts after decompression. */
  readonly maxRawBytes: number;
  /** Rows of all columns together. */
  readonly maxRows: number;
}

/** For profiles of our own making, up to those merged of thousands of hosts; a column of this many rows is 8 GiB. */
export const DEFAULT_DECODE_LIMITS: DecodeLimits = { maxRawBytes: 16 * 1024 ** 3, maxRows: 1024 ** 3 };

/** Reads the chunks of one profile in order; anything out of order, damaged, too large or inconsistent is a `bad-data` failure. */
export class ProfileDecoder {
  readonly #limits: DecodeLimits;
  #nextIndex = 0;
  #isComplete = false;
  #rawBytes = 0;
  #rows = 0;
  #header: perftrawl.v1.ProfileHeader.$Properties | undefined;
  readonly #strings: string[] = [];
  readonly #labelSets: Label[][] = [];
  readonly #losses: Loss[] = [];
  readonly #columns = new Map<string, ColumnDecoder>();

  constructor(limits: DecodeLimits = DEFAULT_DECODE_LIMITS) {
    this.#limits = limits;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  push(chunk: ProfileChunk): void {
    if (this.#isComplete) throw bad(`chunk ${chunk.index} comes after the last one`);
    if (chunk.index !== this.#nextIndex) throw bad(`chunk ${chunk.index} where ${this.#nextIndex} was expected`);
    const raw = unpack(chunk);
    this.#rawBytes += raw.length;
    if (this.#rawBytes > this.#limits.maxRawBytes) {
      throw fail(
        'exhausted',
        `the profile is larger than ${this.#limits.maxRawBytes} bytes`,
        'capture for a shorter time or fewer processes',
      );
    }
    this.#take(decodePart(raw, chunk.index), chunk.index);
    this.#nextIndex++;
    this.#isComplete = chunk.isLast;
  }

  /** The whole profile, checked. */
  finish(): Profile {
    if (!this.#isComplete) throw bad(`the profile ends after chunk ${this.#nextIndex - 1}, which is not its last`);
    if (this.#header === undefined) throw bad('the profile has no header');
    const profile = assembleProfile({
      header: this.#header,
      strings: this.#strings.length === 0 ? [''] : this.#strings,
      labelSets: this.#labelSets,
      losses: this.#losses,
      column: (id, series) => this.#columns.get(`${id}.${series}`) ?? new ColumnDecoder(),
    });
    const problem = checkValid(profile);
    if (problem !== undefined) throw bad(problem);
    return profile;
  }

  #take(part: perftrawl.v1.ProfilePart, index: number): void {
    if (part.header) {
      if (index !== 0) throw bad(`a second header in chunk ${index}`);
      const types = part.header.sampleTypes?.length ?? 0;
      if (types > MAX_COLUMNS) throw bad(`${types} sample types, more than ${MAX_COLUMNS}`);
      this.#count(OBJECT_ROWS * (part.header.comments?.length ?? 0));
      this.#header = part.header;
    }
    if (part.strings.length > 0) {
      if (part.strings[part.strings.length - 1] !== 0)
        throw bad(`the strings of chunk ${index} do not end in a zero byte`);
      const texts = Buffer.from(part.strings.buffer, part.strings.byteOffset, part.strings.length - 1)
        .toString('utf8')
        .split('\0');
      this.#count(OBJECT_ROWS * texts.length);
      for (const text of texts) this.#strings.push(text);
    }
    this.#count(OBJECT_ROWS * part.labelSets.length);
    for (const set of part.labelSets) {
      this.#count(OBJECT_ROWS * (set.labels?.length ?? 0));
      this.#labelSets.push((set.labels ?? []).map((label) => ({ key: label.key ?? '', value: label.value ?? '' })));
    }
    this.#count(OBJECT_ROWS * part.losses.length);
    for (const loss of part.losses) this.#losses.push(decodeLoss(loss));
    for (const { id, series, rows, deltas } of part.columns) {
      const key = `${id ?? 0}.${series ?? 0}`;
      const column = this.#columns.get(key) ?? new ColumnDecoder();
      if (!this.#columns.has(key) && this.#columns.size >= MAX_COLUMNS) throw bad(`more than ${MAX_COLUMNS} columns`);
      this.#columns.set(key, column);
      this.#count(rows ?? 0);
      const problem = column.push(rows ?? 0, deltas ?? new Uint8Array());
      if (problem !== undefined) throw bad(`column ${key} of chunk ${index}: ${problem}`);
    }
  }

  #count(rows: number): void {
    this.#rows += rows;
    if (this.#rows > this.#limits.maxRows) {
      throw fail(
        'exhausted',
        `the profile has more than ${this.#limits.maxRows} rows`,
        'capture for a shorter time or fewer processes',
      );
    }
  }
}

/** Decode a complete list of chunks. */
export function decodeProfile(chunks: Iterable<ProfileChunk>, limits?: DecodeLimits): Profile {
  const decoder = new ProfileDecoder(limits);
  for (const chunk of chunks) decoder.push(chunk);
  return decoder.finish();
}

function unpack(chunk: ProfileChunk): Uint8Array {
  const sum = crc32(chunk.data);
  if (sum !== chunk.crc32) throw bad(`chunk ${chunk.index} is damaged: checksum ${sum}, announced ${chunk.crc32}`);
  if (chunk.rawLength > MAX_PART_BYTES)
    throw bad(`chunk ${chunk.index} announces ${chunk.rawLength} bytes, more than ${MAX_PART_BYTES}`);
  const raw = chunk.encoding === 'brotli' ? decompress(chunk) : chunk.data;
  if (raw.length !== chunk.rawLength)
    throw bad(`chunk ${chunk.index} holds ${raw.length} bytes, announced ${chunk.rawLength}`);
  return raw;
}

function decompress(chunk: ProfileChunk): Uint8Array {
  try {
    return brotliDecompressSync(chunk.data, { maxOutputLength: Math.max(chunk.rawLength, 1) });
  } catch (cause) {
    throw fail(
      'bad-data',
      `cannot read the profile: chunk ${chunk.index} does not decompress to ${chunk.rawLength} bytes`,
      '',
      cause,
    );
  }
}

function decodePart(raw: Uint8Array, index: number): perftrawl.v1.ProfilePart {
  try {
    return ProfilePart.decode(raw);
  } catch (cause) {
    throw fail('bad-data', `cannot read the profile: chunk ${index} is no ProfilePart`, '', cause);
  }
}

function bad(problem: string): Error {
  return fail('bad-data', `cannot read the profile: ${problem}`);
}

/** A chunk as its message, and back; used by the event codec. */
export function chunkToMessage(chunk: ProfileChunk): perftrawl.v1.ProfileChunk.$Properties {
  return {
    name: chunk.name,
    index: chunk.index,
    last: chunk.isLast,
    encoding: chunk.encoding === 'brotli' ? Encoding.BROTLI : Encoding.IDENTITY,
    crc32: chunk.crc32,
    rawLength: chunk.rawLength,
    data: chunk.data,
  };
}

export function chunkFromMessage(message: perftrawl.v1.ProfileChunk.$Properties): ProfileChunk {
  return {
    name: message.name ?? '',
    index: message.index ?? 0,
    isLast: message.last ?? false,
    encoding: message.encoding === Encoding.BROTLI ? 'brotli' : 'identity',
    crc32: message.crc32 ?? 0,
    rawLength: message.rawLength ?? 0,
    data: message.data ?? new Uint8Array(),
  };
}
