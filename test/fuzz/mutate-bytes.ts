// Changes of bytes that know nothing of their meaning: flips, cuts, splices, repeats, numbers of all sizes at interesting values.
import { NUMBERS } from './interesting.js';
import type { Random } from './random.js';

/** No input grows beyond this. */
export const MOST_BYTES = 1 << 16;

type Change = (bytes: Buffer, random: Random, other: Uint8Array) => Uint8Array;

const flip: Change = (bytes, random) => {
  if (bytes.length > 0) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
  return bytes;
};

const put: Change = (bytes, random) => {
  for (let i = random.below(4); i >= 0 && bytes.length > 0; i--) bytes[random.below(bytes.length)] = random.pick(BYTES);
  return bytes;
};

const number: Change = (bytes, random) => {
  const size = random.pick([1, 2, 4, 4, 8, 8]);
  const at = placeOf(bytes, size, random);
  if (at + size > bytes.length) return bytes;
  const value = BigInt.asUintN(size * 8, random.pick(NUMBERS) + BigInt(random.below(3) - 1));
  write(bytes, at, size, value);
  return bytes;
};

const step: Change = (bytes, random) => {
  const size = random.pick([1, 2, 4, 8]);
  const at = placeOf(bytes, size, random);
  if (at + size > bytes.length) return bytes;
  const value = bytes.readUIntLE(at, Math.min(size, 6));
  write(bytes, at, size, BigInt.asUintN(size * 8, BigInt(value) + BigInt(random.below(65) - 32)));
  return bytes;
};

const cut: Change = (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1));

const drop: Change = (bytes, random) => {
  const from = random.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + random.smallBelow(256))]);
};

const repeat: Change = (bytes, random) => {
  const from = random.below(bytes.length + 1);
  const part = bytes.subarray(from, from + 1 + random.smallBelow(512));
  const times = 1 + random.smallBelow(64);
  return Buffer.concat([bytes.subarray(0, from), ...new Array<Buffer>(times).fill(part), bytes.subarray(from)]);
};

const insert: Change = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const some = Buffer.from(Array.from({ length: 1 + random.smallBelow(32) }, () => random.pick(BYTES)));
  return Buffer.concat([bytes.subarray(0, at), some, bytes.subarray(at)]);
};

const splice: Change = (bytes, random, other) => {
  const from = random.below(other.length + 1);
  return Buffer.concat([bytes.subarray(0, random.below(bytes.length + 1)), other.subarray(from)]);
};

const move: Change = (bytes, random) => {
  const from = random.below(bytes.length + 1);
  const length = random.smallBelow(128);
  bytes.copyWithin(random.below(bytes.length + 1), from, from + length);
  return bytes;
};

const BYTES = [
  0, 0, 1, 0x0a, 0x20, 0x22, 0x2e, 0x30, 0x39, 0x3a, 0x7f, 0x80, 0xbf, 0xc0, 0xe2, 0xed, 0xf4, 0xfe, 0xff, 0xff,
];
const CHANGES = [flip, flip, put, number, number, number, step, step, cut, drop, repeat, insert, splice, move];

/** `bytes` with one change; `other` is another seed to splice in. */
export function changeBytes(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  return random.pick(CHANGES)(Buffer.from(bytes), random, other).subarray(0, MOST_BYTES);
}

/** Numbers of binary formats lie on multiples of their size more often than not. */
function placeOf(bytes: Buffer, size: number, random: Random): number {
  const at = random.below(bytes.length);
  return random.once(4) ? at : at - (at % size);
}

function write(bytes: Buffer, at: number, size: number, value: bigint): void {
  for (let i = 0; i < size; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 255n);
}
