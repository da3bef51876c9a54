// Who runs a capture: a process, told apart from a later one with the same number.
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTicks: string;
  readonly bootId: string;
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTicks: startTicks(process.pid) ?? '', bootId: bootId() };
}

export function isAlive(owner: ProcessIdentity): boolean {
  return owner.bootId === bootId() && startTicks(owner.pid) === owner.startTicks;
}

/**
 * Milliseconds since it started, by a clock that nobody sets; undefined when that was in another boot.
 * @param uptime milliseconds since boot
 */
export function ageOfOwner(owner: ProcessIdentity, uptime: number): number | undefined {
  // Ticks in /proc are USER_HZ, which is 100 on every architecture that Node runs on.
  return owner.bootId === bootId() ? Math.max(0, uptime - Number(owner.startTicks) * 10) : undefined;
}

/** undefined unless `value` has the shape of an identity. */
export function toIdentity(value: unknown): ProcessIdentity | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('pid' in value && 'startTicks' in value && 'bootId' in value)) return undefined;
  const { pid, startTicks, bootId } = value;
  if (typeof pid !== 'number' || typeof startTicks !== 'string' || typeof bootId !== 'string') return undefined;
  return { pid, startTicks, bootId };
}

function startTicks(pid: number): string | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // A zombie runs nothing any more.
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function bootId(): string {
  return read('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
