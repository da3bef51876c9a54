// Which bounds hold for a capture: what was asked for, else what this host gives by default, and never more than it allows.
import type { Budget, BudgetLimits } from '../../proto/budget.js';
import type { CaptureSpec, Milliseconds } from '../../proto/capture.js';

/** What an operator can set. Bounds of 0: none. */
export interface BudgetPolicy {
  /** Of captures that ask for nothing else. */
  readonly standard: BudgetLimits;
  /** The most that a capture may ask for. */
  readonly most: BudgetLimits;
}

export const NO_LIMITS: BudgetLimits = { cpuPercent: 0, memoryBytes: 0, spoolBytes: 0 };

export const DEFAULT_BUDGET: BudgetPolicy = {
  standard: { cpuPercent: 1, memoryBytes: 512 * 1024 ** 2, spoolBytes: 0 },
  most: NO_LIMITS,
};

/**
 * CPU time for starting each tool and for reading what is on the host already, on top of the share: 0.3 to 0.9 s were measured with perf 6.1
 * on two CPUs.
 */
export const START_ALLOWANCE: Milliseconds = 2000;
/** perf stat and the ring of a watch; what its firings record has a budget of its own. */
const WATCH_STARTS = 2;
/** CPU time for looking up names after the recording: 0.3 to 1.5 s were measured. */
export const NAMES_ALLOWANCE: Milliseconds = 10_000;
/** The same with source lines, and for `perf script`, which unwinds copied stacks; both at low priority. */
export const LINES_ALLOWANCE: Milliseconds = 60_000;

export function limitsOf(spec: CaptureSpec, { standard, most }: BudgetPolicy): BudgetLimits {
  // Reading a file observes nothing: who asks for it waits for it.
  const asked: Budget = spec.kind === 'file' ? NO_LIMITS : (spec.budget ?? {});
  const bound = (key: keyof BudgetLimits): number => {
    const wanted = asked[key] ?? standard[key];
    const cap = most[key];
    if (cap === 0) return wanted;
    return wanted === 0 ? cap : Math.min(wanted, cap);
  };
  return { cpuPercent: bound('cpuPercent'), memoryBytes: bound('memoryBytes'), spoolBytes: bound('spoolBytes') };
}

/** CPU time that recording may take; 0: no bound. */
export function allowedCpu(spec: CaptureSpec, { cpuPercent }: BudgetLimits, cpuCount: number): Milliseconds {
  if (cpuPercent === 0 || spec.kind === 'file') return 0;
  // The command's own CPU time cannot be told from that of the staprun which starts it.
  if (spec.kind === 'stap' && spec.command !== undefined) return 0;
  const starts = spec.kind === 'kit' ? spec.parts.length : spec.kind === 'watch' ? WATCH_STARTS : 1;
  return Math.round(starts * START_ALLOWANCE + (spec.duration * cpuCount * cpuPercent) / 100);
}
