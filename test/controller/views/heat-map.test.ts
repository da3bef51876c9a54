// Heat maps: every value in one cell, whatever the intervals and buckets, and a drawing of them for terminals.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { heatMaps, leastOfShade, shadeOf } from '../../../controller/views/heat-map.js';
import { heatMapText } from '../../../controller/views/heat-map-text.js';
import { countOf } from '../../../profile/histogram.js';
import type { HistogramSeries } from '../../../profile/histogram-series.js';
import { histogramOf, LOG2, linearScale, values } from '../../profile/arbitrary-histogram.js';

const drawnSeries: fc.Arbitrary<HistogramSeries> = fc
  .record({
    interval: fc.constantFrom(0, 1000),
    points: fc.array(
      fc.record({
        time: fc.integer({ min: 1, max: 40_000 }),
        drawn: values,
        scale: fc.oneof(fc.constant(LOG2), linearScale),
      }),
      { maxLength: 30 },
    ),
  })
  .map(({ interval, points }) => ({
    interval,
    points: points
      .sort((a, b) => a.time - b.time)
      .map(({ time, drawn, scale }) => ({ time, histogram: histogramOf(drawn, scale) })),
    losses: [],
  }));

describe('the grid', () => {
  it('has every value in one cell, and no more rows and columns than asked for', () => {
    fc.assert(
      fc.property(
        drawnSeries,
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 4, max: 70 }),
        (series, maxColumns, maxRows) => {
          const maps = heatMaps(series, { maxColumns, maxRows });
          const all = series.points.reduce((sum, { histogram }) => sum + countOf(histogram), 0);
          expect(maps.reduce((sum, map) => sum + map.total, 0)).toBe(all);
          for (const map of maps) {
            expect(map.counts.reduce((sum, count) => sum + count, 0)).toBe(map.total);
            expect(map.columns.length).toBeLessThanOrEqual(maxColumns);
            expect(map.rows.length).toBeLessThanOrEqual(maxRows + 2);
            for (let i = 1; i < map.rows.length; i++) expect(map.rows[i].from).toBe(map.rows[i - 1].to);
            for (const [c, column] of map.columns.entries()) {
              expect(column.start).toBe(c === 0 ? 0 : map.columns[c - 1].end);
            }
          }
        },
      ),
    );
  });

  it('has a column for an interval in which nothing happened', () => {
    const point = (time: number) => ({ time, histogram: histogramOf([5], LOG2) });
    const [map] = heatMaps({ interval: 1000, points: [point(1000), point(4000)], losses: [] });
    expect(map.columns.map(({ start, end, count }) => [start, end, count])).toEqual([
      [0, 1000, 1],
      [1000, 2000, 0],
      [2000, 3000, 0],
      [3000, 4000, 1],
    ]);
    expect(map.columns[1]).toMatchObject({ p50: undefined, p99: undefined });
  });

  it('is small for times and values of any size', () => {
    const scale = { kind: 'linear', from: 0, to: 2 ** 52, step: 1 } as const;
    const points = [{ time: 1e15, histogram: histogramOf([0, 2 ** 52], scale) }];
    const [map] = heatMaps({ interval: 1, points, losses: [] });
    expect(map.counts.length).toBeLessThanOrEqual(400 * 66);
    expect(map.total).toBe(2);
  });

  it('is none for no points', () => {
    expect(heatMaps({ interval: 1000, points: [], losses: [] })).toEqual([]);
  });
});

it('a value is in the column of its time and the row of its bucket', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9_999 }), fc.integer({ min: -5000, max: 5000 }), (time, single) => {
      const [map] = heatMaps({ interval: 100, points: [{ time, histogram: histogramOf([single], LOG2) }], losses: [] });
      const at = map.counts.indexOf(1);
      const [row, column] = [map.rows[Math.floor(at / map.columns.length)], map.columns[at % map.columns.length]];
      expect(single >= row.from && single < row.to).toBe(true);
      expect(time > column.start && time <= column.end).toBe(true);
    }),
  );
});

describe('shades', () => {
  it('rise with the count, from 1 for one value to the last for the most', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 12 }),
        (a, b, levels) => {
          const [few, most] = [Math.min(a, b), Math.max(a, b)];
          expect(shadeOf(0, most, levels)).toBe(0);
          expect(shadeOf(few, most, levels)).toBeGreaterThanOrEqual(1);
          expect(shadeOf(few, most, levels)).toBeLessThanOrEqual(shadeOf(most, most, levels));
          expect(shadeOf(most, most, levels)).toBe(levels);
        },
      ),
    );
  });

  it('have a legend that says the least count of each', () => {
    for (const most of [1, 2, 3, 28, 999, 123_456]) {
      for (let shade = 2; shade <= 10; shade++) {
        const least = leastOfShade(shade, most, 10);
        if (shadeOf(least, most, 10) < shade) continue;
        expect(least === 1 || shadeOf(least - 1, most, 10) < shade).toBe(true);
      }
    }
  });
});

describe('on a terminal', () => {
  const points = [1, 2, 3, 4].map((second) => ({
    time: second * 1000,
    histogram: histogramOf([...new Array<number>(second ** 4).fill(100), ...(second === 4 ? [5000] : [])], LOG2, {
      title: 'latency',
      labels: [{ key: 'fault_type', value: 'MAJOR\u001b[2J' }],
    }),
  }));
  const [map] = heatMaps({ interval: 1000, points, losses: [] });

  it('has high values at the top, time to the right, empty rows elided and a legend', () => {
    expect(heatMapText(map, { width: 30 })).toBe(`latency fault_type=MAJOR␛[2J
  355 values · 4 columns of 1 s
   4.1 µs ┤            ····
          ~
    64 ns ┤····▒▒▒▒▓▓▓▓████
          └────────────────
           0 s          4 s
  values in a cell: · 1  ░ 4  ▒ 10  ▓ 28  █ 85
`);
  });

  it('needs no more than ASCII, and joins columns where there is no room', () => {
    const text = heatMapText({ ...map, labels: [] }, { width: 16, ascii: true });
    expect(text).toMatch(/^[\n -~]*$/);
    expect(text).toContain('+--------\n');
    const many = heatMaps({
      interval: 10,
      points: Array.from({ length: 300 }, (_, i) => ({ time: (i + 1) * 10, histogram: histogramOf([100], LOG2) })),
      losses: [],
    })[0];
    expect(heatMapText(many, { width: 60 })).toContain('43 columns of 70 ms');
    expect(
      heatMapText(many, { width: 60 })
        .split('\n')
        .every((line) => line.length <= 60),
    ).toBe(true);
  });

  it('has colours where the terminal has them', () => {
    const text = heatMapText(map, { width: 30, colours: '256' });
    expect(text).toContain('\u001b[48;5;231m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is taken out
    expect(text.replaceAll(/\u001b\[(48;5;\d+|0)m/g, '')).not.toContain('\u001b');
  });
});
