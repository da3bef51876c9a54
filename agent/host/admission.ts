// Whether a host is in a state to be observed: a capture must not be what brings it down. Pure. Room on the disk is looked at apart.
import type { Problem } from '../../proto/capture.js';
import type { HostHealth } from '../../proto/host-health.js';

/** Bounds of 0: not asked. */
export interface Admission {
  /** Runnable and uninterruptible tasks for each CPU, over one minute. */
  readonly loadPerCpu: number;
  /** Share of the last ten seconds in which some task waited for a CPU, in percent. */
  readonly cpuPressurePercent: number;
  /** The same of memory. */
  readonly memoryPressurePercent: number;
  /** The larger of the two must be available. */
  readonly memoryBytes: number;
  readonly memoryPercent: number;
  /** Whether a request may say that a busy CPU is no reason (`--even-if-busy`). */
  readonly evenIfBusy: 'allow' | 'deny';
}

export const DEFAULT_ADMISSION: Admission = {
  loadPerCpu: 2,
  cpuPressurePercent: 60,
  memoryPressurePercent: 40,
  memoryBytes: 256 * 1024 ** 2,
  memoryPercent: 5,
  evenIfBusy: 'allow',
};

export const NO_ADMISSION: Admission = {
  ...{ loadPerCpu: 0, cpuPressurePercent: 0, memoryPressurePercent: 0, memoryBytes: 0, memoryPercent: 0 },
  evenIfBusy: 'allow',
};

/** Each with the reading and the limit; empty: come in. @param isForced asked for `--even-if-busy` */
export function admissionProblems(health: HostHealth, admission: Admission, isForced: boolean): Problem[] {
  const isBusyFine = isForced && admission.evenIfBusy === 'allow';
  return [...(isBusyFine ? [] : cpuProblems(health, admission, isForced)), ...memoryProblems(health, admission)];
}

/**
 * Where the kernel tells for how long tasks wait for a CPU, a high load alone (tasks that wait for a disk) is no reason: a host like that is
 * what people want to look into.
 */
function cpuProblems({ load1, cpuCount, pressure }: HostHealth, admission: Admission, isForced: boolean): Problem[] {
  const { loadPerCpu, cpuPressurePercent, evenIfBusy } = admission;
  const most = loadPerCpu * cpuCount;
  if (loadPerCpu === 0 || load1 <= most) return [];
  if (pressure !== undefined && pressure.cpu <= cpuPressurePercent) return [];
  const waited = pressure === undefined ? '' : `, and tasks waited for a CPU ${pressure.cpu.toFixed(0)} % of the time`;
  const limits = pressure === undefined ? `${most}` : `${most} and ${cpuPressurePercent} %`;
  const way = evenIfBusy === 'allow' ? 'give --even-if-busy' : 'ask its operator: its policy denies --even-if-busy';
  return [
    problem(
      'host-busy',
      `the load is ${load1.toFixed(2)} on ${cpuCount} CPUs${waited}; the limit is ${limits}`,
      isForced
        ? 'wait until it is less: the policy of this host denies --even-if-busy'
        : `wait until it is less, or ${way}`,
    ),
  ];
}

function memoryProblems({ memoryAvailableBytes, memoryTotalBytes, pressure }: HostHealth, admission: Admission) {
  const { memoryBytes, memoryPercent, memoryPressurePercent } = admission;
  const least = Math.max(memoryBytes, (memoryTotalBytes * memoryPercent) / 100);
  const problems: Problem[] = [];
  if (memoryAvailableBytes < least) {
    const reading = `${mebibytes(memoryAvailableBytes)} of ${mebibytes(memoryTotalBytes)} of memory are available`;
    problems.push(problem('little-memory', `${reading}, the limit is ${mebibytes(least)}`, 'free memory on that host'));
  }
  if (memoryPressurePercent > 0 && pressure !== undefined && pressure.memory > memoryPressurePercent) {
    const reading = `tasks waited for memory ${pressure.memory.toFixed(0)} % of the last ten seconds`;
    problems.push(
      problem('little-memory', `${reading}, the limit is ${memoryPressurePercent} %`, 'free memory on that host'),
    );
  }
  return problems;
}

function problem(code: string, message: string, remedy: string): Problem {
  return { code, message, remedy, isFatal: true };
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 / 1024)} MiB`;
}
