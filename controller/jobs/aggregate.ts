// Host results into one, as hosts finish. Only like is added to like, whatever order the hosts come in.
import { type CounterSeries, mergeSeries, UnlikeSeriesError } from '../../profile/counter-series.js';
import { countOf, UnlikeHistogramsError } from '../../profile/histogram.js';
import { type HistogramSeries, mergeHistogramSeries, UnlikeIntervalsError } from '../../profile/histogram-series.js';
import { type Loss, mergeLosses } from '../../profile/loss.js';
import { emptyProfile, ProfileMerger } from '../../profile/merge.js';
import type { Profile } from '../../profile/profile.js';
import { type SampleType, samplesOf, weightOf } from '../../profile/sample-type.js';
import type { CaptureSpec } from '../../proto/capture.js';
import { type Failure, FailureError, fail } from '../../proto/failure.js';
import { partsOf } from './capture-gives.js';
import { checkForms } from './histogram-forms.js';

/** The label that tells the samples of a merged profile apart by host. */
const hostLabel = 'host';

/** What a host, or all hosts together, brought. */
export interface Merged {
  readonly profile: Profile | undefined;
  readonly series: CounterSeries | undefined;
  readonly histograms: HistogramSeries | undefined;
}

/** `held`: whether the host's result can be merged is known when all hosts have answered. */
export type Addition =
  | { readonly kind: 'merged' }
  | { readonly kind: 'held' }
  | { readonly kind: 'refused'; readonly failure: Failure };

export interface Settlement {
  readonly merged: readonly string[];
  readonly refused: readonly { readonly host: string; readonly failure: Failure }[];
}

interface Held {
  readonly host: string;
  readonly key: string;
  readonly types: readonly SampleType[];
}

/**
 * Profiles that count what was asked for are merged at once. Others (a host without a cycle counter fell back to cpu-clock; a file
 * whose events nobody named) are held: if any host has what was asked for, they are refused; otherwise the largest group wins.
 * A host is merged with all that it brought, or not at all.
 */
export class Aggregate {
  readonly #merger = new ProfileMerger();
  #totals: Float64Array | undefined;
  #wanted: string | undefined;
  #mergedTypes: readonly SampleType[] | undefined;
  #series: CounterSeries | undefined;
  #histograms: HistogramSeries | undefined;
  #hasProfile = false;
  #held: Held[] = [];

  /** @param wanted sample types that a host must have; undefined when they cannot be told beforehand */
  constructor(wanted: readonly SampleType[] | undefined) {
    this.#wanted = wanted === undefined ? undefined : keyOf(wanted);
  }

  /** @param isSettled an earlier controller has merged this host already: what it counts is what the job counts */
  add(host: string, result: Merged, isSettled = false): Addition {
    const { profile } = result;
    if (profile !== undefined) {
      const key = keyOf(profile.sampleTypes);
      if (isSettled && profile.sampleTypes.length > 0) this.#wanted = key;
      if (profile.sampleTypes.length > 0 && key !== this.#wanted) {
        this.#held.push({ host, key, types: profile.sampleTypes });
        return { kind: 'held' };
      }
    }
    return this.#merge(host, result);
  }

  /** Decide about the hosts that are held. @param load the result of one of them again */
  async settle(load: (host: string) => Promise<Merged>): Promise<Settlement> {
    const held = this.#held;
    this.#held = [];
    const winner = this.#mergedTypes === undefined ? largestGroup(held) : undefined;
    const merged: string[] = [];
    const refused: { host: string; failure: Failure }[] = [];
    const winnersFirst = [...held.filter(({ key }) => key === winner), ...held.filter(({ key }) => key !== winner)];
    for (const { host, key, types } of winnersFirst) {
      const addition = key === winner ? this.#merge(host, await load(host)) : this.#unlike(types);
      if (addition.kind === 'refused') refused.push({ host, failure: addition.failure });
      else merged.push(host);
    }
    return { merged, refused };
  }

  /** What all hosts together have; undefined when none has any. @param missing hosts without a part in it */
  finish(missing: readonly string[]): Merged {
    const losses: Loss[] =
      missing.length === 0
        ? []
        : [{ kind: 'missing-hosts', count: missing.length, detail: [...missing].sort().join(', ') }];
    if (this.#hasProfile) this.#merger.add({ ...emptyProfile(), losses });
    const withLosses = <T extends { readonly losses: readonly Loss[] }>(result: T | undefined): T | undefined =>
      result === undefined ? undefined : { ...result, losses: mergeLosses([result.losses, losses]) };
    return {
      profile: this.#hasProfile ? this.#merger.finish() : undefined,
      series: withLosses(this.#series),
      histograms: withLosses(this.#histograms),
    };
  }

  /** All is tried before anything is kept. */
  #merge(host: string, { profile, series, histograms }: Merged): Addition {
    try {
      const nextSeries = joined(this.#series, series, mergeSeries);
      const nextHistograms = joined(this.#histograms, histograms, mergeLikeHistograms);
      const totals = profile === undefined ? undefined : this.#checkProfile(profile);
      this.#series = nextSeries;
      this.#histograms = nextHistograms;
      if (profile !== undefined) this.#keepProfile(host, profile, totals);
      return { kind: 'merged' };
    } catch (error) {
      return { kind: 'refused', failure: refusal(error) };
    }
  }

  /** Its totals and those of the hosts before it. @throws FailureError when it cannot be added */
  #checkProfile(profile: Profile): Float64Array {
    if (new Set(profile.sampleTypes.map(({ type }) => type)).size < profile.sampleTypes.length) {
      throw fail('bad-data', 'its profile counts the same thing twice', 'update perftrawl on that host');
    }
    const totals = this.#totalsWith(profile);
    if (totals !== undefined) return totals;
    throw fail('bad-data', 'with its values the total is too large to be exact', 'its own profile is kept');
  }

  #keepProfile(host: string, profile: Profile, totals: Float64Array | undefined): void {
    this.#merger.add(profile, [{ key: hostLabel, value: host }]);
    this.#hasProfile = true;
    if (profile.sampleTypes.length === 0) return;
    this.#totals = totals;
    this.#mergedTypes ??= profile.sampleTypes;
  }

  /** Totals per sample type (in the order of their names), or undefined when one is not exact any more. */
  #totalsWith(profile: Profile): Float64Array | undefined {
    const order = [...profile.sampleTypes.keys()].sort((a, b) => compare(nameOf(profile, a), nameOf(profile, b)));
    const totals = Float64Array.from(order, (type, i) =>
      profile.samples.values[type].reduce((sum, value) => sum + value, this.#totals?.[i] ?? 0),
    );
    return totals.every((total) => total <= Number.MAX_SAFE_INTEGER) ? totals : undefined;
  }

  #unlike(types: readonly SampleType[]): Addition {
    const wanted = this.#mergedTypes ?? [];
    const { failure } = fail(
      'bad-data',
      `this host counted ${describe(types)} where the others counted ${describe(wanted)}`,
      'its own profile is kept: show it alone, or choose an event that all hosts have',
    );
    return { kind: 'refused', failure };
  }
}

/** What a capture should count; undefined where only the result tells. */
export function wantedTypes(spec: CaptureSpec): readonly SampleType[] | undefined {
  const record = partsOf(spec).find((part) => part.kind === 'record');
  return record?.events.flatMap(({ name }) => [samplesOf(name), weightOf(name)]);
}

function joined<T>(sum: T | undefined, next: T | undefined, merge: (list: readonly T[]) => T): T | undefined {
  const both = [sum, next].filter((one) => one !== undefined);
  return both.length === 0 ? undefined : merge(both);
}

/** @throws UnlikeIntervalsError, UnlikeHistogramsError, FailureError */
function mergeLikeHistograms(list: readonly HistogramSeries[]): HistogramSeries {
  if (list.length === 2) checkForms(list[0].points, list[1].points);
  const merged = mergeHistogramSeries(list);
  const total = merged.points.reduce((sum, { histogram }) => sum + countOf(histogram), 0);
  if (Number.isSafeInteger(total)) return merged;
  throw fail('bad-data', 'with its histograms the counts are too large to be exact', 'its own histograms are kept');
}

/** What cannot be added is a value; anything else is a defect. */
function refusal(error: unknown): Failure {
  if (error instanceof FailureError) return error.failure;
  if (error instanceof UnlikeSeriesError) return fail('bad-data', error.message, 'its own counters are kept').failure;
  if (error instanceof UnlikeIntervalsError || error instanceof UnlikeHistogramsError) {
    const remedy = 'its own histograms are kept: show it alone, with `perftrawl hist JOB --host HOST`';
    return fail('bad-data', error.message, remedy).failure;
  }
  throw error;
}

function largestGroup(held: readonly Held[]): string | undefined {
  const sizes = new Map<string, number>();
  for (const { key } of held) sizes.set(key, (sizes.get(key) ?? 0) + 1);
  return [...sizes].sort(([a, m], [b, n]) => n - m || compare(a, b))[0]?.[0];
}

function keyOf(types: readonly SampleType[]): string {
  return JSON.stringify(types.map(({ type, unit }) => `${type}/${unit}`).sort());
}

function nameOf(profile: Profile, type: number): string {
  return `${profile.sampleTypes[type].type}/${profile.sampleTypes[type].unit}`;
}

function describe(types: readonly SampleType[]): string {
  const events = types.map(({ type }) => type).filter((type) => !type.startsWith('samples:'));
  return events.length === 0 ? 'nothing' : events.join(', ');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
