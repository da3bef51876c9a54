// Charts as documents: exact figures on hover, hostile names as text, well-formed XML, bounded size.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { ExportError } from '../../../controller/export/exporter.js';
import { ticks, timeText, timeTicks } from '../../../controller/export/svg/chart-document.js';
import { HEAT_PALETTES, heatColour, SHADES } from '../../../controller/export/svg/chart-style.js';
import { counterChartSvg } from '../../../controller/export/svg/counter-chart-svg.js';
import { heatMapSvg } from '../../../controller/export/svg/heat-map-svg.js';
import { histogramSvg } from '../../../controller/export/svg/histogram-svg.js';
import { heatMaps } from '../../../controller/views/heat-map.js';
import type { CounterPoint, CounterSeries } from '../../../profile/counter-series.js';
import { countOf, type Histogram } from '../../../profile/histogram.js';
import { drawnHistogram, histogramOf, LOG2 } from '../../profile/arbitrary-histogram.js';

const NAMES = [
  '</title><script>alert(1)</script>',
  ']]>',
  '<!--',
  '"onload="x',
  'a\u0000\u001b[2J\ud800b',
  '&lt;',
  '\u202eevil',
];
const HOSTILE = NAMES.map(
  (name): Histogram =>
    histogramOf([1, 900, 70_000], LOG2, { title: name, unit: name, labels: [{ key: name, value: name }] }),
);

function counter(
  time: number,
  value: number,
  status: CounterPoint['status'] = 'counted',
  event = 'page-faults',
): CounterPoint {
  return { time, event, scope: '', status, value: status === 'counted' ? value : 0, unit: '', runningPercent: 100 };
}

/** Every element closed in order; no character that XML cannot hold. */
function checkWellFormed(svg: string): void {
  const open: string[] = [];
  const body = svg.replace(/^<\?xml[^?]*\?>\n/, '').replace(/<style>[^<]*<\/style>/g, '');
  for (const [, slash, name, rest] of body.matchAll(/<(\/?)([a-zA-Z]+)((?:[^"<>]|"[^"<]*")*)>/g)) {
    if (slash === '/') expect(open.pop()).toBe(name);
    else if (!rest.endsWith('/')) open.push(name);
  }
  expect(open).toEqual([]);
  expect(body.replaceAll(/<\/?[a-zA-Z]+(?:[^"<>]|"[^"<]*")*>/g, '')).not.toMatch(/[<>]|&(?!(amp|lt|gt|quot|#39);)/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(svg).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202e\ufffe\uffff]|\p{Cs}/u);
}

function titles(svg: string): string[] {
  return Array.from(svg.matchAll(/<title>([^<]*)<\/title>/g), ([, title]) => title);
}

const SERIES = {
  interval: 1000,
  points: HOSTILE.map((histogram, i) => ({ time: (i + 1) * 1000, histogram })),
  losses: [],
};

test.each([
  ['histograms', () => histogramSvg(HOSTILE, { title: NAMES.join(), subtitle: NAMES.join() })],
  ['heat maps', () => heatMapSvg(heatMaps(SERIES), { title: NAMES.join(), subtitle: NAMES.join() })],
  [
    'counters',
    () =>
      counterChartSvg({
        interval: 1000,
        points: NAMES.map((name) => ({ ...counter(1000, 5), event: name, scope: name, unit: name })),
        losses: [],
      }),
  ],
  [
    'nothing',
    () =>
      histogramSvg([]) +
      heatMapSvg([], { isInline: true }) +
      counterChartSvg({ interval: 0, points: [], losses: [] }, { isInline: true }),
  ],
])('%s: well-formed, hostile names are text, nothing from outside', (_, draw) => {
  const svg = draw();
  checkWellFormed(svg);
  expect(svg).not.toMatch(/<script|<!--|onload="|@import|url\(/);
  expect([...new Set(svg.match(/https?:\/\/[^"]*/g))]).toEqual(['http://www.w3.org/2000/svg']);
});

describe('histograms', () => {
  it('say each bucket, count and share on hover, and every value once', () => {
    fc.assert(
      fc.property(fc.oneof(drawnHistogram('log2'), drawnHistogram('linear')), ({ histogram }) => {
        const svg = histogramSvg([histogram]);
        checkWellFormed(svg);
        const counts = titles(svg).flatMap(
          (title) => /: ([\d,]+) \([\d.]+%\), [\d.]+% up to here$/.exec(title)?.[1] ?? [],
        );
        expect(counts.reduce((sum, count) => sum + Number(count.replaceAll(',', '')), 0)).toBe(countOf(histogram));
      }),
      { numRuns: 60 },
    );
    expect(titles(histogramSvg([histogramOf([600, 700, 1500], LOG2)]))).toContain(
      '1.02 µs to below 2.05 µs: 1 (33.33%), 100.00% up to here',
    );
  });

  it('of one unit and grid have one axis', () => {
    const svg = histogramSvg([histogramOf([2], LOG2), histogramOf([900], LOG2)]);
    const [low, high] = svg
      .split('class="pt-name"')
      .slice(1)
      .map((panel) => titles(panel).filter((title) => title.includes('up to here')).length);
    expect(low).toBe(high);
  });

  it('refuse sizes that make no picture, in words', () => {
    expect(() => histogramSvg([], { width: 10 })).toThrow(ExportError);
    expect(() => heatMapSvg([], { width: Number.NaN })).toThrow(
      'the width of a chart must be 300 to 10000 pixels, not NaN',
    );
  });

  it('beyond 60 are counted, not drawn', () => {
    const svg = histogramSvg(Array.from({ length: 63 }, (_, i) => histogramOf([i + 1], LOG2)));
    expect(svg).toContain('3 more histograms are not drawn');
  });
});

describe('heat maps', () => {
  it('say time, bucket and count of a cell on hover, and every value once', () => {
    const points = [1, 2, 3].map((n) => ({
      time: n * 10_000,
      histogram: histogramOf(new Array<number>(n).fill(1500), LOG2),
    }));
    const cells = titles(heatMapSvg(heatMaps({ interval: 10_000, points, losses: [] })));
    expect(cells.filter((title) => title.includes('to below'))).toEqual([
      '0 to 10 s, 1.02 µs to below 2.05 µs: 1 of 1',
      '10 s to 20 s, 1.02 µs to below 2.05 µs: 2 of 2',
      '20 s to 30 s, 1.02 µs to below 2.05 µs: 3 of 3',
    ]);
  });

  it('have a colour scale with its counts, in every palette', () => {
    const maps = heatMaps(SERIES);
    for (const palette of HEAT_PALETTES) {
      const svg = heatMapSvg(maps, { palette });
      for (let shade = 1; shade <= SHADES; shade++) expect(svg).toContain(`class="pt-${palette}-${shade}"`);
      expect(svg).toContain('values in a cell');
      const brightness = Array.from({ length: SHADES }, (_, i) => luminance(heatColour(palette, i + 1)));
      for (let i = 1; i < SHADES; i++) expect(brightness[i]).toBeLessThan(brightness[i - 1]);
    }
  });

  it('of a day by the second are a few megabytes', () => {
    const points = Array.from({ length: 3000 }, (_, i) => ({
      time: i * 29_000 + 1000,
      histogram: histogramOf([i + 1, 40 * i, 2 ** (i % 30)], LOG2),
    }));
    expect(heatMapSvg(heatMaps({ interval: 1000, points, losses: [] }, { maxColumns: 240 })).length).toBeLessThan(
      2_000_000,
    );
  });
});

describe('counters', () => {
  const series: CounterSeries = {
    interval: 1000,
    points: [
      counter(1000, 10),
      counter(2000, 0, 'not-counted'),
      counter(3000, 30),
      counter(1000, 0, 'not-supported', 'cycles'),
    ],
    losses: [],
  };

  it('have a gap where nothing was counted, and say what is not supported', () => {
    const svg = counterChartSvg(series);
    checkWellFormed(svg);
    expect(titles(svg).slice(1)).toEqual(['0 to 1 s: 10', '1 s to 2 s: not counted', '2 s to 3 s: 30']);
    expect(/class="pt-course-line" d="([^"]*)"/.exec(svg)?.[1].match(/M/g)).toHaveLength(2);
    expect(svg).toContain('1 interval not counted');
    expect(svg).toContain('>not supported</text>');
    expect(svg).toContain('40 in all, 10 to 30 per interval');
  });

  it('of a day are joined to what pixels can show, and many events are counted, not drawn', () => {
    const day = Array.from({ length: 86_400 }, (_, i) => counter((i + 1) * 1000, i));
    expect(counterChartSvg({ interval: 1000, points: day, losses: [] }).length).toBeLessThan(300_000);
    const events = Array.from({ length: 50 }, (_, i) => counter(1000, 1, 'counted', `e${i}`));
    expect(counterChartSvg({ interval: 1000, points: events, losses: [] })).toContain('10 more counters are not drawn');
  });
});

describe('axes', () => {
  it('have round ticks that reach the greatest value', () => {
    expect(ticks(100, 4)).toEqual([0, 50, 100]);
    expect(ticks(193, 3)).toEqual([0, 100, 200]);
    expect(ticks(0, 3)).toEqual([0, 1]);
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e15, noNaN: true }), (greatest) => {
        const made = ticks(greatest, 4);
        expect(made.length).toBeLessThanOrEqual(7);
        expect(made[made.length - 1]).toBeGreaterThanOrEqual(greatest * 0.999);
      }),
    );
    expect(timeTicks(0, 30_000, 8)).toEqual([0, 5000, 10_000, 15_000, 20_000, 25_000, 30_000]);
    expect(timeTicks(0, 1e15, 8).length).toBeLessThan(12);
    expect([0, 450, 119_000, 150_000, 3_900_000].map(timeText)).toEqual([
      '0',
      '450 ms',
      '119 s',
      '2 min 30 s',
      '1 h 5 min',
    ]);
  });
});

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255);
  return 0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2;
}
