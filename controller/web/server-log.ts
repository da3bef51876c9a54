// What a server tells about itself: one JSON object per line.
import type { Writable } from 'node:stream';
import type { Failure } from '../../proto/failure.js';

export interface LogEntry {
  readonly level: 'info' | 'warning' | 'error';
  readonly event: string;
  readonly [detail: string]: string | number | boolean | Failure | undefined;
}

export type ServerLog = (entry: LogEntry) => void;

/** @param now milliseconds since 1970 UTC */
export function serverLog(to: Writable, now: () => number): ServerLog {
  return ({ level, event, ...details }) => {
    // A reader that does not keep up loses lines rather than memory.
    if (to.writableLength > 1024 ** 2) return;
    to.write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, event, ...details })}\n`);
  };
}
