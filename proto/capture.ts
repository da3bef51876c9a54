// What a capture is asked to do and what it tells, as plain values. capture.proto is how these travel.
import type { CounterPoint } from '../profile/counter-series.js';
import type { HistogramPoint } from '../profile/histogram-series.js';
import type { Loss } from '../profile/loss.js';
import type { TextLine } from '../profile/text-line.js';
import type { Budget, BudgetAccount } from './budget.js';
import type { Failure } from './failure.js';
import type { ProfileChunk } from './profile-codec.js';
import type { Condition } from './watch-condition.js';

export type Milliseconds = number;

/** Which processes of a host, resolved on the host when the capture starts. All given parts must match; comms are alternatives. */
export interface ProcessSelector {
  /** Exact names as in /proc/PID/comm. */
  readonly comms?: readonly string[];
  /** Regular expression on the command line (arguments joined by spaces). */
  readonly cmdline?: string;
  /** systemd unit; `.service` may be left out. */
  readonly unit?: string;
  /** Container id (a prefix will do) or name. */
  readonly container?: string;
}

export type Target =
  /** `cpus`: a CPU list as perf takes it, such as `0-3,8`. */
  | { readonly kind: 'system'; readonly cpus?: string }
  | { readonly kind: 'pids'; readonly pids: readonly number[] }
  | { readonly kind: 'tids'; readonly tids: readonly number[] }
  | { readonly kind: 'cgroup'; readonly path: string }
  | { readonly kind: 'processes'; readonly selector: ProcessSelector };

export interface EventSpec {
  /** As perf takes it: `page-faults`, `cpu-clock:u`, `sched:sched_switch`, `r01c4`, … */
  readonly name: string;
  /** Tracepoint filter, such as `prev_prio > 100`. */
  readonly filter?: string;
}

/** How finely samples are told apart and symbolized. */
export interface Detail {
  /** Labels of a sample: `comm`; `comm`, `pid`; or `comm`, `pid`, `tid`. */
  readonly split: 'comm' | 'pid' | 'tid';
  /** Keep every sample's time, CPU and weight (implies split `tid`). */
  readonly keepTimestamps: boolean;
  /** Source lines and inlined functions (needs addr2line on the host). */
  readonly lines: boolean;
}

export type CallGraph =
  | { readonly mode: 'fp' }
  /** `stackBytes`: user stack copied per sample, 8 to 65528. */
  | { readonly mode: 'dwarf'; readonly stackBytes: number }
  | { readonly mode: 'lbr' }
  | { readonly mode: 'none' };

/** Of every capture that observes; parts of a kit have these of the kit. */
export interface Restraint {
  /** What it may cost the host; absent: the host's default. */
  readonly budget?: Budget;
  /** Start also on a host with a high load, where that host allows it. */
  readonly evenIfBusy?: boolean;
}

export interface RecordSpec extends Restraint {
  readonly kind: 'record';
  readonly target: Target;
  readonly duration: Milliseconds;
  readonly events: readonly EventSpec[];
  /** `undefined`: perf's own default for the event. */
  readonly rate?: { readonly frequency: number } | { readonly period: number };
  readonly callGraph: CallGraph;
  /** Ring buffer pages per CPU, a power of two. */
  readonly mmapPages?: number;
  readonly detail: Detail;
  /** Keep perf.data as an artifact. */
  readonly keepRaw: boolean;
}

export interface StatSpec extends Restraint {
  readonly kind: 'stat';
  readonly target: Target;
  readonly duration: Milliseconds;
  readonly events: readonly EventSpec[];
  readonly interval: Milliseconds;
  readonly perCpu: boolean;
}

/** An existing file on that host: perf.data (file or pipe form), `perf script` text, or what stap printed. */
export interface FileSpec {
  readonly kind: 'file';
  readonly path: string;
  readonly format: 'detect' | 'perf-data' | 'perf-script' | 'stap-text';
  readonly detail: Detail;
}

/** A script of the agent's catalogue. Parameters as text, as a person writes them; the script's own description says which there are. */
export interface CatalogueScript {
  readonly from: 'catalogue';
  readonly name: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** A script that came with the request; runs only where the policy of the host allows it. */
export interface OwnScript {
  readonly from: 'request';
  /** File name without directories, for people. */
  readonly name: string;
  readonly text: string;
  /** `$1`, `@1`, … of the script. */
  readonly arguments: readonly string[];
  /** `stap -g`; the policy must name the script. */
  readonly isGuru: boolean;
}

/** A kernel module that was compiled elsewhere and put on this host with `putModule`. */
export interface ModuleRef {
  /** Lower-case hex, of the .ko file. */
  readonly sha256: string;
  readonly size: number;
  /** Of the script it was compiled from. */
  readonly variant: string;
}

export interface StapSpec extends Restraint {
  readonly kind: 'stap';
  readonly target: Target;
  readonly duration: Milliseconds;
  /** How often the script prints; 0: once, at the end. Scripts of the request are not told. */
  readonly interval: Milliseconds;
  readonly script: CatalogueScript | OwnScript;
  /** Run by stap as its target (`-c`), argv; with `target` the whole system. */
  readonly command?: readonly string[];
  /** Probes may take this share of each CPU, in percent (0 to 100), before stap's own overload check ends the script. */
  readonly overheadPercent: number;
  /** Set: staprun this one, compile nothing. */
  readonly module?: ModuleRef;
  /** Keep all that stap printed as the artifact `stap.out`. */
  readonly keepRaw: boolean;
}

/** Several captures of the same target at the same time, on one clock, with one result. */
export interface KitSpec extends Restraint {
  readonly kind: 'kit';
  readonly target: Target;
  readonly duration: Milliseconds;
  /** At most one of each kind; target and duration as those of the kit. */
  readonly parts: readonly KitPart[];
}

export type KitPart = RecordSpec | StatSpec | StapSpec;

/** What each firing of a watch records: target, budget and admission are the watch's. */
export type WatchedRecord = Omit<RecordSpec, 'kind' | 'target' | keyof Restraint>;

/** Counts, and records by itself when a condition holds or somebody asks for it. Each firing is a capture with an id of its own. */
export interface WatchSpec extends Restraint {
  readonly kind: 'watch';
  readonly target: Target;
  readonly duration: Milliseconds;
  /** What is counted: the events of the conditions and others; none where there are no conditions. */
  readonly events: readonly EventSpec[];
  readonly interval: Milliseconds;
  /** Any of them fires; none: only whoever asks. */
  readonly conditions: readonly Condition[];
  /** For so many successive intervals. */
  readonly holds: number;
  readonly record: WatchedRecord;
  /** From one firing to the next one at least. */
  readonly coolDown: Milliseconds;
  /** The watch ends with this firing. */
  readonly most: number;
  /** What is kept of the time before a firing; 0: nothing. */
  readonly lookBack: Milliseconds;
}

/** One interval that a condition held for. */
export interface Observation {
  /** Its end; the agent's clock, milliseconds since 1970 UTC. */
  readonly time: number;
  readonly interval: Milliseconds;
  /** Of each term of the condition: counts, rates or ratios. */
  readonly values: readonly number[];
}

export type FiringCause =
  /** `observed`: the last intervals, the oldest first. */
  | { readonly kind: 'held'; readonly condition: Condition; readonly observed: readonly Observation[] }
  | { readonly kind: 'asked'; readonly who: string; readonly reason: string };

export interface Firing {
  /** Of its watch, from 1. */
  readonly number: number;
  /** The agent's clock, milliseconds since 1970 UTC. */
  readonly time: number;
  readonly cause: FiringCause;
  /** What records from now on, or why the host does not let it. */
  readonly capture:
    | { readonly ok: true; readonly captureId: string }
    | { readonly ok: false; readonly failure: Failure };
  /** Of what was kept of the time before; absent: nothing was. */
  readonly lookBackId?: string;
}

export type CaptureSpec = RecordSpec | StatSpec | FileSpec | StapSpec | KitSpec | WatchSpec;
export type CaptureKind = CaptureSpec['kind'];

/** `resolving`: finding the processes. `compiling`: stap makes its module. `armed`: waits for the agreed start. `running`: perf or stap records. `symbolizing`: names are looked up. `done`: see the done event. */
export type CaptureState = 'resolving' | 'compiling' | 'armed' | 'running' | 'symbolizing' | 'done';

/** When a capture whose start was agreed really began. */
export interface CaptureStart {
  /** Of the clock in which the agreed start was told, milliseconds since 1970 UTC. */
  readonly time: number;
  /** After the agreed start. */
  readonly late: Milliseconds;
}

/** What a capture cost the host it ran on. */
export interface Cost {
  /** CPU time of perf, stap and every other tool that the capture ran. */
  readonly toolCpu: Milliseconds;
  /** CPU time of the agent while the capture ran. */
  readonly agentCpu: Milliseconds;
  /** Peak resident memory of the agent and of the largest tool, added up. */
  readonly peakMemoryBytes: number;
  /** Bytes that perf or stap wrote. */
  readonly recordedBytes: number;
  /** Bytes of the result as spooled and sent. */
  readonly spooledBytes: number;
  readonly wall: Milliseconds;
  /** Absent from agents that know no budgets. */
  readonly budget?: BudgetAccount;
}

export interface Artifact {
  /** File name without directories, such as `perf.data`. */
  readonly name: string;
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly mediaType: string;
}

/** `stopped`: ended early on request, with what there was. `discarded`: cancelled, nothing kept. */
export type Outcome = 'finished' | 'stopped' | 'discarded' | 'failed';

export type CaptureEventBody =
  | {
      readonly kind: 'state';
      readonly state: CaptureState;
      readonly detail: string;
      /** With `running`, where a start was agreed. */
      readonly start?: CaptureStart;
    }
  | {
      readonly kind: 'progress';
      readonly elapsed: Milliseconds;
      readonly samples: number;
      readonly bytes: number;
      readonly lost: number;
      /** So far; absent from agents that tell it at the end only. */
      readonly cost?: Cost;
    }
  | { readonly kind: 'counters'; readonly interval: Milliseconds; readonly points: readonly CounterPoint[] }
  | { readonly kind: 'histograms'; readonly interval: Milliseconds; readonly points: readonly HistogramPoint[] }
  | { readonly kind: 'text'; readonly lines: readonly TextLine[] }
  | { readonly kind: 'profile-chunk'; readonly chunk: ProfileChunk }
  | { readonly kind: 'losses'; readonly losses: readonly Loss[] }
  | { readonly kind: 'cost'; readonly cost: Cost }
  | { readonly kind: 'artifact'; readonly artifact: Artifact }
  /** A part of a kit has ended. */
  | {
      readonly kind: 'part';
      readonly part: KitPart['kind'];
      readonly outcome: Outcome;
      /** Set if and only if the outcome is `failed`. */
      readonly failure?: Failure;
    }
  /** A watch has fired. */
  | { readonly kind: 'triggered'; readonly firing: Firing }
  | {
      readonly kind: 'done';
      readonly outcome: Outcome;
      /** Set if and only if the outcome is `failed`. */
      readonly failure?: Failure;
      /** What really ran, for a person to read. */
      readonly commandLines: readonly string[];
    };

/** One entry of a capture's log; entries are numbered from 1 without gaps. */
export interface CaptureEvent {
  readonly sequence: number;
  /** The agent's clock, milliseconds since 1970 UTC. */
  readonly time: number;
  readonly body: CaptureEventBody;
}

export interface Tool {
  readonly name: string;
  /** '' when absent. */
  readonly version: string;
  readonly path: string;
}

/** Something missing or wrong on a host, and the command that mends it. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  /** Whether captures fail, or only give less. */
  readonly isFatal: boolean;
}

export interface HostDescription {
  readonly hostname: string;
  readonly kernelRelease: string;
  /** GNU build ID of the running kernel, lower-case hex; '' when it cannot be read. */
  readonly kernelBuildId: string;
  readonly architecture: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly osName: string;
  readonly agentVersion: string;
  readonly tools: readonly Tool[];
  readonly perfEventParanoid: number;
  readonly kptrRestrict: number;
  readonly isRoot: boolean;
  /** The agent's clock while it answered, milliseconds since 1970 UTC. */
  readonly clock: number;
  readonly runningCaptures: readonly string[];
  readonly usableEvents: readonly string[];
  readonly unusableEvents: readonly string[];
  readonly problems: readonly Problem[];
}

export interface ProcessInfo {
  readonly pid: number;
  readonly comm: string;
  readonly cmdline: string;
  readonly cgroup: string;
  readonly uid: number;
}

export interface PreflightResult {
  readonly problems: readonly Problem[];
  readonly commandLines: readonly string[];
  readonly processes: readonly ProcessInfo[];
  /** Of a capture of kind `stap`: what would run here. Absent when nothing fits. */
  readonly stap?: StapPlan;
}

/** Which variant of a script fits a host, and what has to be known to compile it elsewhere. */
export interface StapPlan {
  readonly script: string;
  /** '' for scripts of the request. */
  readonly variant: string;
  /** Lower-case hex, of the text that is compiled. */
  readonly scriptSha256: string;
  readonly kernelRelease: string;
  readonly kernelBuildId: string;
  /** As in `uname -m`. */
  readonly machine: string;
  /** stap and all it needs to compile this are here. */
  readonly canCompile: boolean;
  /** staprun is here and the kernel takes modules. */
  readonly canRun: boolean;
}

export interface ScriptParameter {
  readonly name: string;
  readonly type: 'integer' | 'text' | 'duration';
  /** As a person writes it; '' when the parameter must be given. */
  readonly default: string;
  readonly unit: string;
  readonly doc: string;
}

export interface ScriptVariant {
  /** '' when there is only one. */
  readonly name: string;
  readonly doc: string;
  /** What a host must have: `debuginfo`, `tracepoint:sched:sched_switch`, `kprobe:handle_mm_fault`, … */
  readonly needs: readonly string[];
  /** Lower-case hex, of `text`. */
  readonly sha256: string;
  readonly text: string;
}

/** A script of the catalogue. */
export interface ScriptInfo {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  readonly doc: string;
  readonly parameters: readonly ScriptParameter[];
  /** In order of preference. */
  readonly variants: readonly ScriptVariant[];
  /** Kernel releases that it was run on. */
  readonly testedOn: readonly string[];
  /** What it costs the observed host, in words and figures. */
  readonly cost: string;
}

/** Compile a script for another host's kernel. */
export interface ModuleRequest {
  readonly spec: StapSpec;
  readonly plan: StapPlan;
}

export interface ModulePart {
  readonly data: Uint8Array;
  /** Of the whole .ko; only in the last part. */
  readonly end?: { readonly sha256: string; readonly size: number };
}

/** A piece of a .ko on its way to a host. Empty `data` asks how much is there already. */
export interface ModuleUpload {
  readonly sha256: string;
  readonly size: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

export interface CaptureInfo {
  readonly captureId: string;
  readonly kind: CaptureKind;
  readonly state: CaptureState;
  readonly started: number;
  readonly lastSequence: number;
  readonly spooledBytes: number;
}

export interface ArtifactPart {
  readonly data: Uint8Array;
  /** Of the whole file; only in the last part. */
  readonly end?: { readonly sha256: string; readonly size: number };
}
