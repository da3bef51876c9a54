// The table of formats, and the formats that need no oracle: folded, JSON, CSV.
import { expect, test } from 'vitest';
import { exporters, findExporter } from '../../../controller/export/formats.js';
import type { CounterSeries } from '../../../profile/counter-series.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { writtenText } from './written.js';

const SERIES: CounterSeries = {
  interval: 1000,
  points: [
    { time: 1000, event: 'page-faults', scope: '', status: 'counted', value: 12, unit: '', runningPercent: 100 },
    { time: 1000, event: 'cycles', scope: 'a,"b"', status: 'not-supported', value: 0, unit: '', runningPercent: 0 },
    { time: 2000, event: '=cmd()', scope: '', status: 'counted', value: 1.5, unit: 'msec', runningPercent: 50 },
  ],
  losses: [{ kind: 'not-supported', count: 1, detail: 'cycles' }],
};

test('every format is under its own name, with what a caller needs to offer it', () => {
  for (const [name, exporter] of Object.entries(exporters)) {
    expect(exporter.format).toBe(name);
    expect(exporter.extension).toMatch(/^\.[a-z.]+$/);
    expect(exporter.describe).not.toBe('');
  }
});

test('people say json and csv for counters too', () => {
  expect(findExporter('json', 'profile')?.format).toBe('json');
  expect(findExporter('json', 'series')?.format).toBe('series-json');
  expect(findExporter('csv', 'series')?.format).toBe('series-csv');
  expect(findExporter('perf-script', 'profile')?.needs).toBe('timed');
  expect(findExporter('svg', 'series')).toBeUndefined();
  expect(findExporter('csv', 'profile')).toBeUndefined();
});

test('folded stacks: sorted, each once, annotated and with addresses on request', () => {
  const profile = drawProfile(`
    {comm=b_c pid=7 tid=8} main;read@[kernel.kallsyms] 2
    {comm=b_c pid=7 tid=9} main;read@[kernel.kallsyms] 3
    {comm=a pid=1 tid=1} jitted@/tmp/perf-1.map;?0x1f@/lib/libc.so.6 1
  `);
  expect(writtenText('folded', profile)).toBe('a;jitted;[libc.so.6] 1\nb_c;main;read 5\n');
  expect(writtenText('folded', profile, { annotate: { kernel: true, jit: true }, withAddresses: true })).toBe(
    'a;jitted_[j];[libc.so.6 <1f>] 1\nb_c;main;read_[k] 5\n',
  );
  expect(writtenText('folded', profile, { process: 'comm-pid-tid' })).toBe(
    'a-1/1;jitted;[libc.so.6] 1\nb_c-7/8;main;read 2\nb_c-7/9;main;read 3\n',
  );
});

test('JSON holds every table, and its indices lead from samples to names', () => {
  const json = JSON.parse(
    writtenText(
      'json',
      drawProfile('{comm=app host=h} main;outer>inner 3\n - 1\n ?0xffffffff81000010@- 1', {
        timed: true,
        startTime: 1_700_000_000_000,
        losses: [{ kind: 'throttled', count: 2, detail: 'h' }],
      }),
    ),
  );
  expect(json).toMatchObject({
    format: 'perftrawl-profile',
    version: 1,
    startTime: '2023-11-14T22:13:20.000Z',
    totals: [5, 5],
    losses: [{ kind: 'throttled', count: 2, detail: 'h' }],
    mappings: [{ filename: '/bin/app', buildId: '' }],
  });
  const [sample, bare, unnamed] = json.samples;
  expect(sample).toMatchObject({ labels: { comm: 'app', host: 'h' }, values: [3, 3] });
  const leaf = json.locations[json.stacks[sample.stack].location];
  expect(leaf.lines.map((line: { function: number }) => json.functions[line.function].name)).toEqual([
    'inner',
    'outer',
  ]);
  expect(bare.stack).toBeNull();
  expect(json.locations[json.stacks[unnamed.stack].location]).toEqual({
    mapping: null,
    address: '0xffffffff81000010',
    lines: [],
  });
  expect(json.timedSamples).toHaveLength(5);
});

test('JSON of an empty profile is JSON', () => {
  expect(JSON.parse(writtenText('json', drawProfile('')))).toMatchObject({
    samples: [],
    stacks: [],
    timedSamples: [],
    startTime: null,
  });
});

test('counters as JSON: what was not counted is null', () => {
  const json = JSON.parse(seriesText('series-json', SERIES));
  expect(json).toMatchObject({ format: 'perftrawl-series', intervalMs: 1000, losses: SERIES.losses });
  expect(json.points.map((point: { value: number | null }) => point.value)).toEqual([12, null, 1.5]);
  expect(JSON.parse(seriesText('series-json', { interval: 0, points: [], losses: [] })).points).toEqual([]);
});

test('counters as CSV: quoted where needed, and nothing that a spreadsheet would run', () => {
  expect(seriesText('series-csv', SERIES).split('\r\n')).toEqual([
    'time_ms,event,scope,status,value,unit,running_percent',
    '1000,page-faults,,counted,12,,100',
    '1000,cycles,"a,""b""",not-supported,,,',
    "2000,'=cmd(),,counted,1.5,msec,50",
    '',
  ]);
});

function seriesText(format: 'series-json' | 'series-csv', series: CounterSeries): string {
  const exporter = exporters[format];
  if (exporter.needs !== 'series') throw new Error(`${format} is not for series`);
  return [...exporter.write(series)].join('');
}
