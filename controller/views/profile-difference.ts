// Two profiles side by side, function by function: by share of each, or by time and host; and what of the difference chance explains.
import type { Profile } from '../../profile/profile.js';
import type { SampleType } from '../../profile/sample-type.js';
import type { Frame } from './frame-table.js';
import { CHANCE, rateDeviations, type SampleSize, sampleSize, shareDeviations } from './sampling-noise.js';
import { type TopFunction, topFunctions } from './top-functions.js';

/** `shares`: of all that each side counted. `time`: weight per second of recorded time and host. */
export const NORMALISATIONS = ['shares', 'time'] as const;
export type Normalisation = (typeof NORMALISATIONS)[number];

/** One side of a comparison. */
export interface ComparedProfile {
  /** Of the samples that are compared, such as those of one host; see keptSamples. */
  readonly profile: Profile;
  /** Which event of it; default: its first. */
  readonly event?: string;
  /** Recorded time of all its hosts together, in milliseconds; 0 when unknown. */
  readonly recorded: number;
}

export interface DifferenceOptions {
  readonly normalisation: Normalisation;
  /** Count samples, not what they stand for. */
  readonly countSamples?: boolean;
  /** Default `self`. */
  readonly sortBy?: 'self' | 'total';
}

/** One figure of both sides, normalised: a share from 0 to 1, or weight per second and host. */
export interface Compared {
  readonly a: number;
  readonly b: number;
  /** b - a. */
  readonly change: number;
  /** b / a; undefined where a is 0. */
  readonly ratio: number | undefined;
  /** Standard errors of sampling from no change at all; above 0 where b is larger. */
  readonly deviations: number;
  /** Chance explains it: fewer than 3 standard errors. */
  readonly isNoise: boolean;
}

export interface FunctionDifference extends Frame {
  /** As counted. */
  readonly weights: {
    readonly a: { readonly self: number; readonly total: number };
    readonly b: { readonly self: number; readonly total: number };
  };
  readonly self: Compared;
  readonly total: Compared;
}

export interface DifferenceSide extends SampleSize {
  readonly event: string;
  readonly type: SampleType;
  readonly recorded: number;
}

export interface ProfileDifference {
  readonly normalisation: Normalisation;
  readonly a: DifferenceSide;
  readonly b: DifferenceSide;
  /** Of everything: by shares without news; by time whether there is more work in all. */
  readonly all: Compared;
  /**
   * What chance does not explain first, the largest change first. Self changes add up to that of `all`: samples without frames are in a
   * row of their own.
   */
  readonly functions: readonly FunctionDifference[];
}

/** The name of the row of samples without frames. */
const NO_FRAMES: Frame = { name: '[no frames]', origin: 'all', mapping: '' };

/** @throws RangeError when a side has no weight, or by time no recorded time; UnknownEventError */
export function profileDifference(
  a: ComparedProfile,
  b: ComparedProfile,
  options: DifferenceOptions,
): ProfileDifference {
  const [sideA, sideB] = [readSide(a, options), readSide(b, options)];
  const compare = comparing(sideA.facts, sideB.facts, options.normalisation);
  const { sortBy = 'self' } = options;
  const keys = new Set([...sideA.functions.keys(), ...sideB.functions.keys()]);
  const functions = [...keys].map((key): FunctionDifference => {
    const [inA, inB] = [sideA.functions.get(key), sideB.functions.get(key)];
    const [weightsA, weightsB] = [weightsOf(inA), weightsOf(inB)];
    const { name, origin, mapping } = inB ?? inA ?? NO_FRAMES;
    return {
      ...{ name, origin, mapping, weights: { a: weightsA, b: weightsB } },
      self: compare(weightsA.self, weightsB.self),
      total: compare(weightsA.total, weightsB.total),
    };
  });
  const order = (x: FunctionDifference, y: FunctionDifference): number =>
    Number(x[sortBy].isNoise) - Number(y[sortBy].isNoise) ||
    Math.abs(y[sortBy].change) - Math.abs(x[sortBy].change) ||
    byName(x, y);
  return {
    normalisation: options.normalisation,
    a: sideA.facts,
    b: sideB.facts,
    all: compare(sideA.facts.weight, sideB.facts.weight),
    functions: functions.sort(order),
  };
}

/** How weights of the two sides compare, once they are made alike. */
export function comparing(
  a: DifferenceSide,
  b: DifferenceSide,
  normalisation: Normalisation,
): (weightA: number, weightB: number) => Compared {
  const compared = (x: number, y: number, errors: number): Compared => {
    const deviations = x === y ? 0 : errors;
    return {
      ...{ a: x, b: y, change: y - x, ratio: x === 0 ? undefined : y / x },
      ...{ deviations, isNoise: Math.abs(deviations) < CHANCE },
    };
  };
  if (a.weight === 0 || b.weight === 0) throw new RangeError('a side without any weight cannot be compared');
  if (normalisation === 'shares') {
    const count = (weight: number, side: DifferenceSide) => ({
      count: (weight / side.weight) * side.effective,
      of: side.effective,
    });
    return (x, y) => compared(x / a.weight, y / b.weight, shareDeviations(count(x, a), count(y, b)));
  }
  if (a.recorded <= 0 || b.recorded <= 0) throw new RangeError('how long a side recorded is not known');
  const [secondsA, secondsB] = [a.recorded / 1000, b.recorded / 1000];
  // In samples of the side's mean weight: what is Poisson is their number.
  const rate = (weight: number, side: DifferenceSide, seconds: number) => {
    const each = side.weight / side.effective;
    return { count: weight / each, time: seconds / each };
  };
  return (x, y) => compared(x / secondsA, y / secondsB, rateDeviations(rate(x, a, secondsA), rate(y, b, secondsB)));
}

function readSide(side: ComparedProfile, options: DifferenceOptions) {
  const view = {
    ...(side.event === undefined ? {} : { event: side.event }),
    ...(options.countSamples === true ? { countSamples: true } : {}),
  };
  const top = topFunctions(side.profile, { ...view, limit: Number.POSITIVE_INFINITY });
  const facts: DifferenceSide = {
    ...{ event: top.event, type: top.type, recorded: side.recorded },
    ...sampleSize(side.profile, view),
  };
  const functions = new Map(top.functions.map((entry) => [`${entry.origin} ${entry.name}`, entry]));
  const self = top.functions.reduce((sum, entry) => sum + entry.self, 0);
  const bare = top.total - self;
  if (bare > 0) {
    functions.set('all', { ...NO_FRAMES, self: bare, total: bare, selfPercent: 0, totalPercent: 0 });
  }
  return { facts, functions };
}

function weightsOf(entry: TopFunction | undefined): { readonly self: number; readonly total: number } {
  return { self: entry?.self ?? 0, total: entry?.total ?? 0 };
}

function byName(x: Frame, y: Frame): number {
  const [a, b] = [`${x.name} ${x.origin}`, `${y.name} ${y.origin}`];
  return a < b ? -1 : a > b ? 1 : 0;
}
