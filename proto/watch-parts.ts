// A watch as the captures that it is made of: what it counts, and what a firing records.
import type { RecordSpec, Restraint, StatSpec, WatchSpec } from './capture.js';

/** undefined where nothing is counted. */
export function countersOf(spec: WatchSpec): StatSpec | undefined {
  const { target, duration, events, interval } = spec;
  if (events.length === 0) return undefined;
  return { kind: 'stat', target, duration, events, interval, perCpu: false, ...restraintOf(spec) };
}

/** Of each firing, under the id `firingId`. */
export function recordingOf(spec: WatchSpec): RecordSpec {
  return { kind: 'record', target: spec.target, ...spec.record, ...restraintOf(spec) };
}

/** Under which id the `number`th firing of a watch records. */
export function firingId(watchId: string, number: number): string {
  return `${watchId}.t${number}`;
}

function restraintOf({ budget, evenIfBusy }: WatchSpec): Restraint {
  return { ...(budget === undefined ? {} : { budget }), ...(evenIfBusy === true ? { evenIfBusy } : {}) };
}
