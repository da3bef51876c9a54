// A cgroup around one tool, where the host has the means: a second line of defence behind the budget's own looks, kept by the kernel.
import type { Milliseconds } from '../../proto/capture.js';

export interface CageLimits {
  /** Of one CPU, in percent; 0: no bound. */
  readonly cpuQuotaPercent: number;
  /** 0: no bound. */
  readonly memoryBytes: number;
  /** Others come first, where they want the CPU as well. */
  readonly isBackground: boolean;
}

export interface CageEnd {
  /** Of all that ran in it; undefined where that cannot be told any more. */
  readonly cpu: Milliseconds | undefined;
  /** The kernel killed something in it for its memory. */
  readonly wasOutOfMemory: boolean;
}

export interface Cage {
  /** The argv to start in place of the tool's own. It stays one process: signals, pipes and status are the tool's. */
  wrap(argv: readonly string[]): readonly string[];
  /** Call right after the start. */
  enter(pid: number): void;
  /** Call once, after the tool and its process group are gone. */
  end(): Promise<CageEnd>;
}
