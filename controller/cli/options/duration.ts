// Durations on the command line: `500ms`, `30s`, `5m`, `1h`.
import type { Milliseconds } from '../../../proto/capture.js';
import { UsageError } from '../usage-error.js';

const UNITS: Readonly<Record<string, Milliseconds>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const LONGEST: Milliseconds = 24 * 3_600_000;

/** @throws UsageError naming `option`, for anything but a positive number with a unit, at most a day */
export function parseDuration(option: string, text: string): Milliseconds {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const value = match === null ? Number.NaN : Math.round(Number(match[1]) * UNITS[match[2]]);
  if (!(value >= 1)) {
    throw new UsageError(
      `${option}: '${text}' is not a duration; give a number and a unit, such as 500ms, 30s, 5m or 1h`,
    );
  }
  if (value > LONGEST) throw new UsageError(`${option}: '${text}' is longer than 24h, the longest capture`);
  return value;
}

/** How long something is good, such as a token. @throws UsageError naming `option`, unless it is from 1s to ten years, as 1h or 30d */
export function parseLifetime(option: string, text: string): Milliseconds {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) * (match[2] === 'd' ? 24 * UNITS.h : UNITS[match[2]]);
  if (!(value >= UNITS.s && value <= 3650 * 24 * UNITS.h)) {
    throw new UsageError(
      `${option}: '${text}' is not from 1s to 3650d; give a number and a unit, such as 30m, 1h or 7d`,
    );
  }
  return value;
}

/** `0`: not at all; else as `parseDuration`, at least 100 ms. */
export function parsePrintInterval(option: string, text: string): Milliseconds {
  if (/^0(ms|s|m|h)?$/.test(text)) return 0;
  const interval = parseDuration(option, text);
  if (interval < 100) throw new UsageError(`${option}: '${text}' is too short; scripts print every 100 ms at most`);
  return interval;
}

/** As `parseDuration`, and a bare number is milliseconds, as in `perf stat -I 1000`. */
export function parseInterval(option: string, text: string): Milliseconds {
  const interval = parseDuration(option, /^\d+$/.test(text) ? `${text}ms` : text);
  if (interval < 10) throw new UsageError(`${option}: '${text}' is too short; perf takes intervals of 10 ms and more`);
  return interval;
}
