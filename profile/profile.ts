// What a profile is: sample types, mappings, functions, locations, stacks and samples, in columns. pprof's words and meanings.
//
//   sample ──stack──▶ stack ──parent──▶ stack ──parent──▶ -1            one integer names a whole call path
//     │                 └─location─▶ location ──mapping──▶ mapping      address inside an object file
//     │                                  └─lines─▶ line ─▶ function     empty until a symbolizer fills it
//     └─labels─▶ label set  { comm: 'postgres' }
//
// Every table is a struct of arrays with a `length`; a row is an index. Index -1 means "none". Strings are indices into
// `strings`, and `strings[0]` is ''. Profiles are immutable: make them with ProfileBuilder.
import type { Loss } from './loss.js';
import type { SampleType } from './sample-type.js';

/** An object file (or a pseudo object such as `[kernel.kallsyms]`, `[vdso]`, `/tmp/perf-123.map`) that code was mapped from. */
export interface MappingTable {
  readonly length: number;
  /** Path or pseudo name; string index. */
  readonly filename: Int32Array;
  /** GNU build ID in lower-case hex; string index, 0 when unknown. */
  readonly buildId: Int32Array;
}

export interface FunctionTable {
  readonly length: number;
  /** Demangled name; string index. */
  readonly name: Int32Array;
  /** Name as the symbol table has it; string index (the same as `name` where nothing was mangled). */
  readonly systemName: Int32Array;
  /** Source file; string index, 0 when unknown. */
  readonly filename: Int32Array;
  /** First line of the function; 0 when unknown. */
  readonly startLine: Int32Array;
}

/**
 * A code address. With a mapping, the address is relative to the object: the file offset of the instruction
 * (`ip - map.start + map.pgoff`) for files, `ip - map.start` for the kernel, so that it is equal on every host that runs
 * the same build. Without a mapping (-1), and for JIT maps (`/tmp/perf-PID.map`), it is the process-absolute address.
 * 64 bits in two columns.
 */
export interface LocationTable {
  readonly length: number;
  readonly mapping: Int32Array;
  readonly addressLo: Uint32Array;
  readonly addressHi: Uint32Array;
  /**
   * Lines of location `i` are rows `lineStart[i]` to `lineStart[i + 1]` (exclusive) of `lines`; `lineStart` has `length + 1` entries.
   * No rows: not symbolized. Several rows: inlined functions, the innermost first, the function that was called last (as in pprof).
   */
  readonly lineStart: Int32Array;
}

export interface LineTable {
  readonly length: number;
  readonly function: Int32Array;
  /** Source line; 0 when unknown. */
  readonly line: Int32Array;
}

/** A prefix tree. Row `i` is the path of `parent[i]` followed by `location[i]`, callee last. Parents come before children. */
export interface StackTable {
  readonly length: number;
  /** Row of the caller's path; -1 for an outermost frame. */
  readonly parent: Int32Array;
  readonly location: Int32Array;
}

/** One row per distinct (stack, labels). */
export interface SampleTable {
  readonly length: number;
  /** Row of the stack table; -1 for a sample without frames. */
  readonly stack: Int32Array;
  /** Index into `labelSets`. */
  readonly labels: Int32Array;
  /** One column per sample type, exact integers below 2^53. */
  readonly values: readonly Float64Array[];
}

/** Labels of a sample, sorted by key: `comm`, and where the capture was split further `pid` and `tid`; `host` in merged profiles. */
export type LabelSet = readonly Label[];
export interface Label {
  readonly key: string;
  readonly value: string;
}

/** The single samples in order of time, where a capture kept timestamps. A row refers to a row of the sample table. */
export interface TimedSampleTable {
  readonly length: number;
  /** Row of the sample table (its labels then include pid and tid). */
  readonly sample: Int32Array;
  /** Index of the event: its columns in `values` are `2 * event` (samples) and `2 * event + 1` (weight). */
  readonly event: Int32Array;
  /** Nanoseconds since `Profile.clockStart`; never decreasing. */
  readonly time: Float64Array;
  /** CPU number; -1 when not recorded. */
  readonly cpu: Int32Array;
  /** Weight (period) of this sample. */
  readonly weight: Float64Array;
}

export interface Profile {
  /** Two per event: `samplesOf(event)`, `weightOf(event)`. Empty only in the empty profile, the neutral element of merge. */
  readonly sampleTypes: readonly SampleType[];
  readonly strings: readonly string[];
  readonly mappings: MappingTable;
  readonly functions: FunctionTable;
  readonly locations: LocationTable;
  readonly lines: LineTable;
  readonly stacks: StackTable;
  readonly labelSets: readonly LabelSet[];
  readonly samples: SampleTable;
  readonly timed: TimedSampleTable | undefined;
  readonly losses: readonly Loss[];
  /** When the recording began, milliseconds since 1970 UTC; 0 when unknown. */
  readonly startTime: number;
  /** Length of the recording in milliseconds; 0 when unknown. */
  readonly duration: number;
  /** The trace clock (perf's CLOCK_MONOTONIC-like sample time) that `timed.time` counts from, in nanoseconds; 0 without `timed`. */
  readonly clockStart: number;
  /** Free text: command line, kernel, event as perf really recorded it. Sorted, distinct. */
  readonly comments: readonly string[];
}
