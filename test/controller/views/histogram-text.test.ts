// Histograms on a terminal, as a person sees them: bars, tables, differences, over time.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differencesText, differenceText } from '../../../controller/views/histogram-difference-text.js';
import { overTimeText } from '../../../controller/views/histogram-over-time-text.js';
import { quantileText, quantityText } from '../../../controller/views/histogram-quantity.js';
import {
  barText,
  histogramBarsText,
  histogramLine,
  histogramTableText,
} from '../../../controller/views/histogram-text.js';
import { textWidth } from '../../../controller/views/text-table.js';
import { countOf, type Histogram } from '../../../profile/histogram.js';
import { compareHistogramSets, compareHistograms } from '../../../profile/histogram-difference.js';
import { drawnHistogram, histogramOf, LOG2 } from '../../profile/arbitrary-histogram.js';

const repeated = (counts: Readonly<Record<number, number>>) =>
  Object.entries(counts).flatMap(([value, count]) => new Array<number>(count).fill(Number(value)));

const FAULTS = histogramOf(repeated({ 600: 60, 1500: 760, 3000: 179, 40000: 1 }), LOG2, {
  title: 'page fault latency',
  labels: [{ key: 'fault_type', value: 'MINOR' }],
});

describe('quantities', () => {
  it.each([
    [0, 'ns', '0 ns'],
    [999.7, 'ns', '1 µs'],
    [1536, 'ns', '1.54 µs'],
    [16_384, 'us', '16.4 ms'],
    [131, 'ms', '131 ms'],
    [90, 's', '90 s'],
    [65_536, 'bytes', '64 KiB'],
    [1023, 'bytes', '1,023 B'],
    [12, 'tasks', '12 tasks'],
    [99_999, '', '99,999'],
    [8_388_608, 'pages', '8.39 M pages'],
    [-2048, 'ns', '-2.05 µs'],
    [-0.001, '', '0'],
    [5, '\u001b[2J', '5 ␛[2J'],
    [1, 'constructor', '1 constructor'],
  ])('%d %s is %s', (value, unit, text) => {
    expect(quantityText(value, unit)).toBe(text);
  });

  it('say when only one bound of a percentile is known', () => {
    const [low, high] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    expect(quantileText({ percent: 99, value: 110, low: 110, high }, '')).toBe('≥ 110');
    expect(quantileText({ percent: 1, value: -1, low, high: -1 }, '', { ascii: true })).toBe('<= -1');
    expect(quantityText(1500, 'ns', { ascii: true })).toBe('1.5 us');
  });
});

describe('bars', () => {
  it('show bounds in units of people, counts, shares and what is up to there', () => {
    expect(histogramBarsText(FAULTS, { width: 66 })).toBe(`page fault latency fault_type=MINOR
  1,000 values · mean 1.75 µs · min 600 ns · max 40 µs · sum 1.75 ms
     from  to below                           count  share  so far
   512 ns   1.02 µs  █▉                          60   6.0%    6.0%
  1.02 µs   2.05 µs  ███████████████████████    760  76.0%   82.0%
  2.05 µs    4.1 µs  █████▍                     179  17.9%   99.9%
                  ~
  32.8 µs   65.5 µs  ▏                            1   0.1%  100.0%
  p50 1.62 µs (1.02 µs to 2.05 µs)
  p90 2.96 µs (2.05 µs to 4.09 µs)
  p99 3.99 µs (2.05 µs to 4.09 µs)
  p99.9 4.09 µs (2.05 µs to 4.09 µs)
`);
  });

  it('have rows of their own for underflow and overflow, and need no more than ASCII', () => {
    const scale = { kind: 'linear', from: 0, to: 20, step: 10 } as const;
    const histogram = histogramOf(repeated({ '-5': 1, 5: 4, 15: 0, 25: 2, 99: 1 }), scale, { unit: 'tasks' });
    expect(histogramBarsText(histogram, { width: 60, ascii: true })).toBe(
      `latency
  8 values, mean 20.5 tasks, min -5 tasks, max 99 tasks, sum 164 tasks
      from  to below                    count  share  so far
             0 tasks  @@@@                  1  12.5%   12.5%
   0 tasks  10 tasks  @@@@@@@@@@@@@@@@      4  50.0%   62.5%
  10 tasks  20 tasks                        0   0.0%   62.5%
  20 tasks  30 tasks  @@@@@@@@              2  25.0%   87.5%
  30 tasks            @@@@                  1  12.5%  100.0%
  p50 5.63 tasks (0 tasks to 9 tasks)   p90 99 tasks
  p99 99 tasks   p99.9 99 tasks
`,
    );
  });

  it('count every value once, whatever the histogram', () => {
    fc.assert(
      fc.property(
        fc.oneof(drawnHistogram('log2'), drawnHistogram('linear')),
        fc.constantFrom(40, 80, 200, Infinity),
        ({ histogram }, width) => {
          const rows = histogramBarsText(histogram, { width })
            .split('\n')
            .filter((line) => /%\s+[\d.]+%$/.test(line));
          const counts = rows.map((line) =>
            Number(/([\d,]+)\s+<?[\d.]+%\s+[\d.]+%$/.exec(line)?.[1].replaceAll(',', '')),
          );
          expect(counts.reduce((sum, count) => sum + count, 0)).toBe(countOf(histogram));
        },
      ),
    );
  });

  it('fit the terminal', () => {
    for (const width of [70, 90, 150]) {
      for (const line of histogramBarsText(FAULTS, { width }).split('\n'))
        expect(textWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  it('join buckets where there are thousands, at once even if the range is vast', () => {
    const scale = { kind: 'linear', from: 0, to: 2 ** 50, step: 1 } as const;
    const histogram = histogramOf([0, 5, 2 ** 50], scale, { unit: '' });
    const text = histogramBarsText(histogram, { width: 100 });
    expect(text.split('\n').length).toBeLessThan(80);
    expect(text).toContain(`${2 ** 44 + 1} buckets in a row`);
  });

  it('show anything above nothing', () => {
    expect(barText(1e-9, 20, false)).toBe('▏');
    expect(barText(1e-9, 20, true)).toBe('.');
    expect([barText(0, 20, false), barText(1, 3, false), barText(0.5, 1, false)]).toEqual(['', '███', '▌']);
  });

  it('say that there is nothing', () => {
    expect(histogramBarsText(histogramOf([], LOG2), { width: 80 })).toBe('latency\n  0 values\n');
  });

  it('show hostile names as text', () => {
    const hostile: Histogram = {
      ...FAULTS,
      title: 'a\u001b]0;x\u0007\n',
      labels: [{ key: 'k\u202e', value: '\r' }],
      unit: '\u009b31m',
    };
    for (const text of [
      histogramBarsText(hostile, { width: 80 }),
      histogramTableText([hostile], { width: 80 }),
      histogramLine(hostile),
    ]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
  });
});

it('the table has a column per label and a row per histogram', () => {
  const major = { ...FAULTS, labels: [{ key: 'fault_type', value: 'MAJOR' }], unit: 'us' };
  expect(
    histogramTableText([FAULTS, major], { width: 100 }),
  ).toBe(`fault_type  count     mean      p50      p90      p99    p99.9    max
MINOR       1,000  1.75 µs  1.62 µs  2.96 µs  3.99 µs  4.09 µs  40 µs
MAJOR       1,000  1.75 ms  1.62 ms  2.96 ms  3.99 ms  4.09 ms  40 ms
`);
  expect(histogramLine(FAULTS)).toBe('page fault latency fault_type=MINOR  n 1,000  p50 1.62 µs  p99 3.99 µs');
});

describe('over time', () => {
  it('each key has its course and a row per interval; intervals without values are gaps', () => {
    const point = (time: number, values: number[]) => ({
      time,
      histogram: histogramOf(values, LOG2, { title: 'latency' }),
    });
    const text = overTimeText(
      { interval: 1000, points: [point(1000, [100]), point(3000, [3000, 3000])], losses: [] },
      { width: 100 },
    );
    expect(text).toBe(`latency every 1 s
  count  ▅ █  1 to 2
  p50    ▁ █  100 ns to 3 µs
  p99    ▁ █  100 ns to 3 µs
  until  count    mean     p50     p90     p99   p99.9     max
  1 s        1  100 ns  100 ns  100 ns  100 ns  100 ns  100 ns
  3 s        2    3 µs    3 µs    3 µs    3 µs    3 µs    3 µs
`);
  });
});

describe('differences', () => {
  it('show shares side by side and how far the values moved', () => {
    const difference = compareHistograms(
      histogramOf([100, 100, 200, 200], LOG2),
      histogramOf([200, 200, 400, 400, 400, 400], LOG2),
    );
    expect(differenceText(difference, { width: 90 })).toBe(`latency
  4 values before, 6 after
    from  to below  before                after                  change  in values
   64 ns    128 ns   50.0%  █████████      0.0%                -50.0 pp         -2
  128 ns    256 ns   50.0%  █████████     33.3%  ██████        -16.7 pp         +0
  256 ns    512 ns    0.0%                66.7%  ████████████  +66.7 pp         +4
  moved up by 1.17 doublings in the mean (earth mover's distance 1.17 doublings; greatest difference of cumulative shares 66.7 pp)
  p50 120 ns -> 274 ns   p90 200 ns -> 400 ns   p99 200 ns -> 400 ns   p99.9 200 ns -> 400 ns
`);
  });

  it('tell what has no partner and what cannot be compared', () => {
    const linear = histogramOf([5], { kind: 'linear', from: 0, to: 9, step: 1 });
    const set = compareHistogramSets([FAULTS, histogramOf([5], LOG2)], [linear]);
    const text = differencesText(set, { width: 100 });
    expect(text).toContain('only before: page fault latency fault_type=MINOR\n');
    expect(text).toMatch(/not compared: latency: cannot compare "latency" with "latency": log2 and linear/);
  });
});
