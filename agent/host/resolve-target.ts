// A target as asked for to the processes, threads or cgroup of this host that it means now.
import type { ProcessInfo, Target } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { cgroupArgument } from '../perf/event-name.js';
import type { ResolvedTarget } from '../perf/target-args.js';
import type { Machine } from './machine.js';
import { checkSelector, describeSelector, exists, findProcesses } from './processes.js';

export interface Resolution {
  readonly target: ResolvedTarget;
  /** What a selector matched. */
  readonly processes: readonly ProcessInfo[];
  /** For people: `3 processes: postgres (812), …`. */
  readonly detail: string;
}

/** @throws FailureError `not-found` when nothing is there, `bad-request` for an empty or unusable selector */
export function resolveTarget(machine: Machine, target: Target): Resolution {
  switch (target.kind) {
    case 'system':
      return { target, processes: [], detail: target.cpus === undefined ? 'the whole system' : `CPUs ${target.cpus}` };
    case 'pids':
      requireAll(machine, target.pids, 'process');
      return { target, processes: [], detail: `process ${target.pids.join(', ')}` };
    case 'tids':
      requireAll(machine, target.tids, 'thread');
      return { target, processes: [], detail: `thread ${target.tids.join(', ')}` };
    case 'cgroup':
      requireCgroup(machine, target.path);
      return { target, processes: [], detail: `cgroup ${target.path}` };
    case 'processes': {
      checkSelector(target.selector);
      const processes = findProcesses(machine.files, target.selector, machine.ownPid);
      if (processes.length === 0) {
        const selector = describeSelector(target.selector);
        throw fail(
          'not-found',
          `no process on this host matches ${selector}`,
          'list what runs with `perftrawl hosts ps`',
        );
      }
      return {
        target: { kind: 'pids', pids: processes.map(({ pid }) => pid) },
        processes,
        detail: describeProcesses(processes),
      };
    }
  }
}

function requireAll({ files }: Machine, ids: readonly number[], what: 'process' | 'thread'): void {
  const missing = ids.filter((id) => !exists(files, id));
  if (missing.length > 0) {
    throw fail(
      'not-found',
      `no ${what} ${missing.join(', ')} on this host`,
      `it ended, or the number is of another host`,
    );
  }
}

/** perf looks in the cgroup v2 mount, and in the perf_event hierarchy of v1. */
function requireCgroup({ files }: Machine, path: string): void {
  const relative = cgroupArgument(path);
  const mounts = ['/sys/fs/cgroup/perf_event', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'];
  if (!mounts.some((mount) => files.exists(`${mount}/${relative}`))) {
    throw fail('not-found', `no cgroup ${path} on this host`, 'see /proc/PID/cgroup for the path of a process');
  }
}

/** For people: `3 processes: postgres (812), …`. */
export function describeProcesses(processes: readonly ProcessInfo[]): string {
  const shown = processes.slice(0, 8).map(({ comm, pid }) => `${comm} (${pid})`);
  const more = processes.length > shown.length ? ', …' : '';
  return `${processes.length} ${processes.length === 1 ? 'process' : 'processes'}: ${shown.join(', ')}${more}`;
}
