// What this host is and can do, and what is wrong with it.
import { statfs } from 'node:fs/promises';
import { arch, hostname, totalmem } from 'node:os';
import type { HostDescription, Problem, Tool } from '../../proto/capture.js';
import { describeStap } from '../stap/stap-tools.js';
import { AGENT_VERSION } from '../version.js';
import { type Admission, admissionProblems } from './admission.js';
import { installCommand } from './distribution.js';
import { probeEvents, WELL_KNOWN_EVENTS } from './event-probe.js';
import { readHealth } from './health.js';
import { kernelBuildId } from './kernel-build-id.js';
import { isTracefsMounted, type Machine } from './machine.js';
import { describeTool } from './tools.js';

export interface DescribeOptions {
  readonly machine: Machine;
  /** '' for the host's own name. */
  readonly name: string;
  readonly stateDirectory: string;
  readonly admission: Admission;
  readonly runningCaptures: readonly string[];
  readonly signal: AbortSignal;
}

const TOOLS = ['perf', 'addr2line'];
/** Less than this is trouble ahead; less than a sixteenth of it stops captures. */
const LITTLE_DISK_BYTES = 256 * 1024 * 1024;
const FEW_INODES = 50;

export async function describeHost({
  machine,
  name,
  stateDirectory,
  admission,
  runningCaptures,
  signal,
}: DescribeOptions): Promise<HostDescription> {
  const { files, distribution } = machine;
  const [tools, stap] = await Promise.all([
    Promise.all(TOOLS.map(async (tool) => describeTool(tool, await machine.program(tool), signal))),
    stapTool(machine, signal),
  ]);
  const perf = tools.find((tool) => tool.name === 'perf')?.path ?? '';
  const events =
    perf === '' ? { usable: [], unusable: [...WELL_KNOWN_EVENTS] } : await probeEvents(perf, WELL_KNOWN_EVENTS, signal);
  const privilege = machine.privilege();
  const health = await readHealth(files, machine.cpuCount, stateDirectory);
  return {
    hostname: name || hostname(),
    kernelRelease: distribution.kernelRelease,
    kernelBuildId: kernelBuildId(files),
    architecture: arch(),
    cpuCount: machine.cpuCount,
    memoryBytes: totalmem(),
    osName: distribution.name,
    agentVersion: AGENT_VERSION,
    tools: [...tools, ...stap],
    perfEventParanoid: privilege.perfEventParanoid,
    kptrRestrict: privilege.kptrRestrict,
    isRoot: privilege.isRoot,
    clock: machine.now(),
    runningCaptures,
    usableEvents: events.usable,
    unusableEvents: events.unusable,
    problems: [
      ...toolProblems(
        machine,
        tools.filter((tool) => tool.path === '').map((tool) => tool.name),
      ),
      ...privilegeProblems(machine),
      ...(isTracefsMounted(files) ? [] : [TRACEFS_PROBLEM]),
      ...(await diskProblems(stateDirectory)),
      ...admissionProblems(health, admission, false),
    ],
  };
}

/** Only where it is there: most hosts need none. Modules that are kept elsewhere hang on its version. */
async function stapTool(machine: Machine, signal: AbortSignal): Promise<Tool[]> {
  const path = await machine.program('stap');
  if (path === '') return [];
  const { version } = await describeStap(path, signal);
  return [{ name: 'stap', version, path }];
}

const TRACEFS_PROBLEM: Problem = {
  code: 'tracefs-not-mounted',
  message: 'tracefs is not mounted: tracepoints such as sched:sched_switch cannot be used',
  remedy: 'mount -t tracefs nodev /sys/kernel/tracing',
  isFatal: false,
};

export function tracefsProblem(): Problem {
  return TRACEFS_PROBLEM;
}

function toolProblems({ distribution }: Machine, missing: readonly string[]): Problem[] {
  return missing.map((tool) =>
    tool === 'perf'
      ? {
          code: 'perf-missing',
          message: 'perf is not on this host, or does not start',
          remedy: installCommand('perf', distribution),
          isFatal: true,
        }
      : {
          code: `${tool}-missing`,
          message: `${tool} is not on this host: no source lines and inlined functions`,
          remedy: installCommand('addr2line', distribution),
          isFatal: false,
        },
  );
}

/** What the kernel keeps from this user. */
export function privilegeProblems(machine: Machine): Problem[] {
  const { isRoot, isUnrestricted, perfEventParanoid, kptrRestrict } = machine.privilege();
  const problems: Problem[] = [];
  if (!isUnrestricted && perfEventParanoid > 2) {
    problems.push({
      code: 'perf-forbidden',
      message: `kernel.perf_event_paranoid is ${perfEventParanoid}: only root may measure`,
      remedy: 'run the agent as root, or sysctl -w kernel.perf_event_paranoid=1',
      isFatal: true,
    });
  } else if (!isUnrestricted && perfEventParanoid > 0) {
    problems.push({
      code: 'perf-restricted',
      message: `kernel.perf_event_paranoid is ${perfEventParanoid}: this user may measure only its own processes`,
      remedy: 'run the agent as root, or sysctl -w kernel.perf_event_paranoid=-1',
      isFatal: false,
    });
  }
  if (kptrRestrict > 1 || (kptrRestrict > 0 && !isRoot)) {
    problems.push({
      code: 'kernel-names-hidden',
      message: `kernel.kptr_restrict is ${kptrRestrict}: kernel functions stay without names`,
      remedy: `sysctl -w kernel.kptr_restrict=${isRoot ? 1 : 0}`,
      isFatal: false,
    });
  }
  return problems;
}

export async function diskProblems(directory: string): Promise<Problem[]> {
  const { bavail, bsize, files, ffree } = await statfs(directory);
  const free = bavail * bsize;
  const remedy = 'free disk space, or move the state directory with --state';
  const problems: Problem[] = [];
  if (free < LITTLE_DISK_BYTES) {
    const limit = LITTLE_DISK_BYTES / 16;
    const message = `${mebibytes(free)} MiB are free below ${directory}; captures need ${mebibytes(limit)}`;
    problems.push({ code: 'disk-full', message, remedy, isFatal: free < limit });
  }
  // File systems without a fixed number of inodes say 0 of 0.
  if (files > 0 && ffree < FEW_INODES) {
    const message = `${ffree} inodes are free below ${directory}; captures need ${FEW_INODES}`;
    problems.push({ code: 'disk-full', message, remedy, isFatal: true });
  }
  return problems;
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024);
}
