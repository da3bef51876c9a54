// What perf 6.1 really printed when it failed (Debian 12), and what we make of it.
import { expect, it } from 'vitest';
import { perfFailure, perfReason } from '../../../agent/perf/perf-failure.js';

const USAGE =
  "Run 'perf list' for a list of valid events\n\n Usage: perf record [<options>] [<command>]\n    or: more\n";

it.each([
  [`event syntax error: 'nosuch'\n                     \\___ parser error\n${USAGE}`, 'bad-request', /perf list/],
  [
    `event syntax error: 'sched:nosuch'\n \\___ unknown tracepoint\n\nError:\tFile x not found.\n${USAGE}`,
    'bad-request',
    /perf list/,
  ],
  ['failed to set filter "foo == 1" on event sched:sched_switch with 22 (Invalid argument)\n', 'bad-request', /format/],
  ["Couldn't create thread/CPU maps: No such process\n", 'not-found', /ended/],
  [`Problems finding threads of monitor\n\n Usage: perf stat`, 'not-found', /ended/],
  ['no access to cgroup /sys/fs/cgroup/unified/nosuch\n', 'not-found', /cgroup/],
  ['Error:\nThe instructions event is not supported.\n', 'tool-failed', /software event/],
  [
    "Error:\ncpu-clock: PMU Hardware or event type doesn't support branch stack sampling.\n",
    'tool-failed',
    /call graph/,
  ],
  [
    'Error:\nAccess to performance monitoring and observability operations is limited.\nperf_event_paranoid setting is 2:\n',
    'permission',
    /sysctl -w kernel.perf_event_paranoid/,
  ],
  [
    'Permission error mapping pages.\nConsider increasing /proc/sys/kernel/perf_event_mlock_kb,\nor try again with a smaller value of -m/--mmap_pages.\n',
    'permission',
    /mmap-pages/,
  ],
])('%j', (stderr, code, remedy) => {
  const { failure } = perfFailure({ doing: 'perf record', stderr, end: 'exit status 129', isTracefsMounted: true });
  expect(failure.code).toBe(code);
  expect(failure.remedy).toMatch(remedy);
});

it('says to mount tracefs when that is what is missing', () => {
  const stderr = 'Error:\tFile /sys/kernel/tracing/events/sched/sched_switch not found.\n';
  const { failure } = perfFailure({ doing: 'perf record', stderr, end: 'exit status 129', isTracefsMounted: false });
  expect(failure.remedy).toBe('mount -t tracefs nodev /sys/kernel/tracing');
});

it('keeps the words of perf, not its usage', () => {
  expect(perfReason(`event syntax error: 'x'\n  \\___ parser error\n${USAGE}`)).toBe(
    "event syntax error: 'x' \\___ parser error",
  );
});
