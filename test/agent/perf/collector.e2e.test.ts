// Real recordings: addresses and objects are those that perf itself prints, and the pipe form of a file gives the same.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { output } from '../../oracle/perf-tools.js';
import { recordWorkload, type WorkloadName } from '../../oracle/record-workload.js';
import { parse, stackLines } from './parsed-stacks.js';
import { recordForks } from './record-forks.js';

/** `comm;address(object);… weight` of each sample by `perf script`, summed and sorted. */
async function stacksByPerf(perfData: string): Promise<string[]> {
  const text = (
    await output('perf', ['script', '--no-inline', '-i', perfData, '-F', 'comm,tid,time,period,ip,dso'])
  ).toString();
  const weights = new Map<string, number>();
  for (const sample of text.trimEnd().split('\n\n')) {
    const [header = '', ...frames] = sample.split('\n');
    const parts = /^(\S.*?)\s+-?\d+\s+\d+\.\d+:\s+(\d+)\s*$/.exec(header);
    if (parts === null) throw new Error(`perf script printed a header that this test cannot read: ${header}`);
    const line = [parts[1], ...frames.reverse().map((frame) => frame.trim().replace(' ', ''))].join(';');
    weights.set(line, (weights.get(line) ?? 0) + Number(parts[2]));
  }
  return [...weights].map(([line, weight]) => `${line} ${weight}`).sort();
}

describe('addresses and objects are those of perf script', () => {
  test.each<{ title: string; name: WorkloadName; record?: string[]; program?: string[] }>([
    { title: 'C', name: 'faults', program: ['5000', '20', '300'] },
    {
      title: 'C, every seventh fault',
      name: 'faults',
      record: ['-e', 'page-faults', '-c', '7', '-g'],
      program: ['5000', '20', '300'],
    },
    { title: 'system calls', name: 'syscalls' },
    { title: 'C++', name: 'shapes' },
    { title: 'node', name: 'node' },
    { title: 'Java', name: 'java' },
  ])('$title', async ({ title: _title, name, ...options }) => {
    const recording = await recordWorkload(name, options);
    try {
      const ours = stackLines(parse(await readFile(recording.perfData)));
      expect(ours.length).toBeGreaterThan(5);
      expect(ours).toEqual(await stacksByPerf(recording.perfData));
    } finally {
      await recording.dispose();
    }
  });

  test('forks and execs', async () => {
    const recording = await recordForks();
    try {
      const ours = stackLines(parse(await readFile(recording.perfData)));
      expect(new Set(ours.map((line) => line.slice(0, line.indexOf(';'))))).toEqual(new Set(['ls', 'sed', 'sh']));
      expect(ours).toEqual(await stacksByPerf(recording.perfData));
    } finally {
      await recording.dispose();
    }
  });
});

test('the pipe form of a recording gives the same profile as its file form', async () => {
  const recording = await recordWorkload('faults', { program: ['20000', '20', '300'] });
  try {
    const pipeForm = path.join(recording.directory, 'pipe.data');
    await writeFile(pipeForm, await output('perf', ['inject', '-i', recording.perfData, '-o', '-']));
    const fromFile = parse(await readFile(recording.perfData), { keepTimestamps: true });
    const fromPipe = parse(await readFile(pipeForm), { keepTimestamps: true });
    // The command in the comments is that of perf inject.
    expect({ ...fromPipe.profile, comments: [] }).toEqual({ ...fromFile.profile, comments: [] });
    expect(fromPipe.objects).toEqual(fromFile.objects);
    expect(fromFile.profile.timed?.length).toBeGreaterThan(20_000);
  } finally {
    await recording.dispose();
  }
});

test('a live pipe recording loses nothing against what perf reports of it', async () => {
  const recording = await recordWorkload('faults', { pipe: true, program: ['20000', '20', '300'] });
  try {
    const { profile } = parse(await readFile(recording.perfData), {}, 65_537);
    const faults = profile.samples.values[1].reduce((sum, weight) => sum + weight, 0);
    expect(faults).toBeGreaterThan(20_000);
    expect(profile.sampleTypes).toEqual([
      { type: 'samples:page-faults', unit: 'count' },
      { type: 'page-faults', unit: 'count' },
    ]);
    expect(profile.losses.filter(({ kind }) => kind !== 'truncated-stacks')).toEqual([]);
  } finally {
    await recording.dispose();
  }
});

test('several events in one recording are kept apart', async () => {
  const recording = await recordWorkload('faults', {
    record: ['-e', 'page-faults,cpu-clock:u', '-c', '1000000', '-g'],
    program: ['3000', '10', '50', '2000'],
  });
  try {
    const collected = parse(await readFile(recording.perfData));
    expect(collected.profile.sampleTypes.map(({ type, unit }) => `${type}/${unit}`)).toEqual([
      'samples:page-faults/count',
      'page-faults/count',
      'samples:cpu-clock:u/count',
      'cpu-clock:u/nanoseconds',
    ]);
    expect(stackLines(collected, 0)).toEqual([]);
    expect(stackLines(collected, 1)).toEqual(await stacksByPerf(recording.perfData));
  } finally {
    await recording.dispose();
  }
});
