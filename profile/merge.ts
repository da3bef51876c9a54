// Merge profiles. Associative, commutative, the empty profile is neutral, weights are conserved to the unit.
import type { Label, Profile } from './profile.js';
import { ProfileBuilder } from './profile-builder.js';
import { type SampleType, sameSampleType } from './sample-type.js';

/** Profiles that count different things cannot be merged: the message says which sample types differ. */
export class UnlikeProfilesError extends Error {
  override readonly name = 'UnlikeProfilesError';
}

/** The neutral element of merge. */
export function emptyProfile(): Profile {
  return new ProfileBuilder([]).freeze();
}

/** Merge a few profiles at once. */
export function mergeProfiles(profiles: Iterable<Profile>): Profile {
  const merger = new ProfileMerger();
  for (const profile of profiles) merger.add(profile);
  return merger.finish();
}

/**
 * Merges profiles one by one as they arrive; memory grows with the distinct stacks of the result, not with the profiles added.
 * Timed samples are not carried over: clocks of different hosts start at different instants.
 */
export class ProfileMerger {
  #builder: ProfileBuilder | undefined;
  #losses: Profile['losses'] = [];
  #comments: readonly string[] = [];
  #startTime = 0;
  #duration = 0;

  /**
   * @param extraLabels labels to set on every sample of this profile, such as `host`
   * @throws UnlikeProfilesError when the sample types differ from those already merged
   */
  add(profile: Profile, extraLabels: readonly Label[] = []): void {
    if (profile.sampleTypes.length > 0) this.#addSamples(profile, extraLabels);
    this.#losses = [...this.#losses, ...profile.losses];
    this.#comments = [...new Set([...this.#comments, ...profile.comments])];
    this.#startTime = earliest(this.#startTime, profile.startTime);
    this.#duration = Math.max(this.#duration, profile.duration);
  }

  finish(): Profile {
    return (this.#builder ?? new ProfileBuilder([])).freeze({
      startTime: this.#startTime,
      duration: this.#duration,
      comments: this.#comments,
      losses: this.#losses,
    });
  }

  #addSamples(profile: Profile, extraLabels: readonly Label[]): void {
    this.#builder ??= new ProfileBuilder([...profile.sampleTypes].sort(bySampleType));
    addSamples(this.#builder, profile, extraLabels);
  }
}

/** Where the rows and columns of a profile have gone. */
export interface AddedSamples {
  /** By row of its sample table. */
  readonly sampleOf: Int32Array;
  /** By index of its sample types. */
  readonly typeOf: readonly number[];
}

/** @throws UnlikeProfilesError when the sample types are not those of `to` */
export function addSamples(to: ProfileBuilder, profile: Profile, extraLabels: readonly Label[] = []): AddedSamples {
  const typeMap = sampleTypeMap(to.sampleTypes, profile.sampleTypes);
  const { strings, mappings, functions, locations, lines, stacks, samples } = profile;
  const mappingMap = new Int32Array(mappings.length);
  for (let i = 0; i < mappings.length; i++) {
    mappingMap[i] = to.mapping(strings[mappings.filename[i]], strings[mappings.buildId[i]]);
  }
  const stringMap = new Int32Array(strings.length).fill(-1);
  // Only those that are used: what nobody refers to shall not be carried on.
  const stringOf = (index: number): number => {
    if (stringMap[index] < 0) stringMap[index] = to.string(strings[index]);
    return stringMap[index];
  };
  const functionMap = new Int32Array(functions.length);
  for (let i = 0; i < functions.length; i++) {
    functionMap[i] = to.functionOf(
      stringOf(functions.name[i]),
      stringOf(functions.systemName[i]),
      stringOf(functions.filename[i]),
      functions.startLine[i],
    );
  }
  const locationMap = new Int32Array(locations.length);
  for (let i = 0; i < locations.length; i++) {
    const mapping = locations.mapping[i];
    const entries = [];
    for (let row = locations.lineStart[i]; row < locations.lineStart[i + 1]; row++) {
      entries.push({ function: functionMap[lines.function[row]], line: lines.line[row] });
    }
    const mapped = mapping < 0 ? -1 : mappingMap[mapping];
    locationMap[i] = to.location(mapped, locations.addressLo[i], locations.addressHi[i], entries);
  }
  const stackMap = new Int32Array(stacks.length);
  for (let i = 0; i < stacks.length; i++) {
    const parent = stacks.parent[i];
    stackMap[i] = to.stack(parent < 0 ? -1 : stackMap[parent], locationMap[stacks.location[i]]);
  }
  const extraKeys = new Set(extraLabels.map((label) => label.key));
  const labelMap = profile.labelSets.map((set) =>
    to.labelSet([...set.filter((label) => !extraKeys.has(label.key)), ...extraLabels]),
  );
  const sampleOf = new Int32Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const stack = samples.stack[i];
    const row = to.sample(stack < 0 ? -1 : stackMap[stack], labelMap[samples.labels[i]]);
    sampleOf[i] = row;
    for (let type = 0; type < typeMap.length; type++) to.add(row, typeMap[type], samples.values[type][i]);
  }
  return { sampleOf, typeOf: typeMap };
}

function earliest(a: number, b: number): number {
  if (a === 0) return b;
  return b === 0 ? a : Math.min(a, b);
}

/** Columns stay in event pairs: by event name, the `samples:` column first. */
function bySampleType(a: SampleType, b: SampleType): number {
  const x = sortKey(a);
  const y = sortKey(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

function sortKey(type: SampleType): string {
  return type.type.startsWith('samples:') ? `${type.type.slice(8)}\0` : `${type.type}\x01${type.unit}`;
}

function sampleTypeMap(to: readonly SampleType[], from: readonly SampleType[]): number[] {
  const missing = [
    ...from.filter((type) => !to.some((other) => sameSampleType(type, other))),
    ...to.filter((type) => !from.some((other) => sameSampleType(type, other))),
  ];
  if (missing.length > 0 || to.length !== from.length) {
    throw new UnlikeProfilesError(
      `cannot merge a profile of ${describe(from)} into one of ${describe(to)}: not in both: ${describe(missing)}`,
    );
  }
  return from.map((type) => to.findIndex((other) => sameSampleType(type, other)));
}

function describe(types: readonly SampleType[]): string {
  return types.map((type) => `${type.type}/${type.unit}`).join(', ');
}
