// What the policy of a host says of captures of every kind: which kinds, events, processes and files, how long, how often, for whom.
import type { CallGraph, Milliseconds } from '../../proto/capture.js';

export type Permission = 'allow' | 'deny';

export const RULED_KINDS = ['record', 'stat', 'stap', 'file'] as const;
/** A kit is judged by its parts. */
export type RuledKind = (typeof RULED_KINDS)[number];

export const CALL_GRAPH_MODES = ['fp', 'dwarf', 'lbr', 'none'] as const satisfies readonly CallGraph['mode'][];

/** Which processes; globs, but for users. An empty list says nothing. */
export interface ProcessRules {
  /** Names of /etc/passwd, or numbers. */
  readonly users: readonly string[];
  /** systemd units, with their suffix. */
  readonly units: readonly string[];
  /** Paths as in /proc/PID/cgroup. */
  readonly cgroups: readonly string[];
  /** Names as in /proc/PID/comm. */
  readonly comms: readonly string[];
}

export interface CaptureRules {
  readonly kinds: readonly RuledKind[];
  readonly events: {
    /** Globs; `deny` goes before `allow`. */
    readonly allow: readonly string[];
    readonly deny: readonly string[];
    /** Filters of tracepoints. */
    readonly filters: Permission;
    /** Events by number or by the fields of a PMU, and breakpoints: `r01c4`, `cpu/event=0x3c/`, `mem:0x1000`. */
    readonly raw: Permission;
  };
  readonly targets: {
    readonly wholeSystem: Permission;
    /** A process must match each list that is not empty. */
    readonly only: ProcessRules;
    /** A process must match none; goes before `only`. */
    readonly never: ProcessRules;
  };
  /** Globs on the real path of files that a capture of kind `file` may read. */
  readonly files: readonly string[];
  readonly longestDuration: Milliseconds;
  /** Samples per second that may be asked for. */
  readonly highestFrequency: number;
  /** Of perf stat and of scripts. */
  readonly shortestInterval: Milliseconds;
  readonly callGraphs: readonly CallGraph['mode'][];
  /** Most user stack per sample, in bytes. */
  readonly dwarfStackBytes: number;
  readonly keepRaw: Permission;
  /** Captures at a time; what the agent was started with goes before when it is less. */
  readonly concurrent: { readonly total: number; readonly perKind: number };
  /** Globs on who asks, as the controller tells it. */
  readonly mayAsk: readonly string[];
}

export const NO_PROCESSES: ProcessRules = { users: [], units: [], cgroups: [], comms: [] };

/** More than anybody runs. */
export const MOST_CONCURRENT = 1000;

const HOUR: Milliseconds = 3_600_000;

/** Whoever reaches an agent on stdio or its socket is a user of this host already: the kernel's own rules hold. */
export const LOCAL_RULES: CaptureRules = {
  kinds: RULED_KINDS,
  events: { allow: ['*'], deny: [], filters: 'allow', raw: 'allow' },
  targets: { wholeSystem: 'allow', only: NO_PROCESSES, never: NO_PROCESSES },
  files: ['*'],
  longestDuration: 24 * HOUR,
  highestFrequency: 1_000_000,
  shortestInterval: 1,
  callGraphs: CALL_GRAPH_MODES,
  dwarfStackBytes: 65_528,
  keepRaw: 'allow',
  concurrent: { total: MOST_CONCURRENT, perKind: MOST_CONCURRENT },
  mayAsk: ['*'],
};

/** Over the network: no files of this host, no new probes, no copies of memory beyond perf's own default, an hour at most. */
export const NETWORK_RULES: CaptureRules = {
  ...LOCAL_RULES,
  events: { allow: ['*'], deny: ['probe*:*', 'sdt_*:*', 'mem:*'], filters: 'allow', raw: 'allow' },
  files: [],
  longestDuration: HOUR,
  highestFrequency: 10_000,
  shortestInterval: 10,
  dwarfStackBytes: 16_384,
};
