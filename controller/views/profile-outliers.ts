// Which host's profile differs from the fleet's, and which functions make it so; with the measures and the thresholds used.
import type { Profile } from '../../profile/profile.js';
import type { SampleType } from '../../profile/sample-type.js';
import type { Frame } from './frame-table.js';
import { type HostMix, hostMixes } from './host-mix.js';
import { type Mix, type MixDistance, MixFleet } from './mix-distance.js';
import { CHANCE, shareDeviations } from './sampling-noise.js';
import { LEAST_HOSTS, median, spreadAround } from './spread.js';

export interface ProfileOutlierOptions {
  readonly event?: string;
  /** Count samples, not what they stand for. */
  readonly countSamples?: boolean;
  /** Which share of a function is looked at. Default `self`. */
  readonly sortBy?: 'self' | 'total';
  /** Hosts of the job: those without samples are named too. Default: those with samples. */
  readonly hosts?: readonly string[];
  /** Below so many samples (of equal weight) a host is not judged. Default 30. */
  readonly minSamples?: number;
  /** Distances that always count as alike. Default 0.1. */
  readonly minDistance?: number;
  /** Differences of shares that always count as alike. Default 0.01: one point. */
  readonly minShare?: number;
  /** Times the median absolute deviation (scaled to a standard deviation) from the median. Default 3.5. */
  readonly deviations?: number;
}

export interface ProfileOutlierRow {
  readonly host: string;
  readonly weight: number;
  readonly samples: number;
  /** Jensen-Shannon distance of its mix of functions to that of the rest; undefined when not judged. */
  readonly distance: number | undefined;
  readonly isOutlier: boolean;
  /** How many of its functions are. */
  readonly functions: number;
  /** In words: `like the others`, `another mix of functions: distance 0.31 (limit 0.12)`, `not judged: 3 samples, 30 are needed`. */
  readonly why: string;
}

/** A function on a host where its share is not what the fleet's shares and chance explain. */
export interface FunctionOutlier extends Frame {
  readonly host: string;
  /** From 0 to 1: on this host, the median of all judged hosts, and their median absolute deviation, scaled to a standard deviation. */
  readonly share: number;
  readonly median: number;
  readonly spread: number;
  /** share - median. */
  readonly change: number;
  /** Standard errors of sampling between the share and the mean of the other hosts. */
  readonly errors: number;
}

export interface ProfileOutlierReport {
  readonly event: string;
  readonly type: SampleType;
  /** Outliers first, the farthest first; then those with functions that are, then by host. */
  readonly rows: readonly ProfileOutlierRow[];
  /** The largest change first. */
  readonly functions: readonly FunctionOutlier[];
  /** Shares on judged hosts of functions that are not small everywhere, the most unlike first: for a picture of who has what. */
  readonly shares: readonly FunctionShares[];
  /** `too-few-hosts`: fewer than 4 hosts with enough samples; nobody is an outlier then. */
  readonly judgement: 'made' | 'too-few-hosts';
  /** Distance above which a host is an outlier, but for chance; undefined without judgement. */
  readonly threshold: number | undefined;
  /** What was measured and why the threshold is where it is, in a sentence. */
  readonly measure: string;
}

export interface FunctionShares extends Frame {
  readonly median: number;
  /** By host, 0 where it has none. */
  readonly hosts: readonly { readonly host: string; readonly share: number }[];
}

interface Judged extends Mix {
  readonly mix: HostMix;
  /** Shares of self, which make up the whole, are in `shares`; these are those that are looked at. */
  readonly looked: ReadonlyMap<number, number>;
}

/** @param profile of several hosts, whose samples have a label `host` @throws UnknownEventError */
export function profileOutliers(profile: Profile, options: ProfileOutlierOptions = {}): ProfileOutlierReport {
  const { minSamples = 30, minDistance = 0.1, deviations = 3.5, sortBy = 'self' } = options;
  const { event, type, frames, hosts } = hostMixes(profile, options);
  const judged = hosts
    .filter(({ effective }) => effective >= minSamples)
    .map((mix): Judged => {
      const [shares, looked] = [sharesOf(mix, 'self'), sharesOf(mix, sortBy)];
      return { mix, effective: mix.effective, shares, looked };
    });
  const isMade = judged.length >= LEAST_HOSTS;
  const fleet = isMade ? typicalFleet(judged, minDistance, deviations) : undefined;
  const distances = fleet === undefined ? new Map<string, MixDistance>() : distancesIn(fleet, judged);
  const threshold = isMade ? thresholdOf(distances, minDistance, deviations) : undefined;
  const shares = fleet === undefined ? [] : functionShares(frames, judged, options);
  const functions = fleet === undefined ? [] : functionOutliers(shares, judged, fleet, options);
  functions.sort(
    (a, b) => Math.abs(b.change) - Math.abs(a.change) || compare(a.name, b.name) || compare(a.host, b.host),
  );
  const names = new Set([...hosts.map(({ host }) => host), ...(options.hosts ?? [])]);
  const rows = [...names].map((host): ProfileOutlierRow => {
    const { weight = 0, samples = 0, effective = 0 } = hosts.find((mix) => mix.host === host) ?? {};
    const found = distances.get(host);
    const limit = Math.max(threshold ?? 0, found?.chance ?? 0);
    const isOutlier = found !== undefined && found.distance > limit;
    const count = functions.filter((row) => row.host === host).length;
    const reason =
      effective < minSamples
        ? `${Math.floor(effective)} samples, ${minSamples} are needed`
        : `fewer than ${LEAST_HOSTS} hosts to compare`;
    return {
      ...{ host, weight, samples, isOutlier, functions: count, distance: found?.distance },
      why: found === undefined ? `not judged: ${reason}` : wordsFor(found.distance, limit, isOutlier, count),
    };
  });
  return {
    ...{ event, type, functions, shares, threshold },
    rows: rows.sort(byDistance),
    judgement: isMade ? 'made' : 'too-few-hosts',
    measure: isMade
      ? `distance: of the host's mix of functions (self) to the mean mix of the other hosts that are not marked (Jensen-Shannon distance, 0 to 1). ` +
        `Marked: farther than ${fixed(threshold ?? 0)} (the greater of ${minDistance} and median + ${deviations} MAD) and than chance explains.`
      : `No judgement: it takes ${LEAST_HOSTS} hosts with ${minSamples} samples each to say which one differs; there ${judged.length === 1 ? 'is' : 'are'} ${judged.length}.`,
  };
}

/** All hosts; but where some are far from the others, those others alone, so that what is odd does not count as usual. */
function typicalFleet(judged: readonly Judged[], minDistance: number, deviations: number): MixFleet {
  const all = new MixFleet(judged);
  const distances = distancesIn(all, judged);
  const threshold = thresholdOf(distances, minDistance, deviations);
  const usual = judged.filter(({ mix }) => {
    const found = distances.get(mix.host);
    return found === undefined || found.distance <= Math.max(threshold, found.chance);
  });
  return usual.length === judged.length || usual.length < LEAST_HOSTS - 1 ? all : new MixFleet(usual);
}

function distancesIn(fleet: MixFleet, judged: readonly Judged[]): Map<string, MixDistance> {
  return new Map(judged.map((one) => [one.mix.host, fleet.distance(one)]));
}

function thresholdOf(distances: ReadonlyMap<string, MixDistance>, minDistance: number, deviations: number): number {
  const all = [...distances.values()].map(({ distance }) => distance);
  const middle = median(all);
  return Math.max(minDistance, middle + deviations * spreadAround(all, middle));
}

/** What the marks at functions mean. */
export function functionMeasure({
  minShare = 0.01,
  deviations = 3.5,
  sortBy = 'self',
}: ProfileOutlierOptions = {}): string {
  return (
    `shares (${sortBy}) of the functions that are farther from the median of the hosts than ${fixed(100 * minShare)} pp, than ${deviations} MAD, ` +
    'and than chance explains among so many functions and hosts.'
  );
}

function sharesOf(mix: HostMix, by: 'self' | 'total'): Map<number, number> {
  return new Map([...mix[by]].map(([row, weight]) => [row, weight / mix.weight]));
}

/** Of functions that have more than `minShare` somewhere: others cannot differ by so much. The most unlike first. */
function functionShares(
  frames: readonly Frame[],
  judged: readonly Judged[],
  { minShare = 0.01 }: ProfileOutlierOptions,
): FunctionShares[] {
  const rows = new Set<number>();
  for (const { looked } of judged) for (const [row, share] of looked) if (share > minShare) rows.add(row);
  const all = [...rows].map((row) => {
    const hosts = judged.map(({ mix, looked }) => ({ host: mix.host, share: looked.get(row) ?? 0 }));
    const middle = median(hosts.map(({ share }) => share));
    const farthest = hosts.reduce((most, { share }) => Math.max(most, Math.abs(share - middle)), 0);
    return { shares: { ...frames[row], median: middle, hosts }, farthest };
  });
  all.sort((a, b) => b.farthest - a.farthest || compare(a.shares.name, b.shares.name));
  return all.map(({ shares }) => shares);
}

function functionOutliers(
  shares: readonly FunctionShares[],
  judged: readonly Judged[],
  fleet: MixFleet,
  { minShare = 0.01, deviations = 3.5 }: ProfileOutlierOptions,
): FunctionOutlier[] {
  const sizes = judged.map((one) => fleet.restSize(one));
  const chance = chanceOfMany(shares.length * judged.length);
  return shares.flatMap(({ hosts, ...row }) => {
    const all = hosts.map(({ share }) => share);
    const sum = all.reduce((total, share) => total + share, 0);
    const spread = spreadAround(all, row.median);
    const limit = Math.max(minShare, deviations * spread);
    return hosts.flatMap(({ host, share }, i): FunctionOutlier[] => {
      const change = share - row.median;
      if (Math.abs(change) <= limit) return [];
      // Of rare functions the median is 0 on most hosts: what chance does is told by the mean of the others.
      const rest = Math.max(0, sum - share) / (hosts.length - 1);
      const [own, of] = [judged[i].effective, sizes[i]];
      const errors = shareDeviations({ count: rest * of, of }, { count: share * own, of: own });
      return Math.abs(errors) < chance ? [] : [{ ...row, host, share, spread, change, errors }];
    });
  });
}

/** Standard errors that chance reaches anywhere among so many comparisons in fewer than one question of 20, by the bound exp(-x²/2). */
function chanceOfMany(comparisons: number): number {
  return Math.max(CHANCE, Math.sqrt(2 * Math.log(20 * Math.max(1, comparisons))));
}

function wordsFor(distance: number, limit: number, isOutlier: boolean, functions: number): string {
  if (isOutlier) return `another mix of functions: distance ${fixed(distance)} (limit ${fixed(limit)})`;
  if (functions === 0) return 'like the others';
  return `like the others but for ${functions} ${functions === 1 ? 'function' : 'functions'}`;
}

function byDistance(a: ProfileOutlierRow, b: ProfileOutlierRow): number {
  const rank = (row: ProfileOutlierRow): number => (row.isOutlier ? 2 : row.functions > 0 ? 1 : 0);
  const isMarked = rank(a) > 0;
  return rank(b) - rank(a) || (isMarked ? (b.distance ?? 0) - (a.distance ?? 0) : 0) || compare(a.host, b.host);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function fixed(value: number): string {
  return value.toFixed(2).replace(/\.?0+$/, '');
}
