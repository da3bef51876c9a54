// Changes of perf.data record by record: the sizes in the record headers stay right unless they are what is changed.
import { NUMBERS } from './interesting.js';
import type { Random } from './random.js';

/** Types of perf's records, known and not. */
const TYPES = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 76,
  78, 79, 80, 81, 82, 83, 200,
];

/** `bytes` (a perf.data of either form) with one record changed, moved, repeated, or put in from `other`. */
export function changeRecords(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const { head, records, tail } = recordsOf(bytes);
  if (records.length === 0) return bytes;
  const at = random.below(records.length);
  switch (random.below(7)) {
    case 0:
      records.splice(at, 1);
      break;
    case 1:
      records.splice(at, 0, ...new Array<Buffer>(1 + random.smallBelow(100)).fill(records[at]));
      break;
    case 2:
      records.splice(random.below(records.length), 0, ...records.splice(at, 1));
      break;
    case 3: {
      const others = recordsOf(other).records;
      if (others.length > 0) records.splice(at, 0, random.pick(others));
      break;
    }
    case 4:
      records[at] = Buffer.from(records[at]);
      records[at].writeUInt32LE(random.pick(TYPES), 0);
      if (random.once(2)) records[at].writeUInt16LE(random.below(65536), 4);
      break;
    case 5: {
      const size = 8 * (1 + random.smallBelow(64));
      records[at] = Buffer.concat([records[at], Buffer.alloc(size)]).subarray(0, size);
      records[at].writeUInt16LE(size, 6);
      break;
    }
    default:
      records[at] = Buffer.from(records[at]);
      if (records[at].length >= 16) {
        const word = 8 * (1 + random.below(Math.floor(records[at].length / 8) - 1));
        records[at].writeBigUInt64LE(BigInt.asUintN(64, random.pick(NUMBERS)), word);
      }
  }
  return Buffer.concat([head, ...records, tail]);
}

function recordsOf(bytes: Uint8Array): { head: Buffer; records: Buffer[]; tail: Buffer } {
  const data = Buffer.from(bytes);
  const isPipe = data.length >= 16 && data.readUInt32LE(8) === 16;
  const start = isPipe ? 16 : data.length >= 104 ? Math.min(data.length, data.readUInt32LE(40)) : data.length;
  const end = isPipe
    ? data.length
    : data.length >= 104
      ? Math.min(data.length, start + data.readUInt32LE(48))
      : data.length;
  const records: Buffer[] = [];
  let at = start;
  while (at + 8 <= end) {
    const size = data.readUInt16LE(at + 6);
    if (size < 8 || at + size > end) break;
    records.push(data.subarray(at, at + size));
    at += size;
  }
  return { head: data.subarray(0, start), records, tail: data.subarray(at) };
}
