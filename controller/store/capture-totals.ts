// What a question over many captures needs of one profile, and the same as a compressed blob that is kept beside the profile.
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { z } from 'zod';
import { eventsOf } from '../../profile/folded.js';
import { type Loss, mergeLosses } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import type { SampleType } from '../../profile/sample-type.js';
import { ColumnDecoder, ColumnEncoder } from '../../proto/column-codec.js';
import { fail } from '../../proto/failure.js';
import { type ProfileTotals, type TotalsColumns, type TotalsOf, TotalsReader } from '../views/profile-totals.js';
import type { NameColumns } from './total-names.js';

/** `Rows`: ProfileTotals of a profile, NumberedTotals of a blob. */
export interface CaptureTotals<Rows extends TotalsColumns> {
  /** Milliseconds. */
  readonly duration: number;
  /** By kind, without details. */
  readonly losses: readonly Loss[];
  readonly events: readonly EventTotals<Rows>[];
}

export interface EventTotals<Rows extends TotalsColumns> {
  readonly event: string;
  readonly type: SampleType;
  /** Reckoned, or read, when it is asked for. */
  totals(): Rows;
}

/** One row for each name, in the order of their numbers; see total-names.ts. */
export interface NumberedTotals extends TotalsColumns {
  readonly numbers: Float64Array;
}

/** Rows of all events together. Profiles with more are read anew for each question: they are few. */
const MOST_ROWS = 100_000;
/** Of a blob after decompression. */
const MOST_BYTES = 16 * 1024 ** 2;
/** Numbers are sorted together with the rows that they are of, in 53 bits. */
const MOST_NUMBER = 2 ** 32;
const ROW_BITS = 2 ** 20;

const count = z.number().nonnegative();
const length = z.int().nonnegative();
/** The blob: bytes of the header in 4 bytes (little endian), the header as JSON, columns. */
const headerSchema = z.object({
  duration: z.number(),
  losses: z.array(z.tuple([z.string(), count])),
  events: z.array(
    z.object({
      ...{ event: z.string(), type: z.string(), unit: z.string(), samples: count, weight: count, rows: length },
      /** Of each row, where it is one whole number: there are no columns of weights then. */
      weightPerSample: length.optional(),
      /** Bytes of each column: numbers, self and total samples, self and total weight. */
      columns: z.array(length).min(3).max(5),
    }),
  ),
});
type Header = z.infer<typeof headerSchema>;

export function totalsOfProfile(
  profile: Profile,
  of: TotalsOf,
  reader = new TotalsReader(profile),
): CaptureTotals<ProfileTotals> {
  const events = eventsOf(profile);
  return {
    duration: profile.duration,
    losses: mergeLosses([profile.losses.map(({ kind, count }) => ({ kind, count, detail: '' }))]),
    events: events.map((event, index) => ({
      ...{ event, type: profile.sampleTypes[2 * index + 1] },
      totals: () => reader.totals(event, of),
    })),
  };
}

/**
 * @param numbersOf names, undefined where one of them has none
 * @returns undefined for what the blob cannot say exactly, or not briefly: such a profile has to be read itself
 */
export async function encodeTotals(
  { duration, losses, events }: CaptureTotals<ProfileTotals>,
  numbersOf: (names: NameColumns) => Promise<Float64Array | undefined>,
): Promise<Uint8Array | undefined> {
  const headers: Header['events'] = [];
  const columns: Uint8Array[] = [];
  let rowCount = 0;
  for (const { event, type, totals: read } of events) {
    const totals = withWeight(read());
    rowCount += totals.length;
    if (rowCount > MOST_ROWS) return undefined;
    const numbers = await numbersOf(totals);
    if (numbers === undefined) return undefined;
    const encoded = encodeRows(totals, numbers);
    if (encoded === undefined) return undefined;
    columns.push(...encoded.columns);
    const { samples, weight } = totals.all;
    headers.push({
      ...{ event, type: type.type, unit: type.unit, samples, weight, rows: totals.length },
      ...{ weightPerSample: encoded.weightPerSample, columns: encoded.columns.map(({ length: bytes }) => bytes) },
    });
  }
  const header: Header = { duration, losses: losses.map(({ kind, count }) => [kind, count]), events: headers };
  const headerBytes = Buffer.from(JSON.stringify(header), 'utf8');
  const size = Buffer.alloc(4);
  size.writeUInt32LE(headerBytes.length);
  const raw = Buffer.concat([size, headerBytes, ...columns]);
  if (raw.length > MOST_BYTES) return undefined;
  return brotliCompressSync(raw, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 2, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
  });
}

/** Without rows on which nothing falls. */
function withWeight(totals: ProfileTotals): ProfileTotals {
  const { totalSamples, totalWeight, names, objects } = totals;
  const hasWeight = (row: number) => totalSamples[row] > 0 || totalWeight[row] > 0;
  let first = 0;
  while (first < totals.length && hasWeight(first)) first++;
  if (first === totals.length) return totals;
  const rows: number[] = [];
  for (let row = 0; row < totals.length; row++) if (hasWeight(row)) rows.push(row);
  const kept = (column: Float64Array) => Float64Array.from(rows, (row) => column[row]);
  return {
    ...{ all: totals.all, length: rows.length },
    ...{ names: rows.map((row) => names[row]), objects: rows.map((row) => objects[row]) },
    known: rows.map((row) => totals.known[row]),
    ...{ selfSamples: kept(totals.selfSamples), selfWeight: kept(totals.selfWeight) },
    ...{ totalSamples: kept(totalSamples), totalWeight: kept(totalWeight) },
  };
}

/** @returns undefined when a figure is not a whole number of 53 bits, or a number too large */
function encodeRows(
  { all, selfSamples, selfWeight, totalSamples, totalWeight }: TotalsColumns,
  numbers: Float64Array,
): { readonly weightPerSample: number | undefined; readonly columns: readonly Uint8Array[] } | undefined {
  if (![selfSamples, selfWeight, totalSamples, totalWeight].every(isWhole)) return undefined;
  const perSample = all.weight / all.samples;
  const isEven =
    Number.isSafeInteger(perSample) &&
    isMultiple(selfWeight, selfSamples, perSample) &&
    isMultiple(totalWeight, totalSamples, perSample);
  const order = orderOf(numbers);
  if (order === undefined) return undefined;
  const columns = [numbers, selfSamples, totalSamples, ...(isEven ? [] : [selfWeight, totalWeight])];
  return {
    weightPerSample: isEven ? perSample : undefined,
    columns: columns.map((column) => {
      const sorted = new Float64Array(order.length);
      for (let i = 0; i < order.length; i++) sorted[i] = column[order[i]];
      return new ColumnEncoder(sorted).encode(Number.MAX_SAFE_INTEGER).deltas;
    }),
  };
}

/** Rows in the order of their numbers; undefined when one is too large. Numbers sort faster than rows that are compared by theirs. */
function orderOf(numbers: Float64Array): Int32Array | undefined {
  const keys = new Float64Array(numbers.length);
  for (let row = 0; row < keys.length; row++) {
    if (numbers[row] >= MOST_NUMBER) return undefined;
    keys[row] = numbers[row] * ROW_BITS + row;
  }
  keys.sort();
  const order = new Int32Array(keys.length);
  for (let i = 0; i < order.length; i++) order[i] = keys[i] - Math.floor(keys[i] / ROW_BITS) * ROW_BITS;
  return order;
}

function isMultiple(column: Float64Array, of: Float64Array, factor: number): boolean {
  for (let i = 0; i < column.length; i++) if (column[i] !== factor * of[i]) return false;
  return true;
}

function isWhole(column: Float64Array): boolean {
  for (let i = 0; i < column.length; i++) if (!Number.isSafeInteger(column[i])) return false;
  return true;
}

/** @throws FailureError 'bad-data' that says `where`; so may `totals` of what it returns */
export function decodeTotals(data: Uint8Array, where: string): CaptureTotals<NumberedTotals> {
  try {
    return readTotals(brotliDecompressSync(data, { maxOutputLength: MOST_BYTES }), where);
  } catch (cause) {
    throw damaged(where, cause);
  }
}

function readTotals(raw: Buffer, where: string): CaptureTotals<NumberedTotals> {
  let at = 4 + raw.readUInt32LE(0);
  const header = headerSchema.parse(JSON.parse(raw.subarray(4, at).toString('utf8')));
  const events = header.events.map((event) => {
    const start = at;
    at = event.columns.reduce((sum, bytes) => sum + bytes, at);
    return { event, start };
  });
  if (at !== raw.length) throw damaged(where);
  return {
    duration: header.duration,
    // They were losses and types of this program when they were written.
    losses: header.losses.map(([kind, count]) => ({ kind, count, detail: '' })) as Loss[],
    events: events.map(({ event, start }) => ({
      ...{ event: event.event, type: { type: event.type, unit: event.unit } as SampleType },
      totals: () => readRows(raw, start, event, where),
    })),
  };
}

function readRows(
  raw: Buffer,
  start: number,
  { samples, weight, rows, weightPerSample, columns }: Header['events'][number],
  where: string,
): NumberedTotals {
  if (columns.length !== (weightPerSample === undefined ? 5 : 3)) throw damaged(where);
  let at = start;
  const [numbers, selfSamples, totalSamples, ...weights] = columns.map((bytes) => {
    const decoder = new ColumnDecoder();
    const problem = decoder.push(rows, raw.subarray(at, at + bytes));
    if (problem !== undefined) throw damaged(where);
    at += bytes;
    return decoder.view();
  });
  const [selfWeight, totalWeight] =
    weightPerSample === undefined
      ? weights
      : [multiple(selfSamples, weightPerSample), multiple(totalSamples, weightPerSample)];
  return {
    ...{ all: { samples, weight }, length: rows, numbers },
    ...{ selfSamples, selfWeight, totalSamples, totalWeight },
  };
}

function multiple(column: Float64Array, factor: number): Float64Array {
  const values = new Float64Array(column.length);
  for (let i = 0; i < values.length; i++) values[i] = factor * column[i];
  return values;
}

function damaged(where: string, cause?: unknown) {
  return fail('bad-data', `${where} cannot be read`, 'restore the database from a backup', cause);
}
