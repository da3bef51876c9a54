// Which samples of a profile a view is about: by label and by the functions on their stacks.
import type { Profile } from '../../profile/profile.js';
import { FrameTable } from './frame-table.js';

export interface SampleFilter {
  /** Label key to the value it must have, or a pattern that must match it: `{ comm: 'postgres', host: /^db/ }`. */
  readonly labels?: Readonly<Record<string, string | RegExp>>;
  /** Label keys to values that it must not have: `{ host: 'db1' }` is all hosts but db1. */
  readonly withoutLabels?: Readonly<Record<string, string>>;
  /** Keep samples with a frame whose name matches. */
  readonly withFrame?: RegExp;
  /** Drop samples with a frame whose name matches. */
  readonly withoutFrame?: RegExp;
}

/** Tells for each row of the sample table whether the filter keeps it. Linear in samples and stacks. */
export function sampleFilter(profile: Profile, frames: FrameTable, filter: SampleFilter): (sample: number) => boolean {
  const keepsLabels = labelFilter(profile, filter.labels ?? {}, filter.withoutLabels ?? {});
  const withFrame = filter.withFrame === undefined ? undefined : stacksMatching(profile, frames, filter.withFrame);
  const without = filter.withoutFrame === undefined ? undefined : stacksMatching(profile, frames, filter.withoutFrame);
  const { stack, labels } = profile.samples;
  return (sample) => {
    if (keepsLabels[labels[sample]] === 0) return false;
    const row = stack[sample];
    if (withFrame !== undefined && (row < 0 || withFrame[row] === 0)) return false;
    return without === undefined || row < 0 || without[row] === 0;
  };
}

/** The profile with the samples that the filter keeps, and no timed ones; its tables stay as they are, and so do its losses. */
export function keptSamples(profile: Profile, filter: SampleFilter): Profile {
  const keeps = sampleFilter(profile, new FrameTable(profile), filter);
  const { samples } = profile;
  const rows = Int32Array.from({ length: samples.length }, (_, row) => row).filter(keeps);
  return {
    ...profile,
    samples: {
      length: rows.length,
      stack: rows.map((row) => samples.stack[row]),
      labels: rows.map((row) => samples.labels[row]),
      values: samples.values.map((column) => Float64Array.from(rows, (row) => column[row])),
    },
    timed: undefined,
  };
}

/** 1 for the label sets that have all the wanted values and none of the unwanted. */
function labelFilter(
  profile: Profile,
  wanted: Readonly<Record<string, string | RegExp>>,
  unwanted: Readonly<Record<string, string>>,
): Uint8Array {
  const entries = Object.entries(wanted);
  return Uint8Array.from(profile.labelSets, (set) =>
    entries.every(([key, want]) => {
      const value = set.find((label) => label.key === key)?.value;
      return value !== undefined && (typeof want === 'string' ? value === want : matches(want, value));
    }) && !set.some(({ key, value }) => Object.hasOwn(unwanted, key) && unwanted[key] === value)
      ? 1
      : 0,
  );
}

/** 1 for the stacks with a matching frame anywhere: callees come after callers in the table, so one pass inherits it. */
function stacksMatching(profile: Profile, frames: FrameTable, pattern: RegExp): Uint8Array {
  const { stacks, locations } = profile;
  const byLocation = Uint8Array.from({ length: locations.length }, (_, location) =>
    frames.ofLocation(location).some((frame) => matches(pattern, frames.frames[frame].name)) ? 1 : 0,
  );
  const result = new Uint8Array(stacks.length);
  for (let row = 0; row < stacks.length; row++) {
    const parent = stacks.parent[row];
    result[row] = (parent >= 0 ? result[parent] : 0) | byLocation[stacks.location[row]];
  }
  return result;
}

/** `test` of a global or sticky pattern goes on where it stopped; `search` always looks at the whole text. */
function matches(pattern: RegExp, text: string): boolean {
  return text.search(pattern) >= 0;
}
