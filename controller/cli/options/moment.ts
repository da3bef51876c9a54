// Moments on the command line: so long ago (`2h`, `7d`), or a date with or without a time, in UTC.
import { UsageError } from '../usage-error.js';
import { parseLifetime } from './duration.js';

const DATE = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?Z?$/;

/** Milliseconds since 1970 UTC. @throws UsageError naming `option` */
export function parseMoment(option: string, text: string, now: number): number {
  if (/^\d+[smhd]$/.test(text)) return now - parseLifetime(option, text);
  const iso = text.replace(' ', 'T').replace(/Z$/, '');
  const time = DATE.test(text) ? Date.parse(iso.includes('T') ? `${iso}Z` : iso) : Number.NaN;
  if (Number.isFinite(time)) return time;
  throw new UsageError(
    `${option}: '${text}' is neither so long ago, such as 2h or 7d, nor a moment such as 2026-03-01T12:30 (UTC)`,
  );
}
