// A watch as the captures that it is made of: what it counts, what a firing records, what it keeps of the time before.
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

/** Of the time before each firing, under the id `lookBackId`; undefined where nothing is kept. */
export function lookBackOf(spec: WatchSpec): RecordSpec | undefined {
  return spec.lookBack === 0 ? undefined : { ...recordingOf(spec), duration: spec.lookBack, keepRaw: false };
}

/** Under which id the `number`th firing of a watch records. */
export function firingId(watchId: string, number: number): string {
  return `${watchId}.t${number}`;
}

export function lookBackId(watchId: string, number: number): string {
  return `${watchId}.b${number}`;
}

function restraintOf({ budget, evenIfBusy }: WatchSpec): Restraint {
  return { ...(budget === undefined ? {} : { budget }), ...(evenIfBusy === true ? { evenIfBusy } : {}) };
}
