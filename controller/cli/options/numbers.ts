// Whole numbers and lists of them on the command line.
import { UsageError } from '../usage-error.js';

/** @throws UsageError naming `option`, unless the text is a decimal whole number from `least` to `most` */
export function parseWhole(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UsageError(`${option}: '${text}' is not a whole number from ${least} to ${most}`);
  }
  return value;
}

/** `1,22,333`; each distinct. */
export function parseIds(option: string, text: string): number[] {
  return [...new Set(text.split(',').map((part) => parseWhole(option, part, 1, 4_194_304)))];
}

/** A CPU list as perf takes it, such as `0-3,8`; returned as written. */
export function parseCpuList(option: string, text: string): string {
  const isRange = (part: string): boolean => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    return match !== null && (match[2] === undefined || Number(match[1]) <= Number(match[2]));
  };
  if (!text.split(',').every(isRange)) {
    throw new UsageError(`${option}: '${text}' is not a CPU list; give numbers and ranges, such as 0-3,8`);
  }
  return text;
}

/** A percentage from 0 to 100. */
export function parsePercent(option: string, text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 100)) throw new UsageError(`${option}: '${text}' is not a percentage from 0 to 100`);
  return value;
}

/** One of a few words. */
export function parseChoice<T extends string>(option: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new UsageError(`${option}: '${text}' is not one of ${choices.join(', ')}`);
  return found;
}
