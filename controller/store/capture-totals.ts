// What a question over many captures needs of one profile, and the same as a compressed blob that is kept beside the profile.
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { z } from 'zod';
import { eventsOf } from '../../profile/folded.js';
import { type Loss, mergeLosses } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import type { SampleType } from '../../profile/sample-type.js';
import { ColumnDecoder, ColumnEncoder } from '../../proto/column-codec.js';
import { fail } from '../../proto/failure.js';
import { type ProfileTotals, profileTotals, type TotalsOf } from '../views/profile-totals.js';
import { TextPool } from './text-pool.js';

export interface CaptureTotals {
  /** Milliseconds. */
  readonly duration: number;
  /** By kind, without details. */
  readonly losses: readonly Loss[];
  readonly events: readonly EventTotals[];
}

export interface EventTotals {
  readonly event: string;
  readonly type: SampleType;
  /** Reckoned, or read, when it is asked for. */
  totals(): ProfileTotals;
}

/** Rows of all events together. Profiles with more are read anew for each question: they are few. */
const MOST_ROWS = 500_000;
/** Of a blob after decompression. */
const MOST_BYTES = 64 * 1024 ** 2;
const COLUMNS = ['selfSamples', 'selfWeight', 'totalSamples', 'totalWeight'] as const;

const count = z.number().nonnegative();
const length = z.int().nonnegative();
/** The blob: bytes of the header in 4 bytes (little endian), the header as JSON, texts with a zero byte between them, columns. */
const headerSchema = z.object({
  duration: z.number(),
  losses: z.array(z.tuple([z.string(), count])),
  textCount: length,
  textBytes: length,
  events: z.array(
    z.object({
      ...{ event: z.string(), type: z.string(), unit: z.string(), samples: count, weight: count, rows: length },
      /** Bytes of each column: rows of the texts of names and of objects, then COLUMNS. */
      columns: z.array(length).length(2 + COLUMNS.length),
    }),
  ),
});
type Header = z.infer<typeof headerSchema>;

export function totalsOfProfile(profile: Profile, of: TotalsOf): CaptureTotals {
  const events = eventsOf(profile);
  return {
    duration: profile.duration,
    losses: mergeLosses([profile.losses.map(({ kind, count }) => ({ kind, count, detail: '' }))]),
    events: events.map((event, index) => ({
      ...{ event, type: profile.sampleTypes[2 * index + 1] },
      totals: () => profileTotals(profile, event, of),
    })),
  };
}

/** @returns undefined for what the blob cannot say exactly, or not briefly: such a profile has to be read itself */
export function encodeTotals({ duration, losses, events }: CaptureTotals): Uint8Array | undefined {
  const texts = new Map<string, number>();
  const headers: Header['events'] = [];
  const columns: Uint8Array[] = [];
  let rowCount = 0;
  for (const { event, type, totals: read } of events) {
    const totals = read();
    const order = orderOf(totals);
    rowCount += order.length;
    if (rowCount > MOST_ROWS) return undefined;
    const rowOf = (text: string): number => {
      const known = texts.get(text);
      if (known !== undefined) return known;
      texts.set(text, texts.size);
      return texts.size - 1;
    };
    const rows = [
      order.map((row) => rowOf(totals.objects[row])),
      order.map((row) => rowOf(totals.names[row])),
      ...COLUMNS.map((column) => order.map((row) => totals[column][row])),
    ];
    if (!rows.every((column) => column.every(Number.isSafeInteger))) return undefined;
    const encoded = rows.map((column) => new ColumnEncoder(column).encode(Number.MAX_SAFE_INTEGER).deltas);
    columns.push(...encoded);
    const { samples, weight } = totals.all;
    headers.push({
      ...{ event, type: type.type, unit: type.unit, samples, weight, rows: order.length },
      columns: encoded.map(({ length: bytes }) => bytes),
    });
  }
  const joined = [...texts.keys()].join('\0');
  const textBytes = Buffer.from(joined, 'utf8');
  // A zero byte in a text, or half a surrogate pair, would come back as something else.
  if (joined.split('\0').length > Math.max(1, texts.size) || textBytes.toString('utf8') !== joined) return undefined;
  const header: Header = {
    ...{ duration, losses: losses.map(({ kind, count }) => [kind, count]), events: headers },
    ...{ textCount: texts.size, textBytes: textBytes.length },
  };
  const headerBytes = Buffer.from(JSON.stringify(header), 'utf8');
  const size = Buffer.alloc(4);
  size.writeUInt32LE(headerBytes.length);
  const raw = Buffer.concat([size, headerBytes, textBytes, ...columns]);
  if (raw.length > MOST_BYTES) return undefined;
  return brotliCompressSync(raw, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
  });
}

/** Rows with any weight, by object and name, so that equal rows of many captures stand in the same order. */
function orderOf({ length: rows, names, objects, totalSamples, totalWeight }: ProfileTotals): number[] {
  const order: number[] = [];
  for (let row = 0; row < rows; row++) if (totalSamples[row] > 0 || totalWeight[row] > 0) order.push(row);
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return order.sort((a, b) => compare(objects[a], objects[b]) || compare(names[a], names[b]));
}

/**
 * @param pool of all blobs that are added up
 * @throws FailureError 'bad-data' that says `where`; so may `totals` of what it returns
 */
export function decodeTotals(data: Uint8Array, where: string, pool = new TextPool()): CaptureTotals {
  try {
    return readTotals(brotliDecompressSync(data, { maxOutputLength: MOST_BYTES }), where, pool);
  } catch (cause) {
    throw damaged(where, cause);
  }
}

function readTotals(raw: Buffer, where: string, pool: TextPool): CaptureTotals {
  const textStart = 4 + raw.readUInt32LE(0);
  const header = headerSchema.parse(JSON.parse(raw.subarray(4, textStart).toString('utf8')));
  let at = textStart + header.textBytes;
  const textBytes = raw.subarray(textStart, at);
  const events = header.events.map((event) => {
    const start = at;
    at = event.columns.reduce((sum, bytes) => sum + bytes, at);
    return { event, start };
  });
  if (at !== raw.length) throw damaged(where);
  let texts: readonly string[] | undefined;
  const readTexts = () => {
    texts ??= header.textCount === 0 ? [] : pool.split(textBytes);
    if (texts.length !== header.textCount) throw damaged(where);
    return texts;
  };
  return {
    duration: header.duration,
    // They were losses and types of this program when they were written.
    losses: header.losses.map(([kind, count]) => ({ kind, count, detail: '' })) as Loss[],
    events: events.map(({ event, start }) => ({
      ...{ event: event.event, type: { type: event.type, unit: event.unit } as SampleType },
      totals: () => readRows(raw, start, event, readTexts(), where),
    })),
  };
}

function readRows(
  raw: Buffer,
  start: number,
  { samples, weight, rows, columns }: Header['events'][number],
  texts: readonly string[],
  where: string,
): ProfileTotals {
  let at = start;
  const [objects, names, ...sums] = columns.map((bytes) => {
    const decoder = new ColumnDecoder();
    const problem = decoder.push(rows, raw.subarray(at, at + bytes));
    if (problem !== undefined) throw damaged(where);
    at += bytes;
    return decoder.toFloat64();
  });
  const textsOf = (column: Float64Array): string[] => {
    const list = new Array<string>(rows);
    for (let row = 0; row < rows; row++) {
      const text = texts[column[row]];
      if (text === undefined) throw damaged(where);
      list[row] = text;
    }
    return list;
  };
  const [selfSamples, selfWeight, totalSamples, totalWeight] = sums;
  return {
    ...{ all: { samples, weight }, length: rows, names: textsOf(names), objects: textsOf(objects) },
    ...{ selfSamples, selfWeight, totalSamples, totalWeight },
  };
}

function damaged(where: string, cause?: unknown) {
  return fail('bad-data', `${where} cannot be read`, 'restore the database from a backup', cause);
}
