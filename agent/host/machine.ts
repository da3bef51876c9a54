// The host an agent runs on, as captures see it.
import { cpus } from 'node:os';
import { join } from 'node:path';
import { type Distribution, readDistribution } from './distribution.js';
import { type HostFiles, hostFiles } from './host-files.js';
import { type Privilege, readPrivilege } from './privilege.js';
import { findProgram } from './tools.js';

export interface Machine {
  readonly files: HostFiles;
  readonly distribution: Distribution;
  readonly cpuCount: number;
  /** Where cgroup v2 is mounted, where it is. */
  readonly cgroups: string;
  readonly ownPid: number;
  /** Milliseconds since 1970 UTC. */
  now(): number;
  /** Read anew: an administrator may change it while the agent runs. */
  privilege(): Privilege;
  /** Absolute path of a program, '' when absent; perf may be installed while the agent runs. */
  program(name: string): Promise<string>;
}

export interface MachineOptions {
  /** File system root; `/` by default. */
  readonly root?: string;
  /** Directories of programs, as in PATH. */
  readonly path: string;
  /** A perf to use in place of the one in `path`. */
  readonly perf?: string;
  readonly now?: () => number;
}

export function localMachine(options: MachineOptions): Machine {
  const files = hostFiles(options.root);
  return {
    files,
    distribution: readDistribution(files),
    cpuCount: cpus().length,
    cgroups: join(options.root ?? '/', 'sys/fs/cgroup'),
    ownPid: process.pid,
    now: options.now ?? Date.now,
    privilege: () => readPrivilege(files, process.getuid?.() ?? 0),
    program: (name) => findProgram(name === 'perf' ? (options.perf ?? name) : name, options.path),
  };
}

export function isTracefsMounted(files: HostFiles): boolean {
  return ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'].some((path) => files.exists(`${path}/events`));
}
