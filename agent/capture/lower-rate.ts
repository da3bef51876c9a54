// A lower rate of sampling for a recording that costs too much. Pure.
import type { RecordSpec } from '../../proto/capture.js';

export interface LowerRate {
  readonly rate: NonNullable<RecordSpec['rate']>;
  /** `from 99 to 49 Hz`, `from one sample every event to one every 16`. */
  readonly told: string;
}

/** What perf record takes where it is told nothing (record.c), but for tracepoints, of which it takes each. */
const PERF_FREQUENCY = 4000;
const LARGEST_PERIOD = 2 ** 40;

/** @param factor of the present rate, below 1 @returns undefined when there is no lower one */
export function lowerRate(
  { rate, events }: Pick<RecordSpec, 'rate' | 'events'>,
  factor: number,
): LowerRate | undefined {
  const now = rate ?? (events.every(({ name }) => isTracepoint(name)) ? { period: 1 } : { frequency: PERF_FREQUENCY });
  if ('frequency' in now) {
    const frequency = Math.max(1, Math.floor(now.frequency * factor));
    if (frequency >= now.frequency) return undefined;
    return { rate: { frequency }, told: `from ${now.frequency} to ${frequency} Hz` };
  }
  const period = Math.ceil(now.period / factor);
  if (period > LARGEST_PERIOD) return undefined;
  return { rate: { period }, told: `from one sample every ${now.period} events to one every ${period}` };
}

function isTracepoint(event: string): boolean {
  return /^[a-z_]\w*:\w{3,}/i.test(event);
}
