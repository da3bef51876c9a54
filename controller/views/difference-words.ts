// Normalised figures of a comparison as people read them.
import type { Unit } from '../../profile/sample-type.js';
import { percentText, weightText } from './number-text.js';
import type { DifferenceOptions } from './profile-difference.js';

export interface DifferenceWords {
  /** `share`, `weight per second and host`. */
  readonly normalisation: string;
  /** A figure of one side: `12.34%`, `1.50 ms/s`. */
  value(value: number): string;
  /** With its sign, shares in points: `+1.20 pp`, `-3.1 ms/s`. */
  change(change: number): string;
}

/** @param unit that the weight is counted in */
export function differenceWords(
  { normalisation, countSamples = false }: DifferenceOptions,
  unit: Unit,
): DifferenceWords {
  const sign = (change: number): string => (change < 0 ? '-' : '+');
  if (normalisation === 'shares') {
    return {
      normalisation: 'share',
      value: (value) => percentText(value, 1),
      change: (change) => `${sign(change)}${(100 * Math.abs(change)).toFixed(2)} pp`,
    };
  }
  const counted = countSamples ? 'count' : unit;
  return {
    normalisation: `${countSamples ? 'samples' : 'weight'} per second and host`,
    value: (value) => `${rateText(value, counted)}/s`,
    change: (change) => `${sign(change)}${rateText(Math.abs(change), counted)}/s`,
  };
}

/** Small rates are no whole numbers. */
function rateText(value: number, unit: Unit): string {
  const isBare = unit === 'count' || unit === 'cycles';
  return isBare && value < 100 ? String(Number(value.toPrecision(3))) : weightText(value, unit);
}
