// The processes of a host, and which of them a selector means.
import type { ProcessInfo, ProcessSelector } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { containerIds, isInContainer, isInUnit } from './cgroup-path.js';
import type { HostFiles } from './host-files.js';
import { matchAll } from './pattern.js';

const MAX_CMDLINE = 64 * 1024;

/**
 * Processes that match all given parts of the selector, by pid; the agent itself and the perftrawl that started it are left out,
 * as their command lines hold the selector.
 * @throws FailureError `bad-request` for a bad regular expression
 */
export function findProcesses(files: HostFiles, selector: ProcessSelector, ownPid: number): ProcessInfo[] {
  const own = ownFamily(files, ownPid);
  const { comms = [], cmdline, unit, container } = selector;
  const ids = container === undefined ? [] : containerIds(files, container);
  const found: ProcessInfo[] = [];
  for (const pid of listPids(files)) {
    if (own.has(pid)) continue;
    const comm = readComm(files, pid);
    if (comm === undefined || (comms.length > 0 && !comms.includes(comm)) || isZombie(files, pid)) continue;
    const cgroup = readCgroups(files, pid);
    if (unit !== undefined && unit !== '' && !isInUnit(cgroup, unit)) continue;
    if (container !== undefined && container !== '' && !isInContainer(cgroup, container, ids)) continue;
    found.push({
      pid,
      comm,
      cmdline: readCmdline(files, pid),
      cgroup: mainCgroup(cgroup),
      uid: files.owner(`/proc/${pid}`),
    });
  }
  if (cmdline === undefined || cmdline === '') return found;
  const matches = matchAll(
    cmdline,
    found.map((process) => process.cmdline),
  );
  return found.filter((_, index) => matches[index]);
}

/** Every process, the agent itself too. */
export function allProcesses(files: HostFiles): ProcessInfo[] {
  return listPids(files).flatMap((pid) => processInfo(files, pid) ?? []);
}

/** The process that a thread belongs to; undefined when it is gone. */
export function processOfThread(files: HostFiles, tid: number): ProcessInfo | undefined {
  const pid = /^Tgid:\s*(\d+)$/m.exec(files.text(`/proc/${tid}/status`) ?? '')?.[1];
  return pid === undefined ? undefined : processInfo(files, Number(pid));
}

function processInfo(files: HostFiles, pid: number): ProcessInfo | undefined {
  const comm = readComm(files, pid);
  if (comm === undefined) return undefined;
  const cgroup = mainCgroup(readCgroups(files, pid));
  return { pid, comm, cmdline: readCmdline(files, pid), cgroup, uid: files.owner(`/proc/${pid}`) };
}

/** For messages: `--comm postgres --unit postgresql`. */
export function describeSelector({ comms = [], cmdline, unit, container }: ProcessSelector): string {
  const option = (name: string, value: string | undefined) =>
    value === undefined || value === '' ? [] : [`--${name} ${value}`];
  return [
    ...comms.map((comm) => `--comm ${comm}`),
    ...option('cmdline', cmdline),
    ...option('unit', unit),
    ...option('container', container),
  ].join(' ');
}

/** @throws FailureError `bad-request` for a selector that would mean every process */
export function checkSelector(selector: ProcessSelector): void {
  if (describeSelector(selector) === '') {
    throw fail('bad-request', 'the process selector is empty', 'give --comm, --cmdline, --unit or --container');
  }
}

/** Whether a process (or, by its id, a thread) exists. */
export function exists(files: HostFiles, pid: number): boolean {
  return files.exists(`/proc/${pid}`);
}

function listPids(files: HostFiles): number[] {
  return files
    .names('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

function readComm(files: HostFiles, pid: number): string | undefined {
  return files.text(`/proc/${pid}/comm`)?.replace(/\n$/, '');
}

function readCmdline(files: HostFiles, pid: number): string {
  return (files.text(`/proc/${pid}/cmdline`) ?? '').slice(0, MAX_CMDLINE).replace(/\0+$/, '').replaceAll('\0', ' ');
}

/** One path per hierarchy: `0::/system.slice/cron.service`. */
function readCgroups(files: HostFiles, pid: number): readonly string[] {
  return (files.text(`/proc/${pid}/cgroup`) ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':').slice(2).join(':'));
}

/** The deepest one: in the hybrid layout some hierarchies stay at the root. */
function mainCgroup(paths: readonly string[]): string {
  return paths.reduce((longest, path) => (path.length > longest.length ? path : longest), '');
}

/** This process and those of its ancestors that are perftrawl too. */
function ownFamily(files: HostFiles, ownPid: number): ReadonlySet<number> {
  const family = new Set([ownPid]);
  for (let pid = parentOf(files, ownPid); pid > 1; pid = parentOf(files, pid)) {
    if (!readCmdline(files, pid).includes('perftrawl')) break;
    family.add(pid);
  }
  return family;
}

function parentOf(files: HostFiles, pid: number): number {
  const parent = Number(statFields(files, pid)[1]);
  return Number.isInteger(parent) ? parent : 0;
}

/** It has ended, and its parent has not looked yet: there is nothing to observe, and perf would fail. */
function isZombie(files: HostFiles, pid: number): boolean {
  const fields = statFields(files, pid);
  // The first thread of a process may end before the others.
  return fields[0] === 'Z' && !(Number(fields[17]) > 1);
}

/** Of /proc/PID/stat, those after the name: the state first. */
function statFields(files: HostFiles, pid: number): readonly string[] {
  const stat = files.text(`/proc/${pid}/stat`) ?? '';
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
