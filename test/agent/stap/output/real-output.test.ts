// What real scripts printed (test/fixtures/stap; each sample's .cmd and .stp say how it was made): nothing of it is lost.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countOf } from '../../../../profile/histogram.js';
import { drawCount, drawHistogram, drawLosses, drawStacks, readOutput } from './read-output.js';

const directory = join(dirname(fileURLToPath(import.meta.url)), '../../../fixtures/stap');
const names = readdirSync(directory).filter((name) => name.endsWith('.stdout'));
const bytesOf = (name: string) => readFileSync(join(directory, name));
const linesOf = (name: string) => bytesOf(name).toString('utf8').replace(/\n$/, '').split('\n');

it('there are samples', () => expect(names.length).toBeGreaterThan(20));

/** The blocks from a header to the next empty line, and the sum of the last words of their rows: no knowledge of the parser's in it. */
function blocksOf(lines: readonly string[]): { readonly count: number; readonly isWhole: boolean }[] {
  const blocks: { count: number; isWhole: boolean }[] = [];
  for (const [i, line] of lines.entries()) {
    if (!/^ *value \|-+ count$/.test(line)) continue;
    const end = lines.findIndex((other, at) => at > i && !/^ *([<>]?-?\d+ \|.* \d+|~)$/.test(other));
    const rows = lines.slice(i + 1, end < 0 ? lines.length : end).filter((row) => !row.endsWith('~'));
    const count = rows.reduce((sum, row) => sum + Number(row.trim().split(/\s+/).at(-1)), 0);
    blocks.push({ count, isWhole: lines[end] === '' && rows.length >= 3 });
  }
  return blocks;
}

describe.each(names)('%s', (name) => {
  const output = readOutput([bytesOf(name)]);

  it('every whole histogram is read, and its buckets add up to the rows', () => {
    const blocks = blocksOf(linesOf(name));
    const whole = blocks.filter(({ isWhole }) => isWhole);
    const printed = output.points.filter(({ histogram }) => countOf(histogram) > 0);
    expect(printed.map(({ histogram }) => countOf(histogram))).toEqual(whole.map(({ count }) => count));
    const damaged = output.losses.filter(({ kind }) => kind === 'damaged-histograms');
    expect(damaged.reduce((sum, { count }) => sum + count, 0)).toBe(blocks.length - whole.length);
  });

  it('text comes in order, each line once and as it was', () => {
    const lines = linesOf(name);
    const numbers = output.lines.map(({ number }) => number);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    for (const { number, text } of output.lines) {
      expect(lines[number - 1].replace(/\r$/, '').startsWith(text)).toBe(true);
    }
  });

  it('in any pieces the same', () => {
    const bytes = bytesOf(name).subarray(0, 16_384);
    const whole = JSON.stringify(readOutput([bytes]));
    const oneByOne = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
    expect(JSON.stringify(readOutput(oneByOne))).toBe(whole);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        const ends = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = ends.slice(1).map((end, i) => bytes.subarray(ends[i], end));
        expect(JSON.stringify(readOutput(pieces))).toBe(whole);
      }),
      { numRuns: 5 },
    );
  });
});

describe('the samples whose scripts print the counts beside', () => {
  it('intervals: each a point in time, with sum, least and greatest', () => {
    const name = '54_intervals.stdout';
    const { points, lines } = readOutput([bytesOf(name)]);
    const told = linesOf(name).flatMap((line) => {
      const match = /@count=(\d+) @min=(\d+) @max=(\d+) @avg=\d+ @sum=(\d+)$/.exec(line);
      return match === null ? [] : [match.slice(1).map(Number)];
    });
    expect(told.length).toBeGreaterThan(3);
    const read = points.map(({ histogram }) => [countOf(histogram), histogram.min, histogram.max, histogram.sum]);
    expect(read).toEqual(told);
    expect(points.map(({ time }) => time)).toEqual(told.map((_, i) => (i + 1) * 1000));
    expect(new Set(points.map(({ histogram }) => histogram.title))).toEqual(new Set(['faults']));
    expect(lines.every(({ text }) => text.startsWith('interval '))).toBe(true);
  });

  it('the ends of 64 bits', () => {
    const { points, lines } = readOutput([bytesOf('52_log_extremes.stdout')]);
    const counts = new Map(points.map(({ histogram }) => [histogram.title, countOf(histogram)]));
    for (const { text } of lines) {
      const [, title, count] = /^(\w+) count=(\d+) /.exec(text) ?? [];
      expect([title, counts.get(title)]).toEqual([title, Number(count)]);
    }
    const least = points.find(({ histogram }) => histogram.title === 'least');
    expect(least && drawHistogram(least.histogram)).toBe(`least log2: ${-(2 ** 64)}..${-(2 ** 63)}=1`);
  });

  it('arrays with two keys', () => {
    const { points } = readOutput([bytesOf('50_two_keys.stdout')]);
    expect(points.map(({ histogram }) => drawCount(histogram)).sort()).toEqual(
      [
        'bytes {key1=node worker:1 key2=0} n=120',
        'bytes {key1=node worker:1 key2=1} n=120',
        'bytes {key1=postgres key2=0} n=80',
        'bytes {key1=postgres key2=1} n=80',
        'bytes {key1=postgres key2=2} n=80',
        'read 0 n=120',
        'read 1 n=120',
        'write [wal] 0 n=120',
        'write [wal] 1 n=120',
      ].sort(),
    );
  });

  it('linear with negative values, under- and overflow', () => {
    const { points } = readOutput([bytesOf('51_linear_negative.stdout')]);
    const both = points[0].histogram;
    expect(both.scale).toEqual({ kind: 'linear', from: -100, to: 100, step: 20 });
    // -250 to 250, each once: 150 below -100, 131 from 120 on
    expect([both.underflow, both.overflow, countOf(both)]).toEqual([150, 131, 501]);
    expect(both.buckets.every(({ count }) => count === 20)).toBe(true);
  });

  it('without elision and with narrow bars the same as with', () => {
    const draw = (name: string) => readOutput([bytesOf(name)]).points.map(({ histogram }) => drawHistogram(histogram));
    expect(draw('53b_elision_off.stdout')).toEqual(draw('53_elided.stdout'));
  });

  it('user stacks', () => {
    const name = '56_user_stacks.stdout';
    const { profile, lines } = readOutput([bytesOf(name)]);
    const frames = ['touch_pages', 'round_of_work', 'main', '__libc_start_call_main', '__libc_start_main', '_start'];
    const object = '/usr/local/bin/touchmem';
    const count = Number(/^count (\d+)$/m.exec(bytesOf(name).toString())?.[1]);
    expect(drawStacks(profile)).toContain(`2 ${frames.map((frame) => `${frame} (${object})`).join(' < ')}`);
    expect(drawStacks(profile)).toContain(`2 ${frames.join(' < ')}`);
    // print_usyms with `count N`, print_ustack with `N`, both in a timer, where another process runs: no names
    expect(drawStacks(profile).some((stack) => stack.startsWith(`${2 * count} 0x40161f < `))).toBe(true);
    expect(lines.filter(({ text }) => text.startsWith('fault of'))).toHaveLength(2);
  });

  it('kernel and user part of one stack, and a histogram of each', () => {
    const name = '57_both_stacks.stdout';
    const { profile, points } = readOutput([bytesOf(name)]);
    const count = Number(/^\t(\d+)$/m.exec(bytesOf(name).toString())?.[1]);
    const [stack] = drawStacks(profile);
    // the kernel's part in names where the script was compiled with them, the user's not: its process is another by then
    expect(stack).toMatch(new RegExp(`^${count} (?:handle_mm_fault|0xffffffff81).* < 0x40161f < .* < 0x401511$`));
    expect(countOf(points[0].histogram)).toBe(count);
  });
});

it('text that only looks like a histogram stays text, with the loss told', () => {
  const output = readOutput([bytesOf('70_odd_text.stdout')]);
  expect(output.points).toEqual([]);
  expect(drawLosses(output).slice(0, 2)).toEqual([
    'damaged-histograms 1: line 2: neither a row of it nor the empty line that ends it (the histogram begins in line 1)',
    'damaged-histograms 1: line 5: the row of count 2 does not fit its bar and the other rows (the histogram begins in line 4)',
  ]);
  expect(output.lines.length).toBe(linesOf('70_odd_text.stdout').length);
});
