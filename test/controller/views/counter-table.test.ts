// Counters at a glance: what was not counted is never shown as 0.
import { expect, test } from 'vitest';
import { counterTable, counterTableText } from '../../../controller/views/counter-table.js';
import type { CounterPoint, CounterSeries } from '../../../profile/counter-series.js';

test('least, mean, greatest and last of each event', () => {
  const series = draw({ 'page-faults': [10, 30, 20] });
  expect(counterTable(series)).toMatchObject([
    {
      event: 'page-faults',
      scope: '',
      status: 'counted',
      min: 10,
      mean: 20,
      max: 30,
      sum: 60,
      last: 20,
      runningPercent: 100,
    },
  ]);
});

test('intervals that were not counted are gaps; an event that never was has no numbers', () => {
  const series = draw({
    cycles: ['not-supported', 'not-supported'],
    faults: [4, 'not-counted'],
    cache: ['not-counted', 'not-counted'],
  });
  expect(counterTable(series)).toMatchObject([
    { event: 'cycles', status: 'not-supported', min: undefined, last: undefined, notSupported: 2 },
    { event: 'faults', status: 'counted', min: 4, max: 4, last: undefined, notCounted: 1, values: [4, undefined] },
    { event: 'cache', status: 'not-counted', mean: undefined, notCounted: 2 },
  ]);
});

test('the text says it in perf’s words', () => {
  const series = draw({
    cycles: ['not-supported', 'not-supported'],
    'page-faults': [0, 1500],
    cache: [7, 'not-counted'],
  });
  expect(`\n${counterTableText(series)}`).toBe(`
event        min             mean    max           last  unit    ran  every 1000 ms
cycles         -  <not supported>      -              -  count     -
page-faults    0              750  1,500          1,500  count  100%  ▁█
cache          7                7      7  <not counted>  count  100%  █   1 <not counted>
`);
});

test('scopes get a column when there are any, and shared counters say how long they ran', () => {
  const points = [
    point(0, 'cycles', 10, { scope: 'CPU0', runningPercent: 33.9 }),
    point(0, 'cycles', 12, { scope: 'CPU1' }),
  ];
  const text = counterTableText({ interval: 1000, points, losses: [] });
  expect(text.split('\n')[0]).toMatch(/^event +of +min/);
  expect(text).toMatch(/cycles +CPU0 .* 33%/);
  expect(text).toMatch(/cycles +CPU1 .* 100%/);
});

test('no points, no rows', () => {
  expect(counterTable({ interval: 0, points: [], losses: [] })).toEqual([]);
});

function draw(events: Record<string, (number | 'not-counted' | 'not-supported')[]>): CounterSeries {
  const points = Object.entries(events).flatMap(([event, values]) =>
    values.map((value, i) =>
      typeof value === 'number' ? point(i, event, value) : point(i, event, 0, { status: value }),
    ),
  );
  return { interval: 1000, points, losses: [] };
}

function point(interval: number, event: string, value: number, more: Partial<CounterPoint> = {}): CounterPoint {
  return {
    time: 1000 * (interval + 1),
    event,
    scope: '',
    status: 'counted',
    value,
    unit: '',
    runningPercent: 100,
    ...more,
  };
}
