// Lengths of time and moments, as people read them.
import type { Milliseconds } from '../../../proto/capture.js';

/** 450 -> `450 ms`, 1500 -> `1.5 s`, 90000 -> `1 min 30 s`; nothing took less than no time, even if the clock was set back. */
export function durationText(length: Milliseconds): string {
  const value = Math.max(0, length);
  if (value < 1000) return `${Math.round(value)} ms`;
  if (value < 60_000) return `${(value / 1000).toFixed(1)} s`;
  const seconds = Math.round(value / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** In UTC: `2026-03-01 12:30:05`; `-` for 0. */
export function momentText(time: number): string {
  return time === 0 ? '-' : new Date(time).toISOString().slice(0, 19).replace('T', ' ');
}
