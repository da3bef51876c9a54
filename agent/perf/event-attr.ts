// One recorded event: perf_event_attr and what follows from it, namely where in a SAMPLE record each field is.
import { ReadBit, SampleBit } from './record-type.js';

export interface EventAttr {
  /** PERF_TYPE_*: 0 hardware, 1 software, 2 tracepoint, 3 cache, 4 raw, 5 breakpoint; others are dynamic PMUs. */
  readonly type: number;
  /** Below 2^53; larger configurations lose their low bits, which only matters for a made-up name. */
  readonly config: number;
  /** Events per sample where a period was fixed; 0 with a frequency. */
  readonly samplePeriod: number;
  readonly sampleType: number;
  readonly readFormat: number;
  readonly hasSampleId: boolean;
  readonly excludesUser: boolean;
  readonly excludesKernel: boolean;
  /** User stacks are to be unwound afterwards: copied ones (`--call-graph dwarf`) or the processor's branch records (`lbr`). */
  readonly needsUnwinding: boolean;
  /** Deepest call chain the kernel writes, in frames. */
  readonly maxStack: number;
}

/** Size of the first published perf_event_attr; every later one extends it. */
const SMALLEST_ATTR = 64;
const KERNEL_DEFAULT_MAX_STACK = 127;
/** PERF_SAMPLE_BRANCH_CALL_STACK. */
const BRANCH_CALL_STACK = 1 << 11;

/** @returns undefined when fewer bytes are given than the oldest attr has */
export function parseEventAttr(bytes: Uint8Array): EventAttr | undefined {
  if (bytes.length < SMALLEST_ATTR) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint32(40, true);
  const hasFrequency = (flags & (1 << 10)) !== 0;
  const sampleType = view.getUint32(24, true);
  const copied = SampleBit.REGS_USER | SampleBit.STACK_USER;
  const isCallStack = bytes.length >= 80 && (view.getUint32(72, true) & BRANCH_CALL_STACK) !== 0;
  const maxStack = bytes.length >= 110 ? view.getUint16(108, true) : 0;
  return {
    type: view.getUint32(0, true),
    config: wordPair(view, 8),
    samplePeriod: hasFrequency ? 0 : wordPair(view, 16),
    sampleType,
    readFormat: view.getUint32(32, true),
    hasSampleId: (flags & (1 << 18)) !== 0,
    excludesUser: (flags & (1 << 4)) !== 0,
    excludesKernel: (flags & (1 << 5)) !== 0,
    needsUnwinding: (sampleType & copied) === copied || ((sampleType & SampleBit.BRANCH_STACK) !== 0 && isCallStack),
    maxStack: maxStack > 0 ? maxStack : KERNEL_DEFAULT_MAX_STACK,
  };
}

function wordPair(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
}

/** Where the fields of a SAMPLE record are, in 32-bit words from its header; -1: not recorded. */
export interface SampleLayout {
  readonly id: number;
  readonly ip: number;
  readonly pid: number;
  readonly time: number;
  readonly cpu: number;
  readonly period: number;
  /** Of the READ values, which have a variable size; everything after them has to be looked for. */
  readonly read: number;
  /** Of the call chain's length; only where no READ values come before it. */
  readonly chain: number;
  /** First word after the fields of fixed place: a record must be at least this long. */
  readonly fixedEnd: number;
}

/** Order of fields: the comment of PERF_RECORD_SAMPLE in perf_event.h. */
export function sampleLayout(attr: EventAttr): SampleLayout {
  const bits = attr.sampleType;
  let end = 2;
  const place = (bit: number): number => {
    if ((bits & bit) === 0) return -1;
    end += 2;
    return end - 2;
  };
  const identifier = place(SampleBit.IDENTIFIER);
  const ip = place(SampleBit.IP);
  const pid = place(SampleBit.TID);
  const time = place(SampleBit.TIME);
  place(SampleBit.ADDR);
  const id = place(SampleBit.ID);
  place(SampleBit.STREAM_ID);
  const cpu = place(SampleBit.CPU);
  const period = place(SampleBit.PERIOD);
  const read = (bits & SampleBit.READ) !== 0 ? end : -1;
  const chain = read < 0 ? place(SampleBit.CALLCHAIN) : -1;
  return { id: identifier >= 0 ? identifier : id, ip, pid, time, cpu, period, read, chain, fixedEnd: end };
}

/** What ends every record of the kernel but SAMPLE, where `sample_id_all` was set; offsets in words back from the record's end. */
export interface SampleIdLayout {
  /** Words in all. */
  readonly length: number;
  /** 0: not recorded. */
  readonly time: number;
}

export function sampleIdLayout(attr: EventAttr): SampleIdLayout {
  if (!attr.hasSampleId) return { length: 0, time: 0 };
  const { TID, TIME, ID, STREAM_ID, CPU, IDENTIFIER } = SampleBit;
  const words = (...bits: number[]): number => 2 * bits.filter((bit) => (attr.sampleType & bit) !== 0).length;
  const upToTime = words(TIME, ID, STREAM_ID, CPU, IDENTIFIER);
  return { length: words(TID) + upToTime, time: words(TIME) > 0 ? upToTime : 0 };
}

/** Words that the READ values at `at` take, or -1 when they do not fit into the record that ends at `end`. */
export function readLength(readFormat: number, words: Uint32Array, at: number, end: number): number {
  const times =
    ((readFormat & ReadBit.TIME_ENABLED) !== 0 ? 2 : 0) + ((readFormat & ReadBit.TIME_RUNNING) !== 0 ? 2 : 0);
  const perValue = readValueLength(readFormat);
  if ((readFormat & ReadBit.GROUP) === 0) return at + perValue + times <= end ? perValue + times : -1;
  if (at + 2 > end) return -1;
  const length = 2 + times + words[at] * perValue;
  return words[at + 1] === 0 && at + length <= end ? length : -1;
}

export function readValueLength(readFormat: number): number {
  return 2 + ((readFormat & ReadBit.ID) !== 0 ? 2 : 0) + ((readFormat & ReadBit.LOST) !== 0 ? 2 : 0);
}

const HARDWARE = [
  'cycles',
  'instructions',
  'cache-references',
  'cache-misses',
  'branches',
  'branch-misses',
  'bus-cycles',
  'stalled-cycles-frontend',
  'stalled-cycles-backend',
  'ref-cycles',
];
const SOFTWARE = [
  'cpu-clock',
  'task-clock',
  'page-faults',
  'context-switches',
  'cpu-migrations',
  'minor-faults',
  'major-faults',
  'alignment-faults',
  'emulation-faults',
  'dummy',
  'bpf-output',
  'cgroup-switches',
];
const SOFTWARE_DUMMY = 9;

/** perf adds such an event only to be told about COMM and MMAP; it is never sampled. */
export function isDummy(attr: EventAttr): boolean {
  return attr.type === 1 && attr.config === SOFTWARE_DUMMY;
}

/** The name perf gives to an event whose name was not recorded. */
export function madeUpName(attr: EventAttr): string {
  const known = attr.type === 0 ? HARDWARE[attr.config] : attr.type === 1 ? SOFTWARE[attr.config] : undefined;
  const bare =
    known ??
    `${attr.type === 4 ? 'raw' : attr.type === 2 ? 'tracepoint' : `pmu${attr.type}`} 0x${attr.config.toString(16)}`;
  if (attr.excludesKernel && !attr.excludesUser) return `${bare}:u`;
  if (attr.excludesUser && !attr.excludesKernel) return `${bare}:k`;
  return bare;
}
