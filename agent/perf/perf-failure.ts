// Why perf ended with an error, as a failure a person can act on. perf says it on stderr, in words that changed little over the years.
import { type FailureCode, type FailureError, fail } from '../../proto/failure.js';

export interface PerfFailureFacts {
  /** What was being done: `perf record`. */
  readonly doing: string;
  readonly stderr: string;
  /** `exit status 255`. */
  readonly end: string;
  readonly isTracefsMounted: boolean;
}

interface Rule {
  readonly pattern: RegExp;
  readonly code: FailureCode;
  readonly remedy: string;
}

const MOUNT_TRACEFS = 'mount -t tracefs nodev /sys/kernel/tracing';
const SEE_LIST = 'see `perf list` on the host for the events it knows';

/** The first that matches decides. */
const RULES: readonly Rule[] = [
  {
    pattern: /mlock_kb|smaller value of -m|failed to mmap/i,
    code: 'permission',
    remedy: 'use a smaller --mmap-pages, run the agent as root, or sysctl -w kernel.perf_event_mlock_kb=65536',
  },
  {
    pattern:
      /perf_event_paranoid|permission to (?:enable|collect)|Access to performance monitoring|may not have permission/i,
    code: 'permission',
    remedy: 'run the agent as root or with CAP_PERFMON, or sysctl -w kernel.perf_event_paranoid=-1',
  },
  {
    pattern: /failed to set filter|filter.*(?:invalid|not)/i,
    code: 'bad-request',
    remedy: 'see the file `format` of the event in tracefs for its fields',
  },
  {
    pattern: /unknown tracepoint|tracing\/events.*not found|Cannot find.*tracepoint/i,
    code: 'bad-request',
    remedy: SEE_LIST,
  },
  {
    pattern: /event syntax error|parser error|invalid or unsupported event|unknown term/i,
    code: 'bad-request',
    remedy: SEE_LIST,
  },
  {
    pattern: /no access to cgroup|cannot find cgroup|can't find cgroup/i,
    code: 'not-found',
    remedy: 'see /proc/PID/cgroup for the path',
  },
  {
    pattern: /No such process|Problems finding threads|Couldn't create thread/i,
    code: 'not-found',
    remedy: 'the process ended: look it up again',
  },
  {
    pattern: /Too many open files|too many events are opened/i,
    code: 'exhausted',
    remedy: 'raise the agent`s limit of open files (ulimit -n)',
  },
  {
    pattern: /No space left on device/i,
    code: 'exhausted',
    remedy: 'free disk space, or move the state directory with --state',
  },
  { pattern: /Cannot allocate memory|out of memory/i, code: 'exhausted', remedy: 'use a smaller --mmap-pages' },
  {
    pattern: /doesn't support branch stack|not supported|No hardware sampling interrupt|PMU Hardware/i,
    code: 'tool-failed',
    remedy: 'this host lacks that hardware counter: use a software event such as cpu-clock, or another call graph',
  },
  {
    pattern: /not found for kernel|linux-tools/i,
    code: 'tool-missing',
    remedy: 'install the perf of the running kernel',
  },
];

export function perfFailure({ doing, stderr, end, isTracefsMounted }: PerfFailureFacts): FailureError {
  const reason = perfReason(stderr);
  const message = `${doing} failed with ${end}: ${reason || 'it gave no reason'}`;
  if (!isTracefsMounted && /tracepoint|tracing|debugfs|tracefs/i.test(stderr)) {
    return fail('tool-failed', `${message} (tracefs is not mounted)`, MOUNT_TRACEFS);
  }
  const rule = RULES.find(({ pattern }) => pattern.test(stderr));
  return fail(rule?.code ?? 'tool-failed', message, rule?.remedy ?? '');
}

/** perf's own words, without usage texts and progress lines; at most 800 characters. */
export function perfReason(stderr: string): string {
  const kept: string[] = [];
  for (const line of stderr.split('\n')) {
    if (/^\s*Usage: perf/.test(line)) break;
    if (line.trim() === '' || /^\[ perf record:|^Run 'perf list'|^Error:\s*$|^WARNING: |^Warning:\s*$/.test(line))
      continue;
    kept.push(line.trim());
  }
  return kept.join(' ').slice(0, 800);
}
