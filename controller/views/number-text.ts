// Numbers as people read them. The same on every machine: no locale.
import type { Unit } from '../../profile/sample-type.js';

/** `1234567` as `1,234,567`; not for fractions. */
export function withCommas(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A share of `total` with so many decimals: `12.34%`; `-` of nothing. */
export function percentText(part: number, total: number, decimals = 2): string {
  return total === 0 ? '-' : `${((100 * part) / total).toFixed(decimals)}%`;
}

/** A weight in the largest unit that fits: `1.50 s`, `3.2 MiB`, `12,345`. Rounded; use withCommas where every unit counts. */
export function weightText(value: number, unit: Unit): string {
  if (unit === 'nanoseconds') return stepped(value, 1000, ['ns', 'us', 'ms', 's']);
  if (unit === 'bytes') return stepped(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
  return withCommas(value);
}

function stepped(value: number, base: number, units: readonly string[]): string {
  let step = 0;
  let scaled = value;
  while (scaled >= base && step < units.length - 1) {
    scaled /= base;
    step++;
  }
  return `${step === 0 ? withCommas(scaled) : scaled.toFixed(scaled < 10 ? 2 : 1)} ${units[step]}`;
}

/** A counter value: whole numbers with commas, others with three decimals at most. */
export function valueText(value: number): string {
  if (Number.isInteger(value)) return value < 0 ? `-${withCommas(-value)}` : withCommas(value);
  if (Math.abs(value) >= 1000) return valueText(Math.round(value));
  return value.toFixed(3).replace(/\.?0+$/, '');
}
