// What chance alone does to sampled figures: how many equal samples a profile is worth, and whether two shares or rates really differ.
import type { Profile } from '../../profile/profile.js';
import { eventColumns } from './event-columns.js';

/** Standard errors that chance may explain. Of 1,000 functions that did not change, 3 pass it. */
export const CHANCE = 3;

export interface SampleSize {
  readonly weight: number;
  readonly samples: number;
  /**
   * Samples of equal weight that would tell as much (Kish's effective sample size): fewer than there are where weights differ. Periods of
   * samples of one row are taken to be equal, for no more is known of them.
   */
  readonly effective: number;
}

/** @throws UnknownEventError for an event that the profile does not have */
export function sampleSize(
  profile: Profile,
  options: { readonly event?: string; readonly countSamples?: boolean } = {},
): SampleSize {
  const columns = eventColumns(profile, options.event);
  const weights = options.countSamples === true ? columns.samples : columns.weight;
  let [weight, samples, squares] = [0, 0, 0];
  for (let row = 0; row < weights.length; row++) {
    if (weights[row] <= 0) continue;
    const count = Math.max(1, columns.samples[row]);
    weight += weights[row];
    samples += columns.samples[row];
    squares += (weights[row] * weights[row]) / count;
  }
  return { weight, samples, effective: squares === 0 ? 0 : (weight * weight) / squares };
}

/** So many of so many samples of equal weight; neither has to be whole. */
export interface Count {
  readonly count: number;
  readonly of: number;
}

/**
 * Standard errors between two shares of samples, above 0 where b's is larger: the two-proportion test on Anscombe's arcsine, which holds
 * for small counts too. Changes its sign, and nothing else, when a and b are swapped.
 */
export function shareDeviations(a: Count, b: Count): number {
  return (2 * (arcsine(b) - arcsine(a))) / Math.sqrt(1 / (a.of + 0.5) + 1 / (b.of + 0.5));
}

/** So many events in so much time (or whatever they are counted over). */
export interface Rate {
  readonly count: number;
  readonly time: number;
}

/**
 * Standard errors between two rates, above 0 where b's is higher: the test of two Poisson means on Anscombe's square root. `time` above 0.
 * Changes its sign, and nothing else, when a and b are swapped.
 */
export function rateDeviations(a: Rate, b: Rate): number {
  const root = ({ count, time }: Rate) => Math.sqrt((count + 3 / 8) / time);
  return (2 * (root(b) - root(a))) / Math.sqrt(1 / a.time + 1 / b.time);
}

/** F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika 35 (1948). */
function arcsine({ count, of }: Count): number {
  return Math.asin(Math.sqrt(Math.min(1, (count + 3 / 8) / (of + 3 / 4))));
}
