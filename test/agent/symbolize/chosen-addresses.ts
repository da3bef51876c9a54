// The oracle: a perf.data of samples at addresses of our choice, so that `perf script` itself says how it names each of them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One executable mapping of the pretended process: `length` bytes of `file` from `fileOffset` on, mapped at `start`. */
export interface PretendedMapping {
  readonly start: number;
  readonly length: number;
  readonly fileOffset: number;
  readonly file: string;
}

/** How `perf script` names one address: '[unknown]' when it cannot. */
export interface PerfName {
  readonly symbol: string;
  readonly object: string;
}

/** What perf prints for each of `addresses`, in order; user addresses below 2^53 or kernel ones as bigint. */
export function perfNames(
  mappings: readonly PretendedMapping[],
  addresses: readonly (number | bigint)[],
  pid = 4_000_000,
): PerfName[] {
  const directory = mkdtempSync(join(tmpdir(), 'chosen-addresses-'));
  try {
    const file = join(directory, 'perf.data');
    writeFileSync(file, perfData(mappings, addresses, pid));
    const text = execFileSync('perf', ['script', '--no-inline', '-i', file, '-F', 'ip,sym,dso'], {
      maxBuffer: 1 << 28,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const names = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const parts = /^\s*[0-9a-f]+ (.*) \((.*)\)$/.exec(line);
        if (parts === null) throw new Error(`perf script printed an unexpected line: ${line}`);
        return { symbol: parts[1], object: parts[2] };
      });
    if (names.length !== addresses.length) {
      throw new Error(`perf script named ${names.length} of ${addresses.length} addresses`);
    }
    return names;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const IS_USER = 2;
const IS_KERNEL = 1;

/** File form, one cpu-clock event with IP and TID: include/uapi/linux/perf_event.h and tools/perf/util/header.h. */
function perfData(mappings: readonly PretendedMapping[], addresses: readonly (number | bigint)[], pid: number): Buffer {
  const attribute = Buffer.alloc(128 + 16);
  attribute.writeUInt32LE(1, 0);
  attribute.writeUInt32LE(128, 4);
  attribute.writeBigUInt64LE(1n, 16);
  attribute.writeBigUInt64LE(3n, 24);
  const records = [
    record(3, IS_USER, pids(pid), Buffer.from('pretended\0\0\0\0\0\0\0')),
    ...(addresses.some((address) => typeof address === 'bigint') ? [kernelMapping()] : []),
    ...mappings.map((mapping) =>
      record(
        1,
        IS_USER,
        pids(pid),
        words(mapping.start, mapping.length, mapping.fileOffset),
        Buffer.from(`${mapping.file}${'\0'.repeat(8 - (Buffer.byteLength(mapping.file) % 8))}`),
      ),
    ),
    ...addresses.map((address) =>
      record(9, typeof address === 'bigint' ? IS_KERNEL : IS_USER, words(address), pids(pid)),
    ),
  ];
  const data = Buffer.concat(records);
  const header = Buffer.alloc(104);
  header.write('PERFILE2', 0, 'latin1');
  header.writeBigUInt64LE(104n, 8);
  header.writeBigUInt64LE(BigInt(attribute.length), 16);
  header.writeBigUInt64LE(104n, 24);
  header.writeBigUInt64LE(BigInt(attribute.length), 32);
  header.writeBigUInt64LE(BigInt(104 + attribute.length), 40);
  header.writeBigUInt64LE(BigInt(data.length), 48);
  return Buffer.concat([header, attribute, data]);
}

/** What perf record itself writes about the kernel: everything from `_text` on. */
function kernelMapping(): Buffer {
  const line = /^([0-9a-f]+) . _text$/m.exec(readFileSync('/proc/kallsyms', 'latin1'));
  const start = BigInt(`0x${line?.[1] ?? 'ffffffff81000000'}`);
  const name = Buffer.from('[kernel.kallsyms]_text\0\0');
  return record(1, IS_KERNEL, pids(0xffffffff, 0), words(start, 0xffffffffffffffffn - start, start), name);
}

function record(type: number, misc: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(type, 0);
  header.writeUInt16LE(misc, 4);
  header.writeUInt16LE(8 + body.length, 6);
  return Buffer.concat([header, body]);
}

function pids(pid: number, tid = pid): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeUInt32LE(pid, 0);
  buffer.writeUInt32LE(tid, 4);
  return buffer;
}

function words(...values: readonly (number | bigint)[]): Buffer {
  const buffer = Buffer.alloc(8 * values.length);
  values.forEach((value, index) => {
    buffer.writeBigUInt64LE(BigInt(value), 8 * index);
  });
  return buffer;
}
