// Which process runs a job, and whether it still does. A job whose owner is gone is `interrupted`.
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Milliseconds } from '../../proto/capture.js';

export interface Owners {
  /** A text that names one run by this process, alive until `release`. */
  claim(): string;
  release(owner: string): void;
  /** @param silentFor since that owner last renewed its claim, by a clock that all share: decides for owners on other machines */
  isAlive(owner: string, silentFor: Milliseconds): boolean;
}

export interface OwnerOptions {
  readonly random: () => number;
  readonly pid: number;
  /** `/proc`, or what stands for it. */
  readonly procRoot: string;
}

/** An owner elsewhere that was silent for this long counts as gone. Owners renew twice a second. */
const silence: Milliseconds = 30_000;

/** What this process runs, whichever part of it asks. */
const active = new Set<string>();

/** `machine|pid|start time of the process in clock ticks since boot|random number` */
export function processOwners(options: OwnerOptions): Owners {
  const { random, pid, procRoot } = options;
  const machine = machineName(procRoot);
  const start = startTicks(procRoot, String(pid)) ?? '';
  return {
    claim() {
      const owner = [machine, pid, start, Math.floor(random() * 2 ** 48).toString(36)].join('|');
      active.add(owner);
      return owner;
    },
    release(owner) {
      active.delete(owner);
    },
    isAlive(owner, silentFor) {
      const [itsMachine, itsPid, itsStart] = owner.split('|');
      if (owner === '') return false;
      if (itsMachine !== machine) return silentFor < silence;
      if (itsPid === String(pid) && itsStart === start) return active.has(owner);
      if (itsStart === '') return silentFor < silence;
      return /^[0-9]+$/.test(itsPid) && startTicks(procRoot, itsPid) === itsStart;
    },
  };
}

/** This boot of this kernel and this pid namespace: only there does a pid mean the same process. */
function machineName(procRoot: string): string {
  try {
    const boot = readFileSync(`${procRoot}/sys/kernel/random/boot_id`, 'utf8').trim();
    return `${boot},${readlinkSync(`${procRoot}/self/ns/pid`)}`;
  } catch {
    // Not Linux: owners are told apart by host name and by how long they have been silent.
    return hostname().replaceAll('|', '_');
  }
}

/** Field 22 of /proc/PID/stat (proc(5)); the command name in field 2 may hold spaces and parentheses. */
function startTicks(procRoot: string, pid: string): string | undefined {
  try {
    const stat = readFileSync(`${procRoot}/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie runs nothing.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
