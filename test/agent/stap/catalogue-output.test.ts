// What the scripts of the catalogue really printed (test/fixtures/stap/catalogue-*; SystemTap 4.8, kernel 6.1), as the parser reads it.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../../../agent/stap/catalogue.js';
import { countOf, type Histogram } from '../../../profile/histogram.js';
import { readOutput } from './output/read-output.js';

const directory = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/stap');
const text = (name: string, kind = 'stdout') => readFileSync(join(directory, `catalogue-${name}.${kind}`), 'utf8');
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** Histograms of everything, and the key by which others split the same counts. */
const SPLITS = [
  ['pagefault-latency', 'page fault latency', 'fault_type'],
  ['pagefault-latency-debuginfo', 'page fault latency', 'fault_type'],
  ['pagefault-types', 'page fault latency', 'fault_type'],
  ['runq-latency', 'run queue latency', 'cpu'],
  ['syscall-latency', 'system call latency', 'syscall'],
  ['block-io-latency', 'block I/O latency', 'device'],
  ['futex-contention', 'futex wait', 'op'],
  ['vfs-latency', 'file I/O latency', 'fs'],
] as const;

it('there is a sample of every script', () => {
  const samples = readdirSync(directory).filter((name) => /^catalogue-.*\.stdout$/.test(name));
  for (const { name } of catalogue()) expect(samples).toContain(`catalogue-${name}.stdout`);
});

describe.each(SPLITS)('%s', (name, title, key) => {
  const output = readOutput(text(name));
  const whole = output.points.filter(({ histogram }) => histogram.title === title);

  it('is read without a rest', () => {
    expect(output.lines).toEqual([]);
    expect(output.losses.filter(({ kind }) => kind !== 'skipped-probes')).toEqual([]);
    expect(new Set(output.points.map(({ histogram }) => histogram.unit))).toEqual(new Set(['ns']));
    expect(whole.length).toBe(text(name).match(/^#pt1 begin /gm)?.length);
    expect(sum(whole.map(({ histogram }) => countOf(histogram)))).toBeGreaterThan(20);
  });

  it(`by ${key} the counts and times of each interval add up to those of all`, () => {
    for (const { time, histogram } of whole) {
      const parts = output.points.filter((point) => point.time === time && labelOf(point.histogram, key) !== undefined);
      expect(sum(parts.map((part) => countOf(part.histogram)))).toBe(countOf(histogram));
      expect(sum(parts.map((part) => part.histogram.sum ?? 0))).toBe(histogram.sum ?? 0);
    }
  });
});

function labelOf({ labels }: Histogram, key: string): string | undefined {
  return labels.find((label) => label.key === key)?.value;
}

it('one fault beyond the end of a file, one out of memory, and pages read from disk, found in the cache and new are told apart', () => {
  const { points } = readOutput(text('pagefault-types'));
  const counts = points.map(
    ({ histogram }) => [labelOf(histogram, 'fault_type') ?? 'all', countOf(histogram)] as const,
  );
  expect(counts.map(([type]) => type)).toEqual(['all', 'OOM', 'SIGBUS', 'MAJOR', 'RETRY', 'NOPAGE', 'LOCKED', 'MINOR']);
  expect(Object.fromEntries(counts)).toMatchObject({ OOM: 1, SIGBUS: 1 });
});

it.each(['pagefault-stacks', 'off-cpu-stacks'])(
  '%s: every stack is in the profile, with its count and time',
  (name) => {
    const output = readOutput(text(name));
    const lines = [...text(name).matchAll(/^#pt1 stack count=(\d+) value=(\d+) /gm)];
    expect(lines.length).toBeGreaterThan(0);
    expect(output.lines).toEqual([]);
    const { profile } = output;
    expect(profile?.sampleTypes.length).toBe(2);
    const column = (index: number) => sum([...(profile?.samples.values[index] ?? [])].map(Number));
    expect(column(0)).toBe(sum(lines.map(([, count]) => Number(count))));
    expect(column(1)).toBe(sum(lines.map(([, , value]) => Number(value))));
  },
);

it('an unknown system call ends the script with a message', () => {
  expect(text('unknown-call', 'stderr')).toContain('ERROR: no system call is named nonsense here');
  expect(text('unknown-call', 'rc').trim()).toBe('1');
});
