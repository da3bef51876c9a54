// Host results into one, as hosts finish. Only like is added to like, whatever order the hosts come in.
import { type CounterSeries, mergeSeries, UnlikeSeriesError } from '../../profile/counter-series.js';
import { type Loss, mergeLosses } from '../../profile/loss.js';
import { emptyProfile, ProfileMerger } from '../../profile/merge.js';
import type { Profile } from '../../profile/profile.js';
import { type SampleType, samplesOf, weightOf } from '../../profile/sample-type.js';
import type { CaptureSpec } from '../../proto/capture.js';
import { type Failure, fail } from '../../proto/failure.js';

/** The label that tells the samples of a merged profile apart by host. */
const hostLabel = 'host';

/** `held`: whether the host's profile can be merged is known when all hosts have answered. */
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
 */
export class Aggregate {
  readonly #merger = new ProfileMerger();
  #totals: Float64Array | undefined;
  #wanted: string | undefined;
  #mergedTypes: readonly SampleType[] | undefined;
  #series: CounterSeries | undefined;
  #hasProfile = false;
  #held: Held[] = [];

  /** @param wanted sample types that a host must have; undefined when they cannot be told beforehand */
  constructor(wanted: readonly SampleType[] | undefined) {
    this.#wanted = wanted === undefined ? undefined : keyOf(wanted);
  }

  /** @param isSettled an earlier controller has merged this host already: what it counts is what the job counts */
  addProfile(host: string, profile: Profile, isSettled = false): Addition {
    const key = keyOf(profile.sampleTypes);
    if (isSettled && profile.sampleTypes.length > 0) this.#wanted = key;
    if (profile.sampleTypes.length > 0 && key !== this.#wanted) {
      this.#held.push({ host, key, types: profile.sampleTypes });
      return { kind: 'held' };
    }
    return this.#merge(host, profile);
  }

  addSeries(series: CounterSeries): Addition {
    try {
      this.#series = mergeSeries(this.#series === undefined ? [series] : [this.#series, series]);
      return { kind: 'merged' };
    } catch (error) {
      if (!(error instanceof UnlikeSeriesError)) throw error;
      return { kind: 'refused', failure: fail('bad-data', error.message, 'its own counters are kept', error).failure };
    }
  }

  /** Decide about the hosts that are held. @param load the profile of one of them again */
  async settle(load: (host: string) => Promise<Profile>): Promise<Settlement> {
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
  finish(missing: readonly string[]): {
    readonly profile: Profile | undefined;
    readonly series: CounterSeries | undefined;
  } {
    const losses: Loss[] =
      missing.length === 0
        ? []
        : [{ kind: 'missing-hosts', count: missing.length, detail: [...missing].sort().join(', ') }];
    if (this.#hasProfile) this.#merger.add({ ...emptyProfile(), losses });
    const series = this.#series;
    return {
      profile: this.#hasProfile ? this.#merger.finish() : undefined,
      series: series === undefined ? undefined : { ...series, losses: mergeLosses([series.losses, losses]) },
    };
  }

  #merge(host: string, profile: Profile): Addition {
    if (new Set(profile.sampleTypes.map(({ type }) => type)).size < profile.sampleTypes.length) {
      const { failure } = fail('bad-data', 'its profile counts the same thing twice', 'update perftrawl on that host');
      return { kind: 'refused', failure };
    }
    const totals = this.#totalsWith(profile);
    if (totals === undefined) {
      const { failure } = fail(
        'bad-data',
        'with its values the total is too large to be exact',
        'its own profile is kept',
      );
      return { kind: 'refused', failure };
    }
    this.#merger.add(profile, [{ key: hostLabel, value: host }]);
    this.#hasProfile = true;
    if (profile.sampleTypes.length === 0) return { kind: 'merged' };
    this.#totals = totals;
    this.#mergedTypes ??= profile.sampleTypes;
    return { kind: 'merged' };
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
  return spec.kind === 'record' ? spec.events.flatMap(({ name }) => [samplesOf(name), weightOf(name)]) : undefined;
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
