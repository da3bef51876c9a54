// A cgroup of our own (cgroup v2), on hosts without systemd. Kernel documentation: admin-guide/cgroup-v2.rst.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cage, CageEnd, CageLimits } from './cage.js';

const PREFIX = 'perftrawl-';
/** Microseconds over which the quota holds. */
const PERIOD = 100_000;
/** The kernel empties a cgroup a moment after its last process was reaped. */
const REMOVAL_TRIES = 50;

let made = 0;

/** undefined where this is no cgroup v2 whose controllers can be used. @param directory its root */
export function openOwnCage(directory: string, ownPid: number, limits: CageLimits): Cage | undefined {
  const controllers = read(join(directory, 'cgroup.controllers'))?.split(/\s+/) ?? [];
  if (!controllers.includes('cpu') || !controllers.includes('memory')) return undefined;
  removeLeftovers(directory);
  const path = join(directory, `${PREFIX}${ownPid}-${++made}`);
  try {
    writeFileSync(join(directory, 'cgroup.subtree_control'), '+cpu +memory');
    mkdirSync(path);
  } catch (error) {
    // Read-only, or not the root of the hierarchy, as in containers: no means, then.
    if (isRefusal(error)) return undefined;
    throw error;
  }
  if (limits.cpuQuotaPercent > 0) write(path, 'cpu.max', `${(limits.cpuQuotaPercent * PERIOD) / 100} ${PERIOD}`);
  if (limits.isBackground) write(path, 'cpu.weight', '20');
  if (limits.memoryBytes > 0) {
    write(path, 'memory.max', String(limits.memoryBytes));
    // Memory that was moved out to the disk would be no less of a burden.
    if (read(join(path, 'memory.swap.max')) !== undefined) write(path, 'memory.swap.max', '0');
  }
  return {
    wrap: (argv) => argv,
    enter: (pid) => enter(path, pid),
    end: () => end(path),
  };
}

function enter(path: string, pid: number): void {
  try {
    write(path, 'cgroup.procs', String(pid));
  } catch (error) {
    // It has ended already.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

async function end(path: string): Promise<CageEnd> {
  const usage = /^usage_usec (\d+)$/m.exec(read(join(path, 'cpu.stat')) ?? '');
  const kills = /^oom_kill (\d+)$/m.exec(read(join(path, 'memory.events')) ?? '');
  for (let tries = 0; !isRemoved(path) && tries < REMOVAL_TRIES; tries++) await sleep(20);
  return { cpu: usage === null ? undefined : Number(usage[1]) / 1000, wasOutOfMemory: Number(kills?.[1] ?? 0) > 0 };
}

/** Of agents that were killed. Those in which something still runs stay. */
function removeLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) if (/^perftrawl-\d+-\d+$/.test(name)) isRemoved(join(directory, name));
}

/** False while something is in it. */
function isRemoved(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
    throw error;
  }
}

function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return ['EROFS', 'EACCES', 'EPERM', 'EBUSY', 'EOPNOTSUPP', 'ENOENT', 'EINVAL'].includes(code);
}

function write(path: string, name: string, text: string): void {
  writeFileSync(join(path, name), text);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}
