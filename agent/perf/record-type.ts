// Numbers of perf's binary stream that this reader acts on.
// Sources: include/uapi/linux/perf_event.h (below 64) and tools/lib/perf/include/perf/event.h (64 and above).

/** `perf_event_header.type`. */
export const RecordType = {
  MMAP: 1,
  LOST: 2,
  COMM: 3,
  EXIT: 4,
  THROTTLE: 5,
  UNTHROTTLE: 6,
  FORK: 7,
  READ: 8,
  SAMPLE: 9,
  MMAP2: 10,
  LOST_SAMPLES: 13,
  KSYMBOL: 17,
  HEADER_ATTR: 64,
  HEADER_TRACING_DATA: 66,
  HEADER_BUILD_ID: 67,
  FINISHED_ROUND: 68,
  AUXTRACE: 71,
  EVENT_UPDATE: 78,
  HEADER_FEATURE: 80,
  COMPRESSED: 81,
  COMPRESSED2: 83,
} as const;

/**
 * Records that say nothing about samples, threads or code, so that leaving them out is no loss: UNTHROTTLE, READ, ITRACE_START, SWITCH,
 * SWITCH_CPU_WIDE, NAMESPACES, BPF_EVENT, CGROUP, AUX_OUTPUT_HW_ID, HEADER_EVENT_TYPE, ID_INDEX, THREAD_MAP, CPU_MAP, TIME_CONV,
 * FINISHED_INIT, BPF_METADATA.
 */
export const SILENT_RECORDS: ReadonlySet<number> = new Set([
  6, 8, 12, 14, 15, 16, 18, 19, 21, 65, 69, 73, 74, 79, 82, 84,
]);

/** Names for the losses of records that do mean something that is not read. */
export const UNREAD_RECORDS: ReadonlyMap<number, string> = new Map([
  [11, 'AUX records (hardware trace)'],
  [20, 'TEXT_POKE records (kernel code changed while recording)'],
  [70, 'AUXTRACE_INFO records (hardware trace)'],
  [71, 'AUXTRACE records (hardware trace)'],
  [72, 'AUXTRACE_ERROR records (hardware trace)'],
  [75, 'STAT_CONFIG records (perf stat)'],
  [76, 'STAT records (perf stat)'],
  [77, 'STAT_ROUND records (perf stat)'],
]);

/** `perf_event_header.misc`. */
export const Misc = {
  CPU_MODE_MASK: 7,
  KERNEL: 1,
  USER: 2,
  GUEST_KERNEL: 4,
  /** MMAP: the memory is not executable. COMM: set by exec. FORK: made up by perf for a process that ran already. */
  BIT_13: 1 << 13,
  /** MMAP2 carries a build id in place of device and inode. */
  MMAP_BUILD_ID: 1 << 14,
  /** A build id event says how long its build id is. */
  BUILD_ID_SIZE: 1 << 15,
} as const;

/** `perf_event_attr.sample_type`. */
export const SampleBit = {
  IP: 1 << 0,
  TID: 1 << 1,
  TIME: 1 << 2,
  ADDR: 1 << 3,
  READ: 1 << 4,
  CALLCHAIN: 1 << 5,
  ID: 1 << 6,
  CPU: 1 << 7,
  PERIOD: 1 << 8,
  STREAM_ID: 1 << 9,
  BRANCH_STACK: 1 << 11,
  REGS_USER: 1 << 12,
  STACK_USER: 1 << 13,
  IDENTIFIER: 1 << 16,
} as const;

/** `perf_event_attr.read_format`. */
export const ReadBit = { TIME_ENABLED: 1, TIME_RUNNING: 2, ID: 4, GROUP: 8, LOST: 16 } as const;

/** Context markers in a call chain, as signed low words; all of them are at or above MAX. The high word of each is -1. */
export const ContextMarker = {
  HV: -32,
  KERNEL: -128,
  USER: -512,
  MAX: -4095,
} as const;
