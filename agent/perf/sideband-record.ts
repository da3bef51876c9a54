// Records that say what samples refer to: names of threads, forks, memory maps, kernel symbols. Decoded into plain values.

import type { KernelSymbol } from '../symbolize/object-context.js';
import { signedAddress } from './code-address.js';
import { Misc, RecordType } from './record-type.js';
import { hexOf, type RecordView, textAt } from './record-view.js';

/** `time`: see SampleSorter; -1 for records that perf itself made up when it started, which count at once. */
export type SidebandRecord = { readonly time: number } & SidebandBody;

export type SidebandBody =
  | { readonly kind: 'comm'; readonly pid: number; readonly tid: number; readonly comm: string }
  | {
      readonly kind: 'fork';
      readonly pid: number;
      readonly parentPid: number;
      readonly tid: number;
      readonly parentTid: number;
      /** Made up for a process that ran already; its maps follow by themselves. */
      readonly isMadeUp: boolean;
    }
  | { readonly kind: 'exit'; readonly pid: number; readonly tid: number }
  | ({ readonly kind: 'map' } & MapRecord)
  | ({ readonly kind: 'kernel-symbol' } & KernelSymbol);

export interface MapRecord {
  readonly pid: number;
  readonly tid: number;
  readonly isKernel: boolean;
  /** As code-address.ts counts addresses. */
  readonly start: number;
  /** Bytes; may be absurd. */
  readonly length: number;
  readonly fileOffset: number;
  readonly isExecutable: boolean;
  /** In huge pages: the kernel copies code there, so the file it is named after is not where it came from. */
  readonly isHugeTlb: boolean;
  readonly filename: string;
  /** Lower-case hex; '' when the record has none. */
  readonly buildId: string;
  /** 0 when the record has none. */
  readonly inode: number;
}

/** A comm of a thread has 15 bytes; perf makes up longer ones for kernel threads. */
const LONGEST_COMM = 128;
/** PATH_MAX. */
const LONGEST_PATH = 4096;
const PROT_EXEC = 4;
const MAP_HUGETLB = 0x40000;

/**
 * @param end byte where the record's own fields end and its sample id begins
 * @returns undefined when the record is too short for its type, or is about something else (guests, symbols that went away)
 */
export function decodeSideband(type: number, record: RecordView, end: number): SidebandBody | undefined {
  const { words, bytes, at } = record;
  const start = at * 4;
  const size = end - start;
  const misc = words[at + 1] & 0xffff;
  const pid = words[at + 2] | 0;
  const tid = words[at + 3] | 0;
  switch (type) {
    case RecordType.COMM:
      if (size < 17) return undefined;
      return { kind: 'comm', pid, tid, comm: textAt(bytes, start + 16, Math.min(end, start + 16 + LONGEST_COMM)) };
    case RecordType.FORK:
    case RecordType.EXIT:
      if (size < 24) return undefined;
      if (type === RecordType.EXIT) return { kind: 'exit', pid, tid: words[at + 4] | 0 };
      return {
        kind: 'fork',
        pid,
        parentPid: tid,
        tid: words[at + 4] | 0,
        parentTid: words[at + 5] | 0,
        isMadeUp: (misc & Misc.BIT_13) !== 0,
      };
    case RecordType.MMAP: {
      if (size < 41) return undefined;
      const isExecutable = (misc & Misc.BIT_13) === 0;
      return mapOf(record, end, 40, { pid, tid, isExecutable, isHugeTlb: false, buildId: '', inode: 0 });
    }
    case RecordType.MMAP2: {
      if (size < 73) return undefined;
      const idLength = Math.min(bytes[start + 40], 20);
      const hasBuildId = (misc & Misc.MMAP_BUILD_ID) !== 0;
      const buildId = hasBuildId ? hexOf(bytes.subarray(start + 44, start + 44 + idLength)) : '';
      const isExecutable = (words[at + 16] & PROT_EXEC) !== 0;
      const isHugeTlb = (words[at + 17] & MAP_HUGETLB) !== 0;
      const inode = hasBuildId ? 0 : words[at + 12] + words[at + 13] * 2 ** 32;
      return mapOf(record, end, 72, { pid, tid, isExecutable, isHugeTlb, buildId, inode });
    }
    case RecordType.KSYMBOL: {
      const isUnregistered = (words[at + 5] >>> 16) & 1;
      if (size < 25 || isUnregistered) return undefined;
      const name = textAt(bytes, start + 24, Math.min(end, start + 24 + LONGEST_PATH));
      return { kind: 'kernel-symbol', lo: words[at + 2], hi: words[at + 3], length: words[at + 4], name };
    }
    default:
      return undefined;
  }
}

function mapOf(
  { words, bytes, at }: RecordView,
  end: number,
  nameOffset: number,
  fields: Pick<MapRecord, 'pid' | 'tid' | 'isExecutable' | 'isHugeTlb' | 'buildId' | 'inode'>,
): SidebandBody | undefined {
  const cpuMode = words[at + 1] & Misc.CPU_MODE_MASK;
  const isKernel = cpuMode === Misc.KERNEL;
  if (!isKernel && cpuMode !== Misc.USER) return undefined;
  const name = at * 4 + nameOffset;
  const start = signedAddress(words[at + 4], words[at + 5]);
  if (Number.isNaN(start)) return undefined;
  return {
    kind: 'map',
    ...fields,
    isKernel,
    start,
    length: words[at + 6] + words[at + 7] * 2 ** 32,
    fileOffset: words[at + 8] + words[at + 9] * 2 ** 32,
    filename: textAt(bytes, name, Math.min(end, name + LONGEST_PATH)),
  };
}
