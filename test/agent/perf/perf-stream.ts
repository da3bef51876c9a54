// Writes perf's binary stream record by record, to test its reader with what no perf would record on demand.

export interface AttrFields {
  readonly type?: number;
  readonly config?: number;
  readonly samplePeriod?: number;
  /** Names of SampleBit: `['IP', 'TID']`. */
  readonly sampleType: number;
  readonly readFormat?: number;
  readonly flags?: number;
  /** Bytes of perf_event_attr: 64 (perf 3.0) to 136 (perf 6.x). */
  readonly size?: number;
  readonly ids?: readonly number[];
}

export const Bit = {
  IP: 1,
  TID: 2,
  TIME: 4,
  READ: 16,
  CALLCHAIN: 32,
  ID: 64,
  CPU: 128,
  PERIOD: 256,
  RAW: 1024,
  IDENTIFIER: 1 << 16,
};
export const SAMPLE_ID_ALL = 1 << 18;
export const KERNEL = 0xffff_ffff_ffff_ff80n;
export const USER = 0xffff_ffff_ffff_fe00n;
/** What the samples below have: IP, TID, TIME, PERIOD, CALLCHAIN. */
export const PLAIN = Bit.IP | Bit.TID | Bit.TIME | Bit.PERIOD | Bit.CALLCHAIN;

export function bytesOf(...parts: readonly (readonly (number | bigint)[] | Uint8Array)[]): Uint8Array {
  return Buffer.concat(parts.map((part) => (part instanceof Uint8Array ? part : u64(...part))));
}

export function u64(...values: readonly (number | bigint)[]): Uint8Array {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, i) => void bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 8 * i));
  return bytes;
}

export function u32(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => void bytes.writeUInt32LE(value >>> 0, 4 * i));
  return bytes;
}

/** Text with its NUL, filled up to 8 bytes. */
export function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([bytes, Buffer.alloc(8 - (bytes.length % 8))]);
}

export function record(type: number, misc: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(type, 0);
  header.writeUInt16LE(misc, 4);
  header.writeUInt16LE(body.length + 8, 6);
  return Buffer.concat([header, body]);
}

function attrBytes({
  type = 1,
  config = 2,
  samplePeriod = 1,
  sampleType,
  readFormat = 0,
  flags = SAMPLE_ID_ALL,
  size = 128,
}: AttrFields): Uint8Array {
  const bytes = Buffer.alloc(size);
  bytes.set(bytesOf([0n, config, samplePeriod, sampleType, readFormat, flags]));
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(size, 4);
  return bytes;
}

export const pipeHeader = bytesOf(Buffer.from('PERFILE2'), [16]);
export const round = record(68, 0);

export function attr(fields: AttrFields): Uint8Array {
  return record(64, 0, attrBytes(fields), u64(...(fields.ids ?? [1])));
}

/** Ends a side-band record of an event with TID and TIME. */
function idAt(pid: number, tid: number, time: number): Uint8Array {
  return bytesOf(u32(pid, tid), [time]);
}

export function comm(time: number, pid: number, tid: number, name: string): Uint8Array {
  return record(3, 0, u32(pid, tid), text(name), idAt(pid, tid, time));
}

export function fork(time: number, pid: number, parent: number, tid = pid, parentTid = parent): Uint8Array {
  return record(7, 0, u32(pid, parent, tid, parentTid), u64(time), idAt(pid, tid, time));
}

export function exit(time: number, pid: number): Uint8Array {
  return record(4, 0, u32(pid, pid, pid, pid), u64(time), idAt(pid, pid, time));
}

export interface MapFields {
  readonly time: number;
  readonly pid: number;
  readonly start: number | bigint;
  readonly length: number;
  readonly offset?: number;
  readonly file: string;
  readonly buildId?: Uint8Array;
}

export function mmap2({ time, pid, start, length, offset = 0, file, buildId }: MapFields): Uint8Array {
  const identity = Buffer.alloc(24);
  if (buildId !== undefined) {
    identity[0] = buildId.length;
    identity.set(buildId, 4);
  }
  const misc = 2 | (buildId === undefined ? 0 : 1 << 14);
  return record(
    10,
    misc,
    u32(pid, pid),
    u64(start, length, offset),
    identity,
    u32(5, 0),
    text(file),
    idAt(pid, pid, time),
  );
}

export function kernelMmap(start: bigint, length: number, file: string): Uint8Array {
  return record(1, 1, u32(-1, 0), u64(start, length, start), text(file), idAt(0, 0, 0));
}

/** A sample of `PLAIN`. */
export function sample(
  time: number,
  pid: number,
  chain: readonly (number | bigint)[],
  { tid = pid, period = 1 } = {},
): Uint8Array {
  return record(9, 2, u64(chain.at(-1) ?? 0), u32(pid, tid), u64(time, period, chain.length, ...chain));
}

/** The file form around records: header, ids, attrs, data, features. */
export function fileForm(
  attrs: readonly AttrFields[],
  records: Uint8Array,
  features: readonly { readonly id: number; readonly bytes: Uint8Array }[] = [],
): Uint8Array {
  const attrSize = (attrs[0]?.size ?? 128) + 16;
  const idsOffset = 104;
  const ids = attrs.map((fields) => u64(...(fields.ids ?? [1])));
  const attrsOffset = idsOffset + ids.reduce((sum, list) => sum + list.length, 0);
  let nextIds = idsOffset;
  const table = attrs.map((fields, i) => {
    const entry = bytesOf(attrBytes(fields), [nextIds, ids[i].length]);
    nextIds += ids[i].length;
    return entry;
  });
  const dataOffset = attrsOffset + attrs.length * attrSize;
  const featureBits = Buffer.alloc(32);
  const sorted = [...features].sort((a, b) => a.id - b.id);
  let nextFeature = dataOffset + records.length + 16 * sorted.length;
  const featureTable = sorted.map(({ id, bytes }) => {
    featureBits[id >> 3] |= 1 << (id & 7);
    nextFeature += bytes.length;
    return u64(nextFeature - bytes.length, bytes.length);
  });
  const head = bytesOf(
    Buffer.from('PERFILE2'),
    [104, attrSize, attrsOffset, attrs.length * attrSize, dataOffset, records.length, 0, 0],
    featureBits,
  );
  return bytesOf(head, ...ids, ...table, records, ...featureTable, ...sorted.map(({ bytes }) => bytes));
}
