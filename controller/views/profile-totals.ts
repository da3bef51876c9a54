// What of a profile falls on each function, process or object file: passes over its columns, for questions over thousands of profiles.
import type { Profile } from '../../profile/profile.js';
import { eventColumns } from './event-columns.js';
import { objectName, readFrames } from './frame-table.js';
import { StackTree, type StackValues } from './stack-tree.js';

/** What rows are about. `comms`: names of processes; `objects`: object files. */
export const TOTALS_OF = ['functions', 'comms', 'objects'] as const;
export type TotalsOf = (typeof TOTALS_OF)[number];

export interface Amount {
  readonly samples: number;
  readonly weight: number;
}

/** Columns, because there are thousands of rows in each of thousands of profiles. */
export interface TotalsColumns {
  /** Of all samples, also those without frames. */
  readonly all: Amount;
  readonly length: number;
  /** Samples that fell in it, and what they stand for. */
  readonly selfSamples: Float64Array;
  readonly selfWeight: Float64Array;
  /** Samples with it anywhere on the stack, each once. Processes: as self. */
  readonly totalSamples: Float64Array;
  readonly totalWeight: Float64Array;
}

/** One row for each name and object, in no order. */
export interface ProfileTotals extends TotalsColumns {
  readonly names: readonly string[];
  /** Of functions: file name of the object; '' otherwise. */
  readonly objects: readonly string[];
}

/** @throws UnknownEventError for an event that the profile does not have */
export function profileTotals(profile: Profile, event: string, of: TotalsOf): ProfileTotals {
  return new TotalsReader(profile).totals(event, of);
}

/** Several totals of one profile, which share what they can. */
export class TotalsReader {
  readonly #profile: Profile;
  /** Names of generated code of Java are tidied: what such processes ran is added up apart. */
  readonly #isJavaSet: readonly boolean[];
  #tree: StackTree | undefined;
  #values: { readonly event: string; readonly passes: readonly Pass[] } | undefined;

  constructor(profile: Profile) {
    this.#profile = profile;
    this.#isJavaSet = profile.labelSets.map((set) =>
      set.some(({ key, value }) => key === 'comm' && value.startsWith('java')),
    );
  }

  /** @throws UnknownEventError for an event that the profile does not have */
  totals(event: string, of: TotalsOf): ProfileTotals {
    return of === 'comms' ? commTotals(this.#profile, event) : this.#stackTotals(event, of);
  }

  #stackTotals(event: string, of: 'functions' | 'objects'): ProfileTotals {
    const profile = this.#profile;
    const { samples, weight } = eventColumns(profile, event);
    this.#tree ??= new StackTree(profile.stacks);
    const tree = this.#tree;
    if (this.#values?.event !== event) this.#values = { event, passes: this.#passesOf(tree, samples, weight) };
    const names = new Names();
    const passes = this.#values.passes.map(({ isJava, values }) => ({
      values,
      frames: of === 'functions' ? functionRows(profile, names, isJava) : objectRows(profile, names),
    }));
    const { names: list, objects } = names;
    const zeros = () => new Float64Array(list.length);
    const sums = { selfSamples: zeros(), selfWeight: zeros(), totalSamples: zeros(), totalWeight: zeros() };
    for (const { values, frames } of passes) tree.addUp(values, frames, sums);
    const all = { samples: sumOf(samples), weight: sumOf(weight) };
    return { all, length: list.length, names: list, objects, ...sums };
  }

  #passesOf(tree: StackTree, samples: Float64Array, weight: Float64Array): Pass[] {
    const { stack, labels } = this.#profile.samples;
    const kinds = [...new Set(this.#isJavaSet)];
    return kinds.map((isJava) => {
      const stacks =
        kinds.length === 1 ? stack : stack.map((s, row) => (this.#isJavaSet[labels[row]] === isJava ? s : -1));
      return { isJava, values: tree.put(stacks, samples, weight) };
    });
  }
}

interface Pass {
  readonly isJava: boolean;
  readonly values: StackValues;
}

function commTotals(profile: Profile, event: string): ProfileTotals {
  const { samples, weight } = eventColumns(profile, event);
  const names = new Names();
  const rowOfSet = profile.labelSets.map((set) =>
    names.row(set.find(({ key }) => key === 'comm')?.value ?? '[unknown]', ''),
  );
  const [selfSamples, selfWeight] = [new Float64Array(names.names.length), new Float64Array(names.names.length)];
  for (let row = 0; row < samples.length; row++) {
    const comm = rowOfSet[profile.samples.labels[row]];
    selfSamples[comm] += samples[row];
    selfWeight[comm] += weight[row];
  }
  const all = { samples: sumOf(selfSamples), weight: sumOf(selfWeight) };
  const { names: list, objects } = names;
  return {
    ...{ all, length: list.length, names: list, objects, selfSamples, selfWeight },
    ...{ totalSamples: selfSamples, totalWeight: selfWeight },
  };
}

/** Rows of the frames of location `i`, outermost first: `rows[start[i]]` to `rows[start[i + 1] - 1]`. None for what folded stacks leave out. */
export interface FrameRows {
  readonly start: Int32Array;
  readonly rows: Int32Array;
}

/** Frames of one name and object are one row, inlined or not: such a function may call itself. */
function functionRows(profile: Profile, names: Names, isJava: boolean): FrameRows {
  const { locations, mappings, strings } = profile;
  const objects = Array.from(mappings.filename, (name) => objectName(strings[name]));
  const start = new Int32Array(locations.length + 1);
  const rows: number[] = [];
  let object = '';
  const found = (name: string) => {
    rows.push(names.row(name, object));
  };
  for (let location = 0; location < locations.length; location++) {
    const mapping = locations.mapping[location];
    object = mapping < 0 ? UNKNOWN_OBJECT : objects[mapping];
    readFrames(profile, location, isJava, found);
    start[location + 1] = rows.length;
  }
  return { start, rows: Int32Array.from(rows) };
}

const UNKNOWN_OBJECT = objectName('');

function objectRows({ locations, mappings, strings }: Profile, names: Names): FrameRows {
  const unknown = names.row(UNKNOWN_OBJECT, '');
  const rowOfMapping = Int32Array.from(mappings.filename, (name) => names.row(objectName(strings[name]), ''));
  return {
    start: Int32Array.from({ length: locations.length + 1 }, (_, location) => location),
    rows: locations.mapping.map((mapping) => (mapping < 0 ? unknown : rowOfMapping[mapping])),
  };
}

/** Distinct pairs of a name and an object. */
class Names {
  readonly names: string[] = [];
  readonly objects: string[] = [];
  readonly #rows = new Map<string, Map<string, number>>();

  row(name: string, object: string): number {
    let rows = this.#rows.get(object);
    if (rows === undefined) {
      rows = new Map();
      this.#rows.set(object, rows);
    }
    let row = rows.get(name);
    if (row === undefined) {
      row = this.names.push(name) - 1;
      this.objects.push(object);
      rows.set(name, row);
    }
    return row;
  }
}

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < values.length; row++) sum += values[row];
  return sum;
}
