// What a child process costs: CPU time and memory, from /proc, with the processes that it started.
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
const LONGEST_POLL: Milliseconds = 500;
/** Descendants that are looked at: tools start one or two. */
const MOST_DESCENDANTS = 64;

/** CPU time of ended children that no child has claimed yet. */
let unclaimed: Milliseconds = 0;
let childrenCpuSeen: Milliseconds | undefined;

export class ChildCost {
  readonly #pid: number;
  #polledCpu: Milliseconds = 0;
  #polledAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #memoryBytes = 0;
  #peakMemoryBytes = 0;
  #cpu: Milliseconds = 0;
  #hasEnded = false;

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

  /** As seen last; all of it once it has ended. */
  get usage(): { readonly cpu: Milliseconds; readonly memoryBytes: number } {
    return { cpu: this.cpu, memoryBytes: this.#hasEnded ? 0 : this.#memoryBytes };
  }

  /** Call once, right after the child was reaped. */
  end(): void {
    clearTimeout(this.#timer);
    this.#hasEnded = true;
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
      const descendants = descendantsOf(this.#pid).map((pid) => ({
        cpu: cpuTimes(`/proc/${pid}/stat`),
        memory: memoryOf(pid).now,
      }));
      const { now, peak } = memoryOf(this.#pid);
      const cpu = descendants.reduce((sum, one) => sum + (one.cpu?.own ?? 0) + (one.cpu?.children ?? 0), 0);
      // What a descendant used that nobody waited for is never given back.
      this.#polledCpu = Math.max(this.#polledCpu, stat.own + stat.children + cpu);
      this.#polledAt = performance.now();
      this.#memoryBytes = descendants.reduce((sum, { memory }) => sum + memory, now);
      this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, peak, this.#memoryBytes);
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

/** Of the main thread's children and theirs (proc(5), /proc/PID/task/TID/children); [] on kernels that do not tell. */
function descendantsOf(pid: number): number[] {
  const found: number[] = [];
  for (let queue = [pid]; queue.length > 0 && found.length < MOST_DESCENDANTS; ) {
    const parent = queue[0];
    const children = (readProc(`/proc/${parent}/task/${parent}/children`) ?? '').split(' ').filter(Boolean).map(Number);
    found.push(...children);
    queue = [...queue.slice(1), ...children];
  }
  return found;
}

/** Resident bytes. */
function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const text = readProc(`/proc/${pid}/status`) ?? '';
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
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
