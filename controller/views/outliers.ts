// Which host differs from the fleet: each host's histogram against the typical one, with the measure and the threshold used.
import { countOf, type Histogram, histogramKey, mergeHistograms } from '../../profile/histogram.js';
import { cumulative, type Distribution, distributionOf } from '../../profile/histogram-distribution.js';
import { type Quantile, quantile } from '../../profile/histogram-percentiles.js';
import { gridOf } from '../../profile/histogram-scale.js';
import { CHANCE } from './sampling-noise.js';
import { LEAST_HOSTS, median, spreadAround } from './spread.js';

/** All of one host, such as `histogramTotals(series)`. */
export interface HostHistograms {
  readonly host: string;
  readonly histograms: readonly Histogram[];
}

export interface OutlierOptions {
  /** Below so many values a host is not judged. Default 30. */
  readonly minCount?: number;
  /** Steps of the scale that always count as alike. Default 0.5: on log2, 41 % up or down. */
  readonly minSteps?: number;
  /** Times the median absolute deviation (scaled to a standard deviation) above the median. Default 3.5. */
  readonly deviations?: number;
}

export interface OutlierRow {
  readonly host: string;
  readonly histogram: Histogram;
  readonly count: number;
  /** Undefined when the host has no values. */
  readonly p50: Quantile | undefined;
  readonly p99: Quantile | undefined;
  /** Steps between this host and the typical one; `shift` has the sign: above 0, this host's values are higher. Undefined when not judged. */
  readonly distance: number | undefined;
  readonly shift: number | undefined;
  readonly isOutlier: boolean;
  /** In words, for a person: `values 2.1 steps higher than on the typical host (limit 0.5)`, `not judged: 3 values, 30 are needed`. */
  readonly why: string;
}

export interface OutlierReport {
  /** All hosts added up; title, labels, unit and scale are those of every row. */
  readonly merged: Histogram;
  /** Outliers first, farthest first; then by host. */
  readonly rows: readonly OutlierRow[];
  /** `too-few-hosts`: fewer than 4 hosts with enough values; nobody is an outlier then. */
  readonly judgement: 'made' | 'too-few-hosts';
  /** Steps above which a host is an outlier, but for chance, which hosts of few values are allowed besides; undefined without judgement. */
  readonly threshold: number | undefined;
  /** What was measured and why the threshold is where it is, in a sentence. */
  readonly measure: string;
}

/**
 * One key: histograms that add up. The typical host has at each bucket bound the median over hosts of the share of values up to there,
 * so a host of many values weighs no more than others, and outliers do not move it. The distance to it is the earth mover's, in steps.
 * An outlier is farther than median + deviations * MAD of all distances, farther than `minSteps`, and farther than chance explains for
 * as many values as the host has (3 standard errors of its cumulative shares).
 *
 * @throws UnlikeHistogramsError when the histograms do not add up
 */
export function findOutliers(
  hosts: readonly { readonly host: string; readonly histogram: Histogram }[],
  options: OutlierOptions = {},
): OutlierReport {
  const { minCount = 30, minSteps = 0.5, deviations = 3.5 } = options;
  const [merged, further] = mergeHistograms(hosts.map(({ histogram }) => [histogram]));
  if (merged === undefined) throw new RangeError('outliers are looked for among at least one host');
  if (further !== undefined) throw new RangeError('outliers are looked for in histograms of one key and scale');
  const judged = new Map<string, Distribution>();
  for (const { host, histogram } of hosts) {
    const distribution = distributionOf(histogram);
    if (distribution !== undefined && countOf(histogram) >= minCount) judged.set(host, distribution);
  }
  const isMade = judged.size >= LEAST_HOSTS;
  const distances = isMade ? distancesToTypical(judged) : new Map<string, HostDistance>();
  const all = [...distances.values()].map(({ distance }) => distance);
  const middle = median(all);
  const spread = spreadAround(all, middle);
  const threshold = isMade ? Math.max(minSteps, middle + deviations * spread) : undefined;
  const stepName =
    merged.scale.kind === 'log2' ? 'doublings' : `steps of ${merged.scale.step} ${merged.unit}`.trimEnd();
  const rows = hosts.map(({ host, histogram }): OutlierRow => {
    const count = countOf(histogram);
    const found = distances.get(host);
    const limit = Math.max(threshold ?? 0, found === undefined ? 0 : CHANCE * found.standardError(count));
    const isOutlier = found !== undefined && found.distance > limit;
    const reason =
      count < minCount ? `${count} values, ${minCount} are needed` : `fewer than ${LEAST_HOSTS} hosts to compare`;
    return {
      host,
      histogram,
      count,
      p50: quantile(histogram, 50),
      p99: quantile(histogram, 99),
      distance: found?.distance,
      shift: found?.shift,
      isOutlier,
      why: found === undefined ? `not judged: ${reason}` : wordsFor(found, limit, isOutlier, stepName),
    };
  });
  return {
    merged,
    rows: rows.sort((a, b) => Number(b.isOutlier) - Number(a.isOutlier) || byDistance(a, b) || byName(a.host, b.host)),
    judgement: isMade ? 'made' : 'too-few-hosts',
    threshold,
    measure: isMade
      ? `Distance: earth mover's distance to the typical host (median of cumulative shares), in ${stepName}. ` +
        `Marked: farther than ${fixed(threshold ?? 0)} (the greater of ${minSteps} and median + ${deviations} MAD) and than chance explains.`
      : `No judgement: it takes ${LEAST_HOSTS} hosts with ${minCount} values each to say which one differs; there ${judged.size === 1 ? 'is' : 'are'} ${judged.size}.`,
  };
}

/** A report per key and grid of scale, in the order of mergeHistograms; hosts without that key are left out of it. */
export function outliersByKey(hosts: readonly HostHistograms[], options: OutlierOptions = {}): OutlierReport[] {
  const groups = new Map<string, { host: string; histogram: Histogram }[]>();
  for (const { host, histograms } of hosts) {
    for (const histogram of mergeHistograms([histograms])) {
      const key = `${histogramKey(histogram)} ${gridOf(histogram.scale)}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [{ host, histogram }]);
      else group.push({ host, histogram });
    }
  }
  return [...groups].sort(([a], [b]) => byName(a, b)).map(([, group]) => findOutliers(group, options));
}

interface HostDistance {
  readonly distance: number;
  readonly shift: number;
  /** Steps that a host of `count` values differs from the typical one by chance alone. */
  readonly standardError: (count: number) => number;
}

/** Linear in hosts times buckets, but for the sorting of each bucket's shares. */
function distancesToTypical(hosts: ReadonlyMap<string, Distribution>): Map<string, HostDistance> {
  const positions = [...new Set([...hosts.values()].flatMap(({ position }) => position))].sort((a, b) => a - b);
  const names = [...hosts.keys()];
  const shares = [...hosts.values()].map((distribution) => positions.map(cumulative(distribution)));
  const typical = positions.map((_, i) => median(shares.map((row) => row[i])));
  const width = (i: number) => positions[i + 1] - positions[i];
  const chance = typical.slice(0, -1).reduce((sum, share, i) => sum + Math.sqrt(share * (1 - share)) * width(i), 0);
  return new Map(
    names.map((name, host) => {
      let [distance, shift] = [0, 0];
      for (let i = 0; i + 1 < positions.length; i++) {
        const difference = typical[i] - shares[host][i];
        distance += Math.abs(difference) * width(i);
        shift += difference * width(i);
      }
      return [name, { distance, shift, standardError: (count) => chance / Math.sqrt(count) }];
    }),
  );
}

function wordsFor({ distance, shift }: HostDistance, limit: number, isOutlier: boolean, stepName: string): string {
  if (!isOutlier) return 'like the others';
  const where = Math.abs(shift) < distance / 2 ? 'spread otherwise' : shift > 0 ? 'higher' : 'lower';
  return `values ${fixed(distance)} ${stepName} ${where} than on the typical host (limit ${fixed(limit)})`;
}

function byDistance(a: OutlierRow, b: OutlierRow): number {
  return a.isOutlier ? (b.distance ?? 0) - (a.distance ?? 0) : 0;
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function fixed(value: number): string {
  return value.toFixed(2).replace(/\.?0+$/, '');
}
