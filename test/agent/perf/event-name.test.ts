// Names that reach perf's command line, and names that must not.
import { describe, expect, it } from 'vitest';
import { cgroupArgument, checkCpus, checkEventName, checkEvents } from '../../../agent/perf/event-name.js';
import { FailureError } from '../../../proto/failure.js';

function refusal(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    if (error instanceof FailureError) return error.failure.code;
    throw error;
  }
  return 'accepted';
}

describe('event names', () => {
  it.each([
    'page-faults',
    'cpu-clock:u',
    'r01c4',
    'sched:sched_switch',
    'cpu/event=0x3c,umask=0/u',
    'cpu_core/cycles/',
    '{cycles,instructions}:S',
    'mem:0x4000/8:rw',
    'cpu_clk_unhalted.core',
    'sched:*switch*',
  ])('%s is one', (name) => {
    expect(refusal(() => checkEventName(name))).toBe('accepted');
  });

  it.each([
    ['', 'empty'],
    ['; rm -rf /', 'a shell command'],
    ['$(reboot)', 'a substitution'],
    ['--output=/etc/passwd', 'an option'],
    ['-a', 'a short option'],
    ['page-faults\n--all', 'a line break'],
    ['page-faults\0', 'a NUL'],
    ['/tmp/evil.c', 'a path'],
    ['../../evil.o', 'a relative path'],
    ['evil.c', 'a BPF program'],
    ['evil.o/map:x/', 'a BPF object with terms'],
    ['page-faults,minor-faults', 'two events in one'],
    ['{cycles', 'half a group'],
    ['a'.repeat(600), 'endless'],
  ])('%j is refused: %s', (name) => {
    expect(refusal(() => checkEventName(name))).toBe('bad-request');
  });
});

describe('filters', () => {
  it('may hold whatever a filter needs', () => {
    const event = { name: 'sched:sched_switch', filter: 'prev_comm == "a b" && prev_prio > 100 || next_pid != 0' };
    expect(refusal(() => checkEvents([event]))).toBe('accepted');
  });

  it.each([
    { name: 'page-faults', filter: 'x > 1' },
    { name: 'sched:sched_switch', filter: '' },
    { name: 'sched:sched_switch', filter: 'a\nb' },
    { name: 'sched:sched_switch', filter: 'x'.repeat(5000) },
  ])('%j is refused', (event) => {
    expect(refusal(() => checkEvents([event]))).toBe('bad-request');
  });
});

describe('cgroup paths', () => {
  it.each([
    ['/system.slice/cron.service', 'system.slice/cron.service'],
    ['/sys/fs/cgroup/system.slice/', 'system.slice'],
    ['/sys/fs/cgroup/unified/a', 'a'],
    ['system.slice/x\\x2dy.service', 'system.slice/x\\x2dy.service'],
    ['/', '/'],
  ])('%s becomes %s', (path, argument) => {
    expect(cgroupArgument(path)).toBe(argument);
  });

  it.each(['', 'a/../../b', 'a,b', 'a;b', 'a\nb', './a'])('%j is refused', (path) => {
    expect(refusal(() => cgroupArgument(path))).toBe('bad-request');
  });
});

it.each(['0', '0-3,8', '1,2,3'])('%s is a CPU list', (cpus) => {
  expect(refusal(() => checkCpus(cpus))).toBe('accepted');
});

it.each(['', '-1', '0-', 'all', '0;1', '0 1'])('%j is no CPU list', (cpus) => {
  expect(refusal(() => checkCpus(cpus))).toBe('bad-request');
});
