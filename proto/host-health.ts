// How a host is doing at one moment, as plain values: what admission and rollouts judge.
import type { Milliseconds } from './capture.js';

export interface HostHealth {
  readonly cpuCount: number;
  /** Runnable and uninterruptible tasks, averaged over one minute. */
  readonly load1: number;
  readonly memoryTotalBytes: number;
  /** What programs could still get without swapping, as the kernel estimates it. */
  readonly memoryAvailableBytes: number;
  /**
   * Pressure stall information: the share of the last ten seconds, in percent, in which some task waited for this. Absent where the kernel
   * keeps none.
   */
  readonly pressure?: { readonly cpu: number; readonly memory: number; readonly io: number };
  /** Of the file system of the agent's state directory, for this user. */
  readonly diskFreeBytes: number;
  /** Absent on file systems that have no fixed number of them. */
  readonly inodesFree?: number;
  /** Since the host was started. */
  readonly uptime: Milliseconds;
  /** Another one after each start of the host; '' when it cannot be read. */
  readonly bootId: string;
}

/** Health, and what time it is there. */
export interface HealthReading {
  /** Milliseconds since 1970 UTC, read last of all. */
  readonly clock: number;
  /** Of a clock that nobody sets, in milliseconds since some moment; read together with `clock`. */
  readonly monotonic: number;
  readonly health: HostHealth;
}
