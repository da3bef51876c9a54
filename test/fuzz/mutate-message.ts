// Changes of protobuf messages as trees of fields: lengths stay right, so that the change is seen by what reads the values.
import { NUMBERS, WORDS } from './interesting.js';
import type { Random } from './random.js';

type Field = { readonly number: number } & (
  | { readonly kind: 'varint'; value: bigint }
  | { readonly kind: 'fixed'; readonly wire: 1 | 5; bytes: Uint8Array }
  | { readonly kind: 'bytes'; bytes: Uint8Array; fields: Field[] | undefined }
);

const DEEPEST = 12;

/** `bytes` with one change in one of its fields, however deep; as it is when it is no message. */
export function changeMessage(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const fields = readFields(bytes, 0);
  if (fields === undefined) return bytes;
  const all: { readonly list: Field[]; readonly at: number }[] = [];
  const walk = (list: Field[]): void => {
    for (const [at, field] of list.entries()) {
      all.push({ list, at });
      if (field.kind === 'bytes' && field.fields !== undefined) walk(field.fields);
    }
  };
  walk(fields);
  if (all.length === 0) return other;
  const { list, at } = random.pick(all);
  change(list, at, random, readFields(other, 0) ?? []);
  return writeFields(fields);
}

function change(list: Field[], at: number, random: Random, others: readonly Field[]): void {
  const field = list[at];
  switch (random.below(8)) {
    case 0:
      list.splice(at, 1);
      return;
    case 1:
      list.splice(at, 0, ...new Array<Field>(1 + random.smallBelow(400)).fill(field));
      return;
    case 2:
      list.push(list.splice(at, 1)[0]);
      return;
    case 3:
      if (others.length > 0) list.splice(at, random.below(2), random.pick(others));
      return;
    case 4:
      list[at] = { ...field, number: 1 + random.smallBelow(40) };
      return;
    default:
      list[at] = changed(field, random);
  }
}

function changed(field: Field, random: Random): Field {
  const { number } = field;
  if (random.once(12)) return { number, kind: 'varint', value: random.pick(NUMBERS) };
  switch (field.kind) {
    case 'varint':
      return { number, kind: 'varint', value: random.once(3) ? field.value + 1n : random.pick(NUMBERS) };
    case 'fixed': {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(
        random.pick([Number.NaN, Number.POSITIVE_INFINITY, -1, -0, 0.5, 1e308, 2 ** 53, Number(random.pick(NUMBERS))]),
      );
      return { ...field, bytes: field.wire === 1 ? bytes : bytes.subarray(4) };
    }
    case 'bytes': {
      const { bytes } = field;
      const choice = random.below(5);
      if (choice === 0) return { number, kind: 'bytes', bytes: Buffer.from(random.pick(WORDS)), fields: undefined };
      if (choice === 1)
        return { number, kind: 'bytes', bytes: bytes.subarray(0, random.below(bytes.length + 1)), fields: undefined };
      if (choice === 2)
        return {
          number,
          kind: 'bytes',
          bytes: Buffer.concat(new Array<Uint8Array>(1 + random.smallBelow(64)).fill(bytes)),
          fields: undefined,
        };
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[random.below(copy.length)] ^= 1 << random.below(8);
      return { number, kind: 'bytes', bytes: copy, fields: undefined };
    }
  }
}

/** undefined when the bytes are no message. */
function readFields(bytes: Uint8Array, depth: number): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; at < bytes.length && shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const key = varint();
    if (key === undefined || key >> 3n === 0n || key >> 3n > 536870911n) return undefined;
    const number = Number(key >> 3n);
    const wire = Number(key & 7n);
    if (wire === 0) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.push({ number, kind: 'varint', value });
    } else if (wire === 1 || wire === 5) {
      const size = wire === 1 ? 8 : 4;
      if (at + size > bytes.length) return undefined;
      fields.push({ number, kind: 'fixed', wire, bytes: bytes.subarray(at, at + size) });
      at += size;
    } else if (wire === 2) {
      const length = Number(varint() ?? -1n);
      if (length < 0 || at + length > bytes.length) return undefined;
      const inner = bytes.subarray(at, at + length);
      fields.push({
        number,
        kind: 'bytes',
        bytes: inner,
        fields: depth < DEEPEST ? readFields(inner, depth + 1) : undefined,
      });
      at += length;
    } else return undefined;
  }
  return fields;
}

function writeFields(fields: readonly Field[]): Uint8Array {
  return Buffer.concat(
    fields.flatMap((field) => {
      if (field.kind === 'varint') return [varintBytes(BigInt(field.number * 8)), varintBytes(field.value)];
      if (field.kind === 'fixed') return [varintBytes(BigInt(field.number * 8 + field.wire)), field.bytes];
      const inner = field.fields === undefined ? field.bytes : writeFields(field.fields);
      return [varintBytes(BigInt(field.number * 8 + 2)), varintBytes(BigInt(inner.length)), inner];
    }),
  );
}

function varintBytes(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
