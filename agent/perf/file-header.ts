// The fixed header of perf.data and the tables it points at, of the form that perf writes to a file (PERFILE2, 104 bytes).
import { fail } from '../../proto/failure.js';
import { type EventAttr, parseEventAttr } from './event-attr.js';

interface FileSection {
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly size: number;
}

export interface FileHeader {
  readonly attrSize: number;
  readonly attrs: FileSection;
  /** Size 0: perf was killed before it could write it; the data then goes on to the end of the file. */
  readonly data: FileSection;
  /** Numbers of the features there are, in the order of their sections. */
  readonly features: readonly number[];
}

/** Bytes of the smallest thing that can be told apart: magic and header size. */
export const MAGIC_LENGTH = 16;
export const PIPE_HEADER_SIZE = 16;
export const FILE_HEADER_SIZE = 104;
/** Attributes and their ids: even with a thousand CPUs and events this is a few MiB. */
export const MOST_BEFORE_DATA = 64 << 20;

/** @returns bytes of the whole header: 16 for the pipe form */
export function headerSize(bytes: Uint8Array): number {
  const magic = String.fromCharCode(...bytes.subarray(0, 8));
  if (magic === '2ELIFREP') {
    throw fail(
      'bad-data',
      'perf.data was recorded on a big-endian machine, which is not supported',
      'convert it there with `perf script` and read that text',
    );
  }
  if (magic === 'PERFFILE') {
    throw fail(
      'bad-data',
      'perf.data has the format of perf before 3.0, which is not supported',
      'convert it with `perf script`',
    );
  }
  if (magic !== 'PERFILE2') {
    throw fail(
      'bad-data',
      'byte 0: this is no perf.data (it does not begin with PERFILE2)',
      'give a file written by `perf record`',
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = number64(view, 8);
  if (size !== PIPE_HEADER_SIZE && size !== FILE_HEADER_SIZE) {
    throw fail(
      'bad-data',
      `byte 8: a perf.data header of ${size} bytes is neither the file form (104) nor the pipe form (16)`,
    );
  }
  return size;
}

/** @throws FailureError `bad-data` when the header contradicts itself */
export function parseFileHeader(bytes: Uint8Array): FileHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const attrSize = number64(view, 16);
  const attrs = sectionAt(view, 24);
  const data = sectionAt(view, 40);
  const features = [];
  for (let bit = 0; bit < 256; bit++) {
    if ((bytes[72 + (bit >> 3)] & (1 << (bit & 7))) !== 0) features.push(bit);
  }
  // The two words after each attr say where its ids are.
  if (attrSize < 64 + 16 || attrSize > 4096) {
    throw fail('bad-data', `byte 16: event attributes of ${attrSize} bytes cannot be right`);
  }
  if (data.offset < FILE_HEADER_SIZE || data.offset > MOST_BEFORE_DATA) {
    throw fail('bad-data', `byte 40: the data section cannot begin at byte ${data.offset}`);
  }
  if (attrs.offset + attrs.size > data.offset) {
    throw fail(
      'bad-data',
      `byte 24: the event attributes end at byte ${attrs.offset + attrs.size}, after the data begins`,
    );
  }
  return { attrSize, attrs, data, features };
}

export interface AttrEntry {
  readonly attr: EventAttr;
  readonly ids: readonly number[];
}

/** @param bytes everything before the data section */
export function parseAttrTable(header: FileHeader, bytes: Uint8Array): AttrEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries = [];
  const { attrSize, attrs } = header;
  for (let at = attrs.offset; at + attrSize <= attrs.offset + attrs.size; at += attrSize) {
    const attr = parseEventAttr(bytes.subarray(at, at + attrSize - 16));
    const ids = sectionAt(view, at + attrSize - 16);
    if (attr === undefined || ids.offset + ids.size > bytes.length) {
      throw fail('bad-data', `byte ${at}: the ids of an event lie outside of the header`);
    }
    entries.push({ attr, ids: Array.from({ length: ids.size >>> 3 }, (_, i) => number64(view, ids.offset + 8 * i)) });
  }
  return entries;
}

/** Feature sections are listed right behind the data, 16 bytes each; `tail` are the bytes from there, `offset` their place in the file. */
export function featureSections(
  features: readonly number[],
  tail: Uint8Array,
  offset: number,
): { feature: number; bytes: Uint8Array; isWhole: boolean }[] {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
  const found = [];
  for (const [i, feature] of features.entries()) {
    if (16 * i + 16 > tail.length) {
      found.push({ feature, bytes: tail.subarray(0, 0), isWhole: false });
      continue;
    }
    const section = sectionAt(view, 16 * i);
    const start = section.offset - offset;
    const isInside = start >= 0 && start + section.size <= tail.length;
    found.push({
      feature,
      bytes: start < 0 ? tail.subarray(0, 0) : tail.subarray(start, start + section.size),
      isWhole: isInside,
    });
  }
  return found;
}

function sectionAt(view: DataView, at: number): FileSection {
  return { offset: number64(view, at), size: number64(view, at + 8) };
}

function number64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}
