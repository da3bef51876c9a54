// What perf record and perf stat have in common on the command line: events, target, and a duration of their own.
import type { EventSpec, Milliseconds, Target } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { cgroupArgument, checkCpus, checkEvents } from './event-name.js';

/** A target whose processes are known. */
export type ResolvedTarget = Exclude<Target, { kind: 'processes' }>;

export const MIN_DURATION: Milliseconds = 1;
export const MAX_DURATION: Milliseconds = 24 * 3600 * 1000;
const MAX_IDS = 8192;
const MAX_PID = 4_194_304;

/** `--event=NAME`, each followed by its filter. @throws FailureError `bad-request` */
export function eventArguments(events: readonly EventSpec[]): string[] {
  checkEvents(events);
  return events.flatMap(({ name, filter }) =>
    filter === undefined ? [`--event=${name}`] : [`--event=${name}`, `--filter=${filter}`],
  );
}

/** Must follow the events: perf binds `--cgroup` to those before it. @throws FailureError `bad-request` */
export function targetArguments(target: ResolvedTarget, events: readonly EventSpec[]): string[] {
  switch (target.kind) {
    case 'system':
      if (target.cpus === undefined) return ['--all-cpus'];
      checkCpus(target.cpus);
      return ['--all-cpus', `--cpu=${target.cpus}`];
    case 'pids':
      return [`--pid=${idList(target.pids, 'process')}`];
    case 'tids':
      return [`--tid=${idList(target.tids, 'thread')}`];
    case 'cgroup': {
      // One name per event: older perf does not spread a single one over all events.
      const path = cgroupArgument(target.path);
      return ['--all-cpus', `--cgroup=${events.map(() => path).join(',')}`];
    }
  }
}

/**
 * The command perf runs beside the measurement. perf ends when it does, so that even with the agent killed nothing records for
 * longer than it was asked to.
 */
export function durationArguments(duration: Milliseconds): string[] {
  if (!Number.isFinite(duration) || duration < MIN_DURATION || duration > MAX_DURATION) {
    throw fail('bad-request', `a duration of ${duration} ms is outside 1 ms to 24 h`, 'choose another --duration');
  }
  return ['--', 'sleep', String(Number((duration / 1000).toFixed(3)))];
}

/** Exit status of perf when the time of a tethered one is over: that of timeout(1). */
export const TIME_IS_OVER = 124;

/**
 * The same command beside which something runs that also ends when its stdin does: with the agent, for captures that last so long that
 * their own duration is too long a bound. In the foreground, so that it stays in perf's process group.
 */
export function tethered(argv: readonly string[]): string[] {
  const at = argv.lastIndexOf('--');
  const seconds = argv[argv.length - 1];
  return [...argv.slice(0, at), '--', 'timeout', '--foreground', seconds, 'cat'];
}

function idList(ids: readonly number[], what: 'process' | 'thread'): string {
  if (ids.length === 0) throw fail('bad-request', `the capture names no ${what}`, `give at least one ${what} id`);
  if (ids.length > MAX_IDS) {
    throw fail(
      'bad-request',
      `${ids.length} ${what} ids are more than ${MAX_IDS}`,
      'capture the whole system or a cgroup',
    );
  }
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 1 || id > MAX_PID);
  if (wrong !== undefined) throw fail('bad-request', `${wrong} is no ${what} id`, `give the number that ps shows`);
  return [...new Set(ids)].join(',');
}

/** An argv for people to read: arguments with blanks or quotes are quoted as a shell would need it. */
export function commandLine(argv: readonly string[]): string {
  return argv.map((arg) => (/^[\w@%+=:,./{}~-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`)).join(' ');
}
