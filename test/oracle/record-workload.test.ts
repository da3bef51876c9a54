// Every workload can be recorded in both forms of perf.data, and perf itself finds samples in it.
import { access } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { collapse, output, writePerfScript } from './perf-tools.js';
import { recordWorkload, type WorkloadName } from './record-workload.js';

const workloads: readonly { readonly name: WorkloadName; readonly frame: RegExp }[] = [
  { name: 'faults', frame: /;plan_query;/ },
  { name: 'syscalls', frame: /;(through_a_pipe|map_and_touch|read_zeros);/ },
  { name: 'names', frame: /;fault / },
  { name: 'shapes', frame: /geometry::shapes::Polygon/ },
  { name: 'node', frame: /fibonacci/ },
  { name: 'java', frame: /Spin\.fibonacci|Spin::fibonacci/ },
];

describe('recordWorkload', () => {
  test.each(workloads)('$name in file form', async ({ name, frame }) => {
    const recording = await recordWorkload(name);
    try {
      const text = await writePerfScript(recording.perfData, path.join(recording.directory, 'script.txt'));
      const folded = await collapse(text);
      expect(folded).toMatch(frame);
    } finally {
      await recording.dispose();
    }
    await expect(access(recording.directory)).rejects.toThrow('ENOENT');
  });

  test('in pipe form the stream begins with the short header', async () => {
    const recording = await recordWorkload('syscalls', { pipe: true, program: ['5'] });
    try {
      const bytes = await output('head', ['-c', '16', recording.perfData]);
      expect(bytes.toString('latin1', 0, 8)).toBe('PERFILE2');
      expect(bytes.readBigUInt64LE(8)).toBe(16n);
    } finally {
      await recording.dispose();
    }
  });

  test('a program that fails is told with what it said', async () => {
    await expect(recordWorkload('faults', { program: [] })).rejects.toThrow(/usage: faults/);
  });
});
