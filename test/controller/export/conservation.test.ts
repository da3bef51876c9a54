// One law over all exports: what was counted is what is written, to the unit, in every format and layout.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ExportOptions, FormatName } from '../../../controller/export/exporter.js';
import type { Profile } from '../../../profile/profile.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawings } from '../views/drawings.js';
import { readPprof } from './read-pprof.js';
import { written, writtenText } from './written.js';

test('samples, folded stacks, flame graph, pprof and JSON have the same total', () => {
  fc.assert(
    fc.property(drawings(), fc.boolean(), fc.boolean(), ({ text, weight }, reversed, inverted) => {
      const profile = drawProfile(text);
      expect(sum(profile.samples.values[1])).toBe(weight);
      expect(foldedTotal(profile)).toBe(weight);
      expect(rootWeight(profile, { reversed, inverted })).toBe(weight);
      expect(readPprof(written('pprof', profile)).totals[1] ?? 0).toBe(weight);
      expect(JSON.parse(writtenText('json', profile)).totals[1]).toBe(weight);
    }),
    { numRuns: 60 },
  );
});

test('the processes of a flame graph add up to its root', () => {
  fc.assert(
    fc.property(drawings(), ({ text, weight }) => {
      const frames = framesOf(writtenText('svg', drawProfile(text), { minWidth: { pixels: 0 } }));
      expect(sum(frames.filter((frame) => frame.depth === 1).map((frame) => frame.weight))).toBe(weight);
    }),
    { numRuns: 60 },
  );
});

test('each event has its own total in every format', () => {
  const profile = drawProfile('main;a 5\n main 2', { more: { 'cpu-clock': 'main;b 1000000/2' } });
  for (const [event, total] of [
    ['page-faults', 7],
    ['cpu-clock', 1_000_000],
  ] as const) {
    expect(foldedTotal(profile, { event })).toBe(total);
    expect(rootWeight(profile, { event })).toBe(total);
    expect(readPprof(written('pprof', profile, { event })).defaultSampleType).toBe(event);
  }
  expect(readPprof(written('pprof', profile)).totals).toEqual([7, 7, 2, 1_000_000]);
});

test.each(['folded', 'svg', 'pprof'] as const)(
  '%s refuses an event that was not recorded, and names those that were',
  (format: FormatName) => {
    expect(() => written(format, drawProfile('main 1'), { event: 'cycles' })).toThrow(
      'no event "cycles" in this profile; it has page-faults',
    );
  },
);

function foldedTotal(profile: Profile, options: ExportOptions = {}): number {
  const lines = writtenText('folded', profile, options)
    .split('\n')
    .filter((line) => line !== '');
  return sum(lines.map((line) => Number(line.slice(line.lastIndexOf(' ')))));
}

function rootWeight(profile: Profile, options: ExportOptions): number {
  return framesOf(writtenText('svg', profile, options))[0].weight;
}

function framesOf(svg: string): { depth: number; weight: number }[] {
  const found = svg.matchAll(/<g data-start="\d+" data-weight="(\d+)" data-depth="(\d+)">/g);
  return Array.from(found, ([, weight, depth]) => ({ weight: Number(weight), depth: Number(depth) }));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
