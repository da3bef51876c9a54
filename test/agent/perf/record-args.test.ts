// Specs as command lines of perf record and perf stat, and specs that become none.
import { describe, expect, it } from 'vitest';
import { needsPerfScript, recordArguments, recordProbeArguments } from '../../../agent/perf/record-args.js';
import { statArguments } from '../../../agent/perf/stat-args.js';
import { commandLine, type ResolvedTarget } from '../../../agent/perf/target-args.js';
import type { RecordSpec, StatSpec } from '../../../proto/capture.js';
import { FailureError } from '../../../proto/failure.js';

const system: ResolvedTarget = { kind: 'system' };
const host = { perf: '/usr/bin/perf', isRoot: true, cpuCount: 2 };
const record: RecordSpec = {
  kind: 'record',
  target: system,
  duration: 2500,
  events: [{ name: 'page-faults' }],
  callGraph: { mode: 'fp' },
  detail: { split: 'comm', keepTimestamps: false, lines: false },
  keepRaw: false,
};
const stat: StatSpec = {
  kind: 'stat',
  target: system,
  duration: 1000,
  events: [{ name: 'page-faults' }, { name: 'cpu-clock' }],
  interval: 100,
  perCpu: false,
};

const line = (spec: RecordSpec, target: ResolvedTarget = system) =>
  commandLine(recordArguments(spec, target, '-', host));
const statLine = (spec: StatSpec, target: ResolvedTarget = system) => commandLine(statArguments(spec, target, 'perf'));

describe('perf record', () => {
  it('streams the whole system with frame pointers, for its own duration', () => {
    expect(line(record)).toBe(
      '/usr/bin/perf record --no-buildid-cache --no-buildid --output=- --mmap-pages=2048 --event=page-faults --all-cpus ' +
        '--call-graph=fp -- sleep 2.5',
    );
  });

  it('binds each filter to its event, as one argument', () => {
    const events = [{ name: 'sched:sched_switch', filter: 'prev_prio > 100' }, { name: 'page-faults' }];
    const argv = recordArguments({ ...record, events }, system, '-', host);
    expect(argv.slice(6, 9)).toEqual(['--event=sched:sched_switch', '--filter=prev_prio > 100', '--event=page-faults']);
  });

  it.each<[string, Partial<RecordSpec>, ResolvedTarget, string]>([
    ['pids', {}, { kind: 'pids', pids: [7, 8, 7] }, '--pid=7,8 '],
    ['tids', {}, { kind: 'tids', tids: [9] }, '--tid=9 '],
    ['CPUs', {}, { kind: 'system', cpus: '0-1' }, '--all-cpus --cpu=0-1 '],
    ['a cgroup', {}, { kind: 'cgroup', path: '/a/b' }, '--all-cpus --cgroup=a/b '],
    ['a frequency', { rate: { frequency: 99 } }, system, '--freq=99 '],
    ['a period', { rate: { period: 1 } }, system, '--count=1 '],
    ['dwarf', { callGraph: { mode: 'dwarf', stackBytes: 8192 } }, system, '--call-graph=dwarf,8192 '],
    ['buffers', { mmapPages: 8192 }, system, '--mmap-pages=8192 '],
    ['times', { detail: { ...record.detail, keepTimestamps: true } }, system, '--timestamp --sample-cpu '],
  ])('takes %s', (_what, change, target, expected) => {
    expect(line({ ...record, ...change }, target)).toContain(expected);
  });

  it('keeps buffers of all CPUs together within 256 MiB, and to perf for others than root', () => {
    const pages = (cpuCount: number, isRoot: boolean) =>
      recordArguments(record, system, '-', { ...host, cpuCount, isRoot }).find((arg) => arg.startsWith('--mmap-pages'));
    expect([pages(2, true), pages(64, true), pages(256, true), pages(2, false)]).toEqual([
      '--mmap-pages=2048',
      '--mmap-pages=1024',
      '--mmap-pages=256',
      undefined,
    ]);
  });

  it('unwinds with perf what only perf can', () => {
    const modes = [{ mode: 'fp' }, { mode: 'none' }, { mode: 'lbr' }, { mode: 'dwarf', stackBytes: 8 }] as const;
    expect(modes.map((callGraph) => needsPerfScript({ ...record, callGraph }))).toEqual([false, false, true, true]);
  });

  it('probes with the same options and nothing to run', () => {
    expect(commandLine(recordProbeArguments(record, system, host))).toMatch(/--output=\/dev\/null .* -- true$/);
  });

  it.each<[string, Partial<RecordSpec>, ResolvedTarget]>([
    ['no event', { events: [] }, system],
    ['a duration of nothing', { duration: 0 }, system],
    ['more than a day', { duration: 24 * 3600 * 1000 + 1 }, system],
    ['no number', { duration: Number.NaN }, system],
    ['no frequency', { rate: { frequency: 0 } }, system],
    ['half a period', { rate: { period: 0.5 } }, system],
    ['a clock that samples each nanosecond', { events: [{ name: 'cpu-clock:u' }], rate: { period: 1 } }, system],
    ['odd stacks', { callGraph: { mode: 'dwarf', stackBytes: 100 } }, system],
    ['huge stacks', { callGraph: { mode: 'dwarf', stackBytes: 65536 } }, system],
    ['3 pages', { mmapPages: 3 }, system],
    ['0 pages', { mmapPages: 0 }, system],
    ['no pid', {}, { kind: 'pids', pids: [] }],
    ['pid -1', {}, { kind: 'pids', pids: [-1] }],
    ['pid 1.5', {}, { kind: 'pids', pids: [1.5] }],
    ['hostile CPUs', {}, { kind: 'system', cpus: '0; reboot' }],
  ])('refuses %s', (_what, change, target) => {
    expect(() => line({ ...record, ...change }, target)).toThrow(FailureError);
  });
});

describe('perf stat', () => {
  it('prints intervals with a separator that no name holds', () => {
    expect(statLine(stat)).toBe(
      "perf stat '--field-separator=;' --log-fd=3 --interval-print=100 --event=page-faults --event=cpu-clock --all-cpus -- sleep 1",
    );
  });

  it('names the cgroup once per event', () => {
    expect(statLine(stat, { kind: 'cgroup', path: '/a' })).toContain('--cgroup=a,a');
  });

  it('counts per CPU only what is not bound to processes', () => {
    expect(statLine({ ...stat, perCpu: true })).toContain('--no-aggr');
    expect(() => statLine({ ...stat, perCpu: true }, { kind: 'pids', pids: [1] })).toThrow(/whole system/);
  });

  it.each([0, 9, 10.5, 3_600_001])('refuses an interval of %s ms', (interval) => {
    expect(() => statLine({ ...stat, interval })).toThrow(FailureError);
  });
});

it('shows command lines as a shell would need them', () => {
  expect(commandLine(['perf', '--filter=a > "b"', "it's"])).toBe(`perf '--filter=a > "b"' 'it'\\''s'`);
});
