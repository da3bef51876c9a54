// What a child process cost: CPU time and peak memory, from /proc.
//
// Node cannot ask for a child's rusage. While the child lives, its /proc files are polled; when it ends, the CPU time of the
// children that this process waited for tells the rest. That sum is shared by all children, so what one child takes from it is
// bounded by what it can have used since its last poll.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Milliseconds } from '../proto/capture.js';

/** Ticks of /proc/PID/stat: USER_HZ is 100 on every Linux ABI. */
const MS_PER_TICK = 10;
/** A child is looked at often while it is young and then less and less, because looking costs too. */
const FIRST_POLL: Milliseconds = 20;
const LONGEST_POLL: Milliseconds = 1000;

/** CPU time of ended children that no child has claimed yet. */
let unclaimed: Milliseconds = 0;
let childrenCpuSeen: Milliseconds | undefined;

export class ChildCost {
  readonly #pid: number;
  #polledCpu: Milliseconds = 0;
  #polledAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #peakMemoryBytes = 0;
  #cpu: Milliseconds = 0;

  constructor(pid: number) {
    this.#pid = pid;
    childrenCpuSeen ??= ownChildrenCpu();
    this.#poll(FIRST_POLL);
  }

  get cpu(): Milliseconds {
    return Math.max(this.#cpu, this.#polledCpu);
  }

  get peakMemoryBytes(): number {
    return this.#peakMemoryBytes;
  }

  /** Call once, right after the child was reaped. */
  end(): void {
    clearTimeout(this.#timer);
    const childrenCpu = ownChildrenCpu();
    unclaimed += childrenCpu - (childrenCpuSeen ?? childrenCpu);
    childrenCpuSeen = childrenCpu;
    const sincePoll = performance.now() - this.#polledAt;
    const most = this.#polledCpu + sincePoll * availableParallelism() + MS_PER_TICK;
    this.#cpu = Math.min(unclaimed, most);
    unclaimed -= this.#cpu;
  }

  #poll(delay: Milliseconds): void {
    this.#timer = setTimeout(() => {
      const stat = cpuTimes(`/proc/${this.#pid}/stat`);
      if (stat === undefined) return;
      this.#polledCpu = stat.own + stat.children;
      this.#polledAt = performance.now();
      this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, peakMemory(this.#pid));
      this.#poll(Math.min(2 * delay, LONGEST_POLL));
    }, delay);
    this.#timer.unref();
  }
}

function ownChildrenCpu(): Milliseconds {
  return cpuTimes('/proc/self/stat')?.children ?? 0;
}

/** Fields 14 to 17 of proc(5); they follow the name in parentheses, which may hold anything. */
function cpuTimes(path: string): { own: Milliseconds; children: Milliseconds } | undefined {
  const text = readProc(path);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = (field: number) => Number(fields[field - 3]) * MS_PER_TICK;
  return { own: ticks(14) + ticks(15), children: ticks(16) + ticks(17) };
}

function peakMemory(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? '');
  return match === null ? 0 : Number(match[1]) * 1024;
}

/** undefined when the process is gone. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
