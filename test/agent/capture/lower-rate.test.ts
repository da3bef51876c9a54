// Lower rates of perf record, and what is said of them.
import { expect, it } from 'vitest';
import { lowerRate } from '../../../agent/capture/lower-rate.js';

const CLOCK = [{ name: 'cpu-clock' }];
const TRACEPOINT = [{ name: 'sched:sched_switch' }];

it.each([
  [{ rate: { frequency: 99 }, events: CLOCK }, 0.5, { frequency: 49 }, 'from 99 to 49 Hz'],
  [{ rate: { frequency: 2 }, events: CLOCK }, 0.1, { frequency: 1 }, 'from 2 to 1 Hz'],
  [{ rate: { period: 1 }, events: TRACEPOINT }, 0.3, { period: 4 }, 'from one sample every 1 events to one every 4'],
  // What perf takes by itself.
  [{ events: [{ name: 'page-faults' }] }, 0.25, { frequency: 1000 }, 'from 4000 to 1000 Hz'],
  [{ events: TRACEPOINT }, 0.25, { period: 4 }, 'from one sample every 1 events to one every 4'],
  [{ events: [...CLOCK, ...TRACEPOINT] }, 0.5, { frequency: 2000 }, 'from 4000 to 2000 Hz'],
])('%j at %d of it', (spec, factor, rate, told) => {
  expect(lowerRate(spec, factor)).toEqual({ rate, told });
});

it('there is none below one per second, or above a period that nothing reaches', () => {
  expect(lowerRate({ rate: { frequency: 1 }, events: CLOCK }, 0.5)).toBeUndefined();
  expect(lowerRate({ rate: { period: 2 ** 40 }, events: CLOCK }, 0.5)).toBeUndefined();
});
