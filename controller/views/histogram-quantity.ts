// Values of histograms as people read them: in the largest unit that fits, with three figures.
import type { Quantile } from '../../profile/histogram-percentiles.js';
import { printable } from './printable.js';

export interface QuantityOptions {
  /** `us` for `µs`, `>=` for `≥`. Default false. */
  readonly ascii?: boolean;
}

/** `1.5 µs`, `64 KiB`, `12 tasks`, `1,234` where no unit is known. At most three figures but for whole numbers below 100,000. */
export function quantityText(value: number, unit: string, options: QuantityOptions = {}): string {
  const nanoseconds = NANOSECONDS[unit];
  if (nanoseconds !== undefined) return timeText(value * nanoseconds, options.ascii === true);
  const bytes = BYTES[unit];
  if (bytes !== undefined) return stepped(value * bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']);
  const number = Math.abs(value) < 100_000 ? grouped(value) : stepped(value, 1000, ['', 'K', 'M', 'G', 'T', 'P', 'E']);
  return unit === '' || unit === 'count' ? number : `${number} ${printable(unit)}`;
}

/** A percentile: `1.5 µs`, `≥ 110` where only overflow is known, `< 0` where only underflow is. */
export function quantileText({ value, low, high }: Quantile, unit: string, options: QuantityOptions = {}): string {
  if (high === Number.POSITIVE_INFINITY) {
    return low === Number.NEGATIVE_INFINITY ? '?' : `${options.ascii ? '>=' : '≥'} ${quantityText(low, unit, options)}`;
  }
  const text = quantityText(value, unit, options);
  return low === Number.NEGATIVE_INFINITY ? `${options.ascii ? '<=' : '≤'} ${text}` : text;
}

/** The same with the bounds that the bucket proves: `1.5 µs (1.02 µs to 2.05 µs)`. */
export function boundedQuantileText(quantile: Quantile, unit: string, options: QuantityOptions = {}): string {
  const text = quantileText(quantile, unit, options);
  if (!Number.isFinite(quantile.low) || !Number.isFinite(quantile.high)) return text;
  const [low, high] = [quantile.low, quantile.high].map((bound) => quantityText(bound, unit, options));
  return low === high ? text : `${text} (${low} to ${high})`;
}

/** Nanoseconds in each unit of time that scripts name. */
export const NANOSECONDS: Readonly<Record<string, number | undefined>> = Object.assign(Object.create(null), {
  ns: 1,
  nanoseconds: 1,
  us: 1e3,
  µs: 1e3,
  microseconds: 1e3,
  ms: 1e6,
  msec: 1e6,
  milliseconds: 1e6,
  s: 1e9,
  sec: 1e9,
  seconds: 1e9,
});

/** Bytes in each unit of size that scripts name. */
export const BYTES: Readonly<Record<string, number | undefined>> = Object.assign(Object.create(null), {
  B: 1,
  bytes: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
});

function timeText(nanoseconds: number, isAscii: boolean): string {
  return stepped(nanoseconds, 1000, ['ns', isAscii ? 'us' : 'µs', 'ms', 's']);
}

function stepped(value: number, base: number, units: readonly string[]): string {
  let step = 0;
  let scaled = value;
  // 999.7 ns is written as 1 µs, not as 1000 ns.
  while (Math.abs(Number(scaled.toPrecision(3))) >= base && step < units.length - 1) {
    scaled /= base;
    step++;
  }
  return `${grouped(scaled)} ${units[step]}`.trimEnd();
}

/** Three figures, or all before the point. */
function grouped(value: number): string {
  const size = Math.abs(value);
  const decimals = Number.isInteger(value) ? 0 : size < 10 ? 2 : size < 100 ? 1 : 0;
  const [whole, fraction = ''] = size.toFixed(decimals).split('.');
  const rest = fraction.replace(/0+$/, '');
  const sign = value < 0 && Number(size.toFixed(decimals)) !== 0 ? '-' : '';
  return `${sign}${whole.replace(/\B(?=(\d{3})+$)/g, ',')}${rest === '' ? '' : `.${rest}`}`;
}
