// Histograms as stap prints them: every bucket is recovered, whatever the scale, and a damaged one is told with its line.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countOf, type Histogram } from '../../../../profile/histogram.js';
import { countValues, type Kind, type PrintOptions, printHistogram } from './print-histogram.js';
import { drawHistogram, drawLosses, readOutput } from './read-output.js';

const LOG: Kind = { kind: 'log2' };

function print(kind: Kind, values: readonly bigint[], options: PrintOptions = {}): string {
  return printHistogram(kind, countValues(kind, values), options);
}

function readOne(text: string): Histogram {
  const output = readOutput(text);
  expect(drawLosses(output)).toEqual([]);
  expect(output.lines).toEqual([]);
  expect(output.points).toHaveLength(1);
  return output.points[0].histogram;
}

/** Which bucket holds a value, told by the bounds that were read. */
function countIn(values: readonly bigint[], from: number, to: number): number {
  return values.filter((value) => value >= BigInt(from) && value < BigInt(to)).length;
}

const small = fc.bigInt({ min: -300n, max: 300n });
const any = fc.oneof(
  small,
  fc.bigInt({ min: -(2n ** 40n), max: 2n ** 40n }),
  fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }),
  fc.integer({ min: 0, max: 62 }).map((bits) => 1n << BigInt(bits)),
  fc.integer({ min: 0, max: 62 }).map((bits) => -(1n << BigInt(bits))),
);
const looks = fc.record({ width: fc.constantFrom(50, 20, 7), elision: fc.constantFrom(2, 2, 2, 3, 5, -1) });

describe('what stap prints is read back', () => {
  it('log2, any values', () => {
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 200 }), looks, (values, look) => {
        const histogram = readOne(print(LOG, values, look));
        expect(histogram.scale).toEqual({ kind: 'log2' });
        expect(countOf(histogram)).toBe(values.length);
        const isExact = values.every((value) => value > -(2n ** 52n) && value < 2n ** 52n);
        if (!isExact) return;
        for (const { from, to, count } of histogram.buckets) expect(count).toBe(countIn(values, from, to));
      }),
      { numRuns: 150 },
    );
  });

  it('linear, any range, with under- and overflow', () => {
    const scales = fc.record({
      start: fc.bigInt({ min: -2000n, max: 2000n }),
      interval: fc.bigInt({ min: 1n, max: 500n }),
      steps: fc.integer({ min: 1, max: 124 }),
      rest: fc.bigInt({ min: 0n, max: 499n }),
    });
    fc.assert(
      fc.property(
        scales,
        fc.array(any, { minLength: 1, maxLength: 100 }),
        fc.array(small),
        looks,
        (scale, far, near, look) => {
          const { start, interval, steps, rest } = scale;
          const stop = start + interval * BigInt(steps) + (rest % interval);
          const kind: Kind = { kind: 'linear', start, stop, interval };
          const values = [...far, ...near];
          const text = print(kind, values, look);
          const histogram = readOne(text);
          const end = start + interval * BigInt(steps + 1);
          expect(countOf(histogram)).toBe(values.length);
          expect(histogram.underflow).toBe(values.filter((value) => value < start).length);
          expect(histogram.overflow).toBe(values.filter((value) => value >= end).length);
          for (const { from, to, count } of histogram.buckets) {
            // 0, 1, 2 of which only 0 counts is the one case that looks like log2; the bucket is the same
            expect(to - from).toBe(Number(interval));
            expect(count).toBe(countIn(values, from, to));
          }
        },
      ),
      { numRuns: 250 },
    );
  });

  it('huge counts: the columns grow with them', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 52n }), { minLength: 1, maxLength: 60 }), (counts) => {
        const buckets = new Array<bigint>(128).fill(0n);
        for (const [i, count] of counts.entries()) buckets[64 + i] = count;
        const total = counts.reduce((sum, count) => sum + count, 0n);
        if (total === 0n) return;
        const output = readOutput(printHistogram(LOG, buckets));
        if (total > BigInt(Number.MAX_SAFE_INTEGER)) {
          expect(drawLosses(output).join()).toMatch(
            /^damaged-histograms 1: line \d+: its counts add up to more than 2\^53/,
          );
        } else expect(countOf(output.points[0].histogram)).toBe(Number(total));
      }),
    );
  });

  it('the bounds of log2 buckets, negative ones mirrored', () => {
    const values = [-8n, -7n, -4n, -3n, -2n, -1n, 0n, 1n, 2n, 3n, 4n];
    expect(drawHistogram(readOne(print(LOG, values)))).toBe(
      'log2: -15..-7=1 -7..-3=2 -3..-1=2 -1..0=1 0..1=1 1..2=1 2..4=2 4..8=1',
    );
    const far = readOne(print(LOG, [-(2n ** 63n), 2n ** 63n - 1n]));
    expect(drawHistogram(far)).toBe(`log2: ${-(2 ** 64)}..${-(2 ** 63)}=1 ${2 ** 62}..${2 ** 63}=1`);
  });

  it('a linear scale of one bucket says too little by itself', () => {
    const text = print({ kind: 'linear', start: 0n, stop: 0n, interval: 5n }, [1n, 2n]);
    expect(drawLosses(readOutput(text)).join()).toMatch(/^damaged-histograms 1: line 2: /);
    const told = `#pt1 hist title=x scale=linear from=0 to=0 step=5 count=2\n${text}`;
    expect(drawHistogram(readOne(told))).toBe('x 0..0/5: 0..5=2');
  });
});

function expectDamage(lines: readonly string[]): void {
  const output = readOutput(`${lines.join('\n')}\n\n`);
  expect(output.points).toEqual([]);
  expect(drawLosses(output).join()).toMatch(/damaged-histograms 1: line \d+: /);
  expect(output.lines.map((line) => line.text)).toEqual([...lines, '']);
}

describe('damage', () => {
  const values = [1n, 2n, 3n, 3n, 900n, 70_000n, 70_000n, 70_001n, 5n].flatMap((value) =>
    new Array<bigint>(30).fill(value),
  );
  const whole = print(LOG, values);
  const linear = print({ kind: 'linear', start: 0n, stop: 1000n, interval: 50n }, values);

  it.each([
    ['log2', whole],
    ['linear', linear],
  ])('%s: cut anywhere, it is a loss with a line, and its lines are text', (_, text) => {
    for (let length = 'value |-'.length; length < text.length - 1; length++) {
      const cut = text.slice(0, length);
      const output = readOutput(cut);
      expect(output.points).toEqual([]);
      expect(output.lines.map((line) => line.text)).toEqual(cut.replace(/\n$/, '').split('\n'));
      const isHeader = cut.includes(' count');
      expect(drawLosses(output).join()).toMatch(isHeader ? /^damaged-histograms 1: line \d+: / : /^$/);
    }
  });

  it('log2: a line lost is a loss', () => {
    const lines = whole.split('\n').slice(0, -2);
    for (let i = 1; i < lines.length; i++) expectDamage(lines.toSpliced(i, 1));
  });

  it('linear: a line lost is a loss, or did not count: only the overflow at the end can go unseen', () => {
    const lines = linear.split('\n').slice(0, -2);
    for (let i = 1; i < lines.length; i++) {
      const [point] = readOutput(`${lines.toSpliced(i, 1).join('\n')}\n\n`).points;
      if (point === undefined) expectDamage(lines.toSpliced(i, 1));
      else expect(lines[i]).toMatch(/ 0$|^>/);
    }
    const told = '#pt1 hist title=x scale=linear from=0 to=1000 step=50 count=270';
    for (let i = 1; i < lines.length; i++) {
      const { points, losses } = readOutput(`${[told, ...lines.toSpliced(i, 1)].join('\n')}\n\n`);
      expect(points.length + losses.length).toBe(1);
      for (const { histogram } of points) expect(countOf(histogram)).toBe(270);
    }
  });

  it.each([
    ['log2', whole],
    ['linear', linear],
  ])('%s: a line doubled, moved or put between is a loss', (_, text) => {
    const lines = text.split('\n').slice(0, -2);
    for (let i = 1; i < lines.length; i++) {
      expectDamage(lines.toSpliced(i, 0, lines[i]));
      expectDamage(lines.toSpliced(i, 0, 'a word from elsewhere'));
      if (i + 1 < lines.length) expectDamage(lines.toSpliced(i, 2, lines[i + 1], lines[i]));
    }
  });

  it('a character changed never gives other counts', () => {
    const truth = drawHistogram(readOne(whole));
    fc.assert(
      fc.property(
        fc.nat(whole.length - 2),
        fc.constantFrom('0', '9', '@', ' ', '|', '~', 'x', '\n', '\t', '-'),
        (at, other) => {
          const changed = whole.slice(0, at) + other + whole.slice(at + 1);
          const { points, losses } = readOutput(changed);
          for (const { histogram } of points) expect(drawHistogram(histogram)).toBe(truth);
          // the header itself may be what was changed: then all is text
          if (changed !== whole && /^ *value \|-+ count$/m.test(changed)) expect(points.length + losses.length).toBe(1);
        },
      ),
      { numRuns: 600 },
    );
  });

  it('names the line that is wrong', () => {
    const lines = print(LOG, [4n, 5n, 100n]).split('\n');
    const text = ['before', '', ...lines.slice(0, 4), 'interleaved', ...lines.slice(4)].join('\n');
    const output = readOutput(text);
    expect(drawLosses(output)).toEqual([
      'damaged-histograms 1: line 7: neither a row of it nor the empty line that ends it (the histogram begins in line 3)',
    ]);
    expect(output.lines.map(({ text, number }) => `${number} ${text}`)).toEqual(
      text
        .replace(/\n$/, '')
        .split('\n')
        .map((line, i) => `${i + 1} ${line}`),
    );
  });

  it('names the first twenty and counts the others', () => {
    const output = readOutput('value |----- count\nnothing\n'.repeat(50));
    expect(output.losses).toHaveLength(21);
    expect(output.losses.reduce((sum, { count }) => sum + count, 0)).toBe(50);
    expect(output.lines).toHaveLength(100);
  });

  it('keeps no more rows than it may', () => {
    const rows = Array.from({ length: 5000 }, (_, i) => `${String(i).padStart(5)} |${' '.repeat(51)}0`);
    const output = readOutput(`value |${'-'.repeat(50)} count\n${rows.join('\n')}\n`, { limits: { rows: 100 } });
    expect(drawLosses(output)).toEqual([
      'damaged-histograms 1: line 102: it has more than 100 rows (the histogram begins in line 1)',
    ]);
    expect(output.lines).toHaveLength(5001);
  });
});
