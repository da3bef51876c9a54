// Histograms as JSON, CSV and OpenMetrics: exact, whole, and readable for a reader that knows only the format.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimalText } from '../../../controller/export/decimal-text.js';
import { findHistogramExporter, histogramExporters } from '../../../controller/export/histogram-formats.js';
import type { HistogramExport } from '../../../controller/export/histogram-json.js';
import { countOf, type Histogram } from '../../../profile/histogram.js';
import { type HistogramSeries, mergeHistogramSeries } from '../../../profile/histogram-series.js';
import { drawnHistogram, histogramOf, LOG2 } from '../../profile/arbitrary-histogram.js';
import { readOpenMetrics } from './read-openmetrics.js';

const LINEAR = { kind: 'linear', from: 0, to: 90, step: 10 } as const;

function written(name: string, data: HistogramExport): string {
  return [...(findHistogramExporter(name)?.write(data) ?? [])].map((part) => part.toString()).join('');
}

function ofHosts(hosts: Readonly<Record<string, readonly Histogram[]>>): HistogramExport {
  const series = Object.entries(hosts).map(([host, histograms]) => ({
    host,
    series: { interval: 1000, points: histograms.map((histogram) => ({ time: 1000, histogram })), losses: [] },
  }));
  return { jobId: 'j1', merged: mergeHistogramSeries(series.map((of) => of.series)), hosts: series };
}

const title = fc.oneof(
  fc.constantFrom('page fault latency', 'page-fault latency', 'queue count', 'x', 'x count', '', 'sum', '9 lives'),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const labels = fc.array(
  fc.record({
    key: fc.oneof(fc.constantFrom('le', 'job', 'host', '__name__', 'fault_type', '', '1'), fc.string()),
    value: fc.string({ unit: 'binary' }),
  }),
  { maxLength: 3 },
);
const anyHistogram: fc.Arbitrary<Histogram> = fc
  .record({
    drawn: fc.oneof(drawnHistogram('log2'), drawnHistogram('linear')),
    title,
    labels,
    unit: fc.constantFrom('ns', 'us', 'ms', 's', 'bytes', 'pages', '', 'count', 'x_count', 'constructor', 'm/s'),
  })
  .map(({ drawn, ...facts }) => ({ ...drawn.histogram, ...facts }));
const anyExport = fc.dictionary(fc.string(), fc.array(anyHistogram, { maxLength: 4 }), { maxKeys: 3 }).map(ofHosts);

it('every format is under its own name, and people say json, csv and svg', () => {
  for (const [name, exporter] of Object.entries(histogramExporters)) {
    expect(exporter.format).toBe(name);
    expect(exporter.extension).toMatch(/^\.[a-z.]+$/);
  }
  expect(['json', 'csv', 'svg', 'openmetrics'].map((name) => findHistogramExporter(name)?.format)).toEqual([
    'hist-json',
    'hist-csv',
    'hist-svg',
    'openmetrics',
  ]);
  expect(findHistogramExporter('folded')).toBeUndefined();
});

describe('JSON', () => {
  it('has what the issue of a histogram asks for, exact, with open bounds as null', () => {
    const minor = { title: 'page fault latency', labels: [{ key: 'fault_type', value: 'MINOR' }] };
    const json = JSON.parse(written('json', ofHosts({ db1: [histogramOf([900, 1100, 1200], LOG2, minor)] })));
    expect(json).toMatchObject({ format: 'perftrawl-histograms', version: 1, job: 'j1', intervalMs: 1000, losses: [] });
    expect(json.totals.map((total: { host: string | null }) => total.host)).toEqual([null, 'db1']);
    expect(json.points[1]).toMatchObject({
      timeMs: 1000,
      host: 'db1',
      intervalMs: 1000,
      title: 'page fault latency',
      labels: { fault_type: 'MINOR' },
      unit: 'ns',
      scale: { kind: 'log2' },
      count: 3,
      buckets: [
        { from: 512, to: 1024, count: 1 },
        { from: 1024, to: 2048, count: 2 },
      ],
      underflow: 0,
      overflow: 0,
      sum: 3200,
      min: 900,
      max: 1200,
    });
    expect(json.points[1].percentiles[0]).toMatchObject({ percent: 50, low: 1024, high: 1200 });
    const { min: _, max: __, ...bare } = histogramOf([-5, 500], LINEAR);
    const open = JSON.parse(written('json', ofHosts({ db1: [bare] })));
    expect(
      open.points[0].percentiles.map((found: { low: number | null; high: number | null }) => [found.low, found.high]),
    ).toEqual([
      [null, -1],
      [100, null],
      [100, null],
      [100, null],
    ]);
  });

  it('gives back every bucket and keeps labels apart whatever their names', () => {
    fc.assert(
      fc.property(anyExport, (data) => {
        const json = JSON.parse(written('json', data));
        const points = data.hosts.flatMap(({ series }) => series.points);
        const own = json.points.filter((point: { host: string | null }) => point.host !== null);
        expect(own.map((point: Histogram) => [point.title, point.buckets, point.underflow, point.overflow])).toEqual(
          points.map(({ histogram }) => [histogram.title, histogram.buckets, histogram.underflow, histogram.overflow]),
        );
        expect(own.map((point: Histogram) => Object.values(point.labels).length)).toEqual(
          points.map(({ histogram }) => histogram.labels.length),
        );
      }),
    );
  });
});

describe('CSV', () => {
  it('has a row per bucket, and rows open at one end for what lies outside', () => {
    const data = ofHosts({
      '=db,1': [histogramOf([5, 6, 55, -3, 400], LINEAR, { title: 'a "b"', labels: [{ key: '', value: '@x' }] })],
    });
    expect(written('csv', data)).toBe(
      [
        'time_ms,host,title,unit,scale,label_key,from,to,count',
        `1000,"'=db,1","a ""b""",ns,linear,'@x,,0,1`,
        `1000,"'=db,1","a ""b""",ns,linear,'@x,0,10,2`,
        `1000,"'=db,1","a ""b""",ns,linear,'@x,50,60,1`,
        `1000,"'=db,1","a ""b""",ns,linear,'@x,100,,1`,
        '',
      ].join('\r\n'),
    );
  });

  it('adds up to all values, by host where there are hosts', () => {
    const data = ofHosts({ a: [histogramOf([1, 2, 3], LOG2)], b: [histogramOf([3, 4], LOG2)] });
    const sum = (text: string) =>
      text
        .split('\r\n')
        .slice(1, -1)
        .reduce((total, row) => total + Number(row.split(',').at(-1)), 0);
    expect(sum(written('csv', data))).toBe(5);
    expect(sum(written('csv', { ...data, hosts: [] }))).toBe(5);
  });
});

describe('OpenMetrics', () => {
  it('has cumulative buckets in base units, exact to the digit', () => {
    const minor = { title: 'page fault latency', labels: [{ key: 'fault_type', value: 'MI"N\\O\nR' }] };
    expect(written('openmetrics', ofHosts({ db1: [histogramOf([900, 1100, 1200, 70_000], LOG2, minor)] }))).toBe(
      `# TYPE perftrawl_page_fault_latency_seconds histogram
# UNIT perftrawl_page_fault_latency_seconds seconds
# HELP perftrawl_page_fault_latency_seconds page fault latency
perftrawl_page_fault_latency_seconds_bucket{job="j1",host="db1",fault_type="MI\\"N\\\\O\\nR",le="0.000000511"} 0
perftrawl_page_fault_latency_seconds_bucket{job="j1",host="db1",fault_type="MI\\"N\\\\O\\nR",le="0.000001023"} 1
perftrawl_page_fault_latency_seconds_bucket{job="j1",host="db1",fault_type="MI\\"N\\\\O\\nR",le="0.000002047"} 3
perftrawl_page_fault_latency_seconds_bucket{job="j1",host="db1",fault_type="MI\\"N\\\\O\\nR",le="0.000065535"} 3
perftrawl_page_fault_latency_seconds_bucket{job="j1",host="db1",fault_type="MI\\"N\\\\O\\nR",le="0.000131071"} 4
perftrawl_page_fault_latency_seconds_bucket{job="j1",host="db1",fault_type="MI\\"N\\\\O\\nR",le="+Inf"} 4
perftrawl_page_fault_latency_seconds_count{job="j1",host="db1",fault_type="MI\\"N\\\\O\\nR"} 4
perftrawl_page_fault_latency_seconds_sum{job="j1",host="db1",fault_type="MI\\"N\\\\O\\nR"} 0.0000732
# EOF
`,
    );
  });

  it('keeps the rules of the format, whatever titles, labels, units and hosts there are', () => {
    fc.assert(
      fc.property(anyExport, (data) => {
        const families = readOpenMetrics(written('openmetrics', data));
        const sources: { series: HistogramSeries }[] =
          data.hosts.length > 0 ? [...data.hosts] : [{ series: data.merged }];
        const all = sources
          .flatMap(({ series }) => series.points)
          .reduce((sum, { histogram }) => sum + countOf(histogram), 0);
        const read = families.flatMap(({ series }) => series).reduce((sum, { count }) => sum + count, 0);
        expect(read).toBe(all);
      }),
      { numRuns: 300 },
    );
  });

  it('gives all hosts of a family the same bounds, so that they can be added', () => {
    const [family] = readOpenMetrics(
      written('openmetrics', ofHosts({ a: [histogramOf([1, 2, 3], LOG2)], b: [histogramOf([900], LOG2)] })),
    );
    const [a, b] = family.series.map((series) => series.buckets.map(([le]) => le));
    expect(a).toEqual(b);
    expect(family.series.map((series) => series.sum)).toEqual([6e-9, 9e-7]);
  });

  it('counts underflow below the range, overflow at the end, and gives no sum of what may be negative', () => {
    const [family] = readOpenMetrics(
      written('openmetrics', ofHosts({ a: [histogramOf([-5, 15, 200, 300], LINEAR, { unit: 'bytes' })] })),
    );
    expect(family).toMatchObject({ name: 'perftrawl_latency_bytes', unit: 'bytes' });
    expect(family.series[0].buckets).toEqual([
      ['-1.0', 1],
      ['9.0', 1],
      ['19.0', 2],
      ['+Inf', 4],
    ]);
    expect(family.series[0].sum).toBeUndefined();
  });

  it('is a file of nothing for nothing', () => {
    expect(written('openmetrics', { jobId: '', merged: { interval: 0, points: [], losses: [] }, hosts: [] })).toBe(
      '# EOF\n',
    );
  });
});

it('decimals are exact', () => {
  expect([
    decimalText(2047n, -9),
    decimalText(0n, -9),
    decimalText(-1n, 0),
    decimalText(9_223_372_036_854_775_807n, -9),
  ]).toEqual(['0.000002047', '0.0', '-1.0', '9223372036.854775807']);
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }), fc.constantFrom(-9, -6, -3, 0), (value, exponent) => {
      expect(Number(decimalText(value, exponent))).toBe(Number(`${value}e${exponent}`));
    }),
  );
});
