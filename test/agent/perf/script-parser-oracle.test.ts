// The script parser on real `perf script` text: folded, it says what the classic collapse script says of the same text.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventsOf, type FoldOptions, foldedStacks } from '../../../profile/folded.js';
import type { Profile } from '../../../profile/profile.js';
import { collapse, mountTracefs, writePerfScript } from '../../oracle/perf-tools.js';
import { type Recording, recordWorkload, type WorkloadName } from '../../oracle/record-workload.js';
import { lossCount, parseScript, profileLines, total } from './script-parser-view.js';

const fold = (profile: Profile, options: FoldOptions = {}): string[] =>
  [...foldedStacks(profile, options)].map(({ stack, weight }) => `${stack} ${weight}`).sort();

const lines = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .sort();

/** As printed by perf script, without leading zeros. */
const addressIn = (profile: Profile) => (location: number) =>
  ((BigInt(profile.locations.addressHi[location]) << 32n) | BigInt(profile.locations.addressLo[location])).toString(16);

describe.each<{ name: WorkloadName }>([
  { name: 'faults' },
  { name: 'shapes' },
  { name: 'syscalls' },
  { name: 'node' },
  { name: 'java' },
])('$name', ({ name }) => {
  let recording: Recording;
  let text: string;
  let file: string;

  beforeAll(async () => {
    recording = await recordWorkload(name);
    file = await writePerfScript(recording.perfData, path.join(recording.directory, 'script.txt'), ['-F', '+pid']);
    // The classic script leaves out frames that begin with "(" and parts names at "->": see the tests below.
    text = (await readFile(file, 'utf8'))
      .replaceAll(' (anonymous namespace)::', ' {anonymous}::')
      .replaceAll('operator->', 'operator=>');
    await writeFile(file, text);
  });
  afterAll(() => recording?.dispose());

  test.each<{ args: readonly string[]; options: FoldOptions; split: 'comm' | 'pid' | 'tid' }>([
    { args: [], options: {}, split: 'comm' },
    { args: ['--pid'], options: { withPid: true }, split: 'pid' },
    { args: ['--tid'], options: { withTid: true }, split: 'tid' },
    { args: ['--kernel'], options: { marksKernel: true }, split: 'tid' },
    { args: ['--jit'], options: { marksJit: true }, split: 'comm' },
    { args: ['--all'], options: { marksKernel: true, marksJit: true }, split: 'comm' },
  ])('folds as collapse $args', async ({ args, options, split }) => {
    const profile = parseScript(text, { split, chunkBytes: 65_521 });
    const expected = lines(await collapse(file, args));
    expect(expected.length).toBeGreaterThan(5);
    expect(fold(profile, options)).toEqual(expected);
    expect(lossCount(profile, 'skipped-lines')).toBe(0);
  });

  test('folds as collapse --addrs', async () => {
    const profile = parseScript(text);
    expect(fold(profile, { addressOf: addressIn(profile) })).toEqual(lines(await collapse(file, ['--addrs'])));
  });

  test('byte by byte it is the same profile', () => {
    const part = text.slice(0, 200_000);
    const options = { split: 'tid', keepTimestamps: true } as const;
    expect(parseScript(part, { ...options, chunkBytes: 1 })).toEqual(parseScript(part, options));
  });
});

describe('field selections of one recording', () => {
  let recording: Recording;
  const script = async (args: readonly string[]): Promise<Profile> => {
    const file = await writePerfScript(recording.perfData, path.join(recording.directory, 'fields.txt'), args);
    return parseScript(await readFile(file));
  };

  beforeAll(async () => {
    recording = await recordWorkload('shapes', {
      record: ['-e', 'page-faults', '-c', '3', '-g', '-d', '--sample-cpu'],
      program: ['3'],
    });
  });
  afterAll(() => recording?.dispose());

  test.each([
    [['-F', 'comm,pid,tid,cpu,time,period,event,ip,sym,dso,trace']],
    [['-F', 'comm,tid,time,period,event,ip,sym,symoff,dso']],
    [['-F', 'comm,pid,time,period,event,ip,sym,dso']],
    [['-F', 'comm,tid,period,event,ip,sym,dso']],
    [['-F', '+pid,+misc', '--ns']],
    [['-F', '+addr,+pid']],
    [['--header']],
    [['--show-task-events', '--show-mmap-events', '--show-lost-events']],
  ])('%j', async (args) => {
    const usual = await script([]);
    const profile = await script(args);
    expect(total(profile, 'samples')).toBeGreaterThan(100);
    expect(fold(profile)).toEqual(fold(usual));
    expect(lossCount(profile, 'skipped-lines')).toBe(0);
  });

  test('without an event, a period, a time or names the samples are still all there', async () => {
    const usual = await script([]);
    for (const fields of ['comm,tid,ip,sym,dso', 'comm,tid,time,ip,sym,dso', 'comm,pid,tid,cpu,time,event,ip,dso']) {
      expect(total(await script(['-F', fields]), 'samples')).toBe(total(usual, 'samples'));
    }
  });
});

test('source lines change neither stacks nor weights', async () => {
  const recording = await recordWorkload('faults', { program: ['500', '10', '20'] });
  try {
    const plain = await writePerfScript(recording.perfData, path.join(recording.directory, 'plain.txt'));
    const file = path.join(recording.directory, 'source.txt');
    const profile = parseScript(await readFile(await writePerfScript(recording.perfData, file, ['-F', '+srcline'])));
    expect(fold(profile)).toEqual(fold(parseScript(await readFile(plain))));
    expect(profileLines(profile).join('\n')).toMatch(/main\(faults\.c:\d+\)/);
  } finally {
    await recording.dispose();
  }
});

test('without call graphs a sample has the one frame of its line', async () => {
  const recording = await recordWorkload('shapes', { record: ['-e', 'page-faults', '-c', '1'], program: ['2'] });
  try {
    const file = await writePerfScript(recording.perfData, path.join(recording.directory, 'script.txt'));
    const profile = parseScript(await readFile(file));
    const text = await readFile(file, 'utf8');
    expect(total(profile, 'samples')).toBe(lines(text).length);
    expect(profileLines(profile).join('\n')).toMatch(/^page-faults \{comm=shapes\} touch_pages@\S+\/shapes \d+/m);
  } finally {
    await recording.dispose();
  }
});

test('tracepoints, with their arguments and several events at once', async () => {
  await mountTracefs();
  const recording = await recordWorkload('syscalls', {
    // Of the workload alone: system-wide, programs of other tests have line breaks in their names.
    record: ['-g', '-e', 'sched:sched_stat_runtime', '-e', 'sched:sched_process_exit', '-e', 'page-faults', '-c', '1'],
    program: ['5'],
  });
  try {
    const file = await writePerfScript(recording.perfData, path.join(recording.directory, 'script.txt'));
    const text = await readFile(file, 'utf8');
    const profile = parseScript(text);
    expect(eventsOf(profile).sort()).toEqual(['page-faults', 'sched:sched_process_exit', 'sched:sched_stat_runtime']);
    expect(total(profile, 'samples')).toBe(text.match(/^\S.*?\d\.\d+: /gm)?.length);
    expect(lossCount(profile, 'skipped-lines')).toBe(0);
    const onlyFaults = fold(profile, { event: 'page-faults' });
    const classic = lines(await collapse(file, ['--event-filter=page-faults']));
    // The classic script cannot filter tracepoints: they come on top.
    expect(classic.reduce(sumOfWeights, 0)).toBe(total(profile, 'samples'));
    expect(onlyFaults.reduce(sumOfWeights, 0)).toBe(text.match(/ page-faults: $/gm)?.length);
  } finally {
    await recording.dispose();
  }
});

function sumOfWeights(sum: number, line: string): number {
  return sum + Number(line.slice(line.lastIndexOf(' ') + 1));
}

describe('where the classic script is wrong', () => {
  let recording: Recording;
  let file: string;
  let profile: Profile;

  beforeAll(async () => {
    recording = await recordWorkload('names');
    file = await writePerfScript(recording.perfData, path.join(recording.directory, 'script.txt'), ['-F', '+pid']);
    profile = parseScript(await readFile(file));
  });
  afterAll(() => recording?.dispose());

  // It ends a comm at a blank before a number, takes more than a comm of one letter, and "#" for a comment.
  const misread = new Set(['x', '1', '12_34_56', '#hash', 'pool_7_thread_3', 'ends_in_42']);
  const misreadAs = /^(x_|1_|12;|pool;|ends_in;)/;
  const commOf = (line: string): string => line.slice(0, line.indexOf(';'));

  test('names that it can read are read alike', async () => {
    const classic = lines(await collapse(file)).filter((line) => !misreadAs.test(line));
    const ours = fold(profile).filter((line) => !misread.has(commOf(line)));
    expect(ours).toEqual(classic);
    expect(new Set(ours.map(commOf)).size).toBeGreaterThan(12);
  });

  test('ours has every thread by its own name and loses none of the samples', async () => {
    const comms = new Set(profile.labelSets.map(([label]) => label.value));
    for (const comm of ['x', '1', '12 34 56', '#hash', 'tmux: server', '99/100', 'café', 'ends in 42']) {
      expect(comms).toContain(comm);
    }
    const headers = (await readFile(file, 'utf8')).match(/^\S.*\d\.\d+: .*page-faults: $/gm);
    expect(total(profile, 'samples')).toBe(headers?.length);
  });
});
