// What a number in a profile counts: an event and a unit.

/** pprof's ValueType: `{ type: 'page-faults', unit: 'count' }`, `{ type: 'cpu-clock', unit: 'nanoseconds' }`. */
export interface SampleType {
  readonly type: string;
  readonly unit: Unit;
}

/** Units of sample values and counters. `count` is a bare number of events. */
export type Unit = 'count' | 'nanoseconds' | 'bytes' | 'cycles';

/** Each recorded event has two columns: how often it was sampled, and the weight (period) those samples stand for. */
export function samplesOf(event: string): SampleType {
  return { type: `samples:${event}`, unit: 'count' };
}

/** The weight column of an event: the sum of the periods of its samples, in the event's unit. */
export function weightOf(event: string): SampleType {
  return { type: event, unit: unitOf(event) };
}

/** The unit that perf counts an event in: clocks in nanoseconds, cycles in cycles, everything else in occurrences. */
export function unitOf(event: string): Unit {
  const bare = event.replace(/:[ukhHGDpPSIWeb]*$/, '');
  if (bare === 'cpu-clock' || bare === 'task-clock') return 'nanoseconds';
  if (bare === 'cycles' || bare === 'cpu-cycles') return 'cycles';
  return 'count';
}

export function sameSampleType(a: SampleType, b: SampleType): boolean {
  return a.type === b.type && a.unit === b.unit;
}

/** Whether this is a tracepoint, such as `sched:sched_switch`: a place in code, named by its subsystem. Modifiers (`cycles:u`) are not. */
export function isTracepoint(event: string): boolean {
  return /^[\w-]+:[\w-]+$/.test(event.replace(/:[ukhHGDpPSIWeb]*$/, '')) && !event.startsWith('mem:');
}
