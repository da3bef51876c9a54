// What of a profile falls on each function, process or object file: one pass over its columns, for questions over thousands of profiles.
import type { Profile } from '../../profile/profile.js';
import { eventColumns } from './event-columns.js';
import { FrameTable, objectName } from './frame-table.js';

/** What rows are about. `comms`: names of processes; `objects`: object files. */
export const TOTALS_OF = ['functions', 'comms', 'objects'] as const;
export type TotalsOf = (typeof TOTALS_OF)[number];

export interface Amount {
  readonly samples: number;
  readonly weight: number;
}

/** One row for each name and object, in no order; columns, because there are thousands of rows in each of thousands of profiles. */
export interface ProfileTotals {
  /** Of all samples, also those without frames. */
  readonly all: Amount;
  readonly length: number;
  readonly names: readonly string[];
  /** Of functions: file name of the object; '' otherwise. */
  readonly objects: readonly string[];
  /** Samples that fell in it, and what they stand for. */
  readonly selfSamples: Float64Array;
  readonly selfWeight: Float64Array;
  /** Samples with it anywhere on the stack, each once. Processes: as self. */
  readonly totalSamples: Float64Array;
  readonly totalWeight: Float64Array;
}

/** @throws UnknownEventError for an event that the profile does not have */
export function profileTotals(profile: Profile, event: string, of: TotalsOf): ProfileTotals {
  const { samples, weight } = eventColumns(profile, event);
  return of === 'comms' ? commTotals(profile, samples, weight) : stackTotals(profile, samples, weight, of);
}

function commTotals(profile: Profile, samples: Float64Array, weight: Float64Array): ProfileTotals {
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

function stackTotals(
  profile: Profile,
  samples: Float64Array,
  weight: Float64Array,
  of: 'functions' | 'objects',
): ProfileTotals {
  const isJavaSet = profile.labelSets.map((set) =>
    set.some(({ key, value }) => key === 'comm' && value.startsWith('java')),
  );
  const names = new Names();
  // Names of generated code of Java are tidied: what such processes ran is added up apart.
  const passes = [...new Set(isJavaSet)].map((isJava) => ({
    isJava,
    frames: of === 'functions' ? functionRows(profile, names, isJava) : objectRows(profile, names),
  }));
  const walk = new StackWalk(profile, names.names.length);
  const all = { samples: sumOf(samples), weight: sumOf(weight) };
  for (const { isJava, frames } of passes) {
    walk.clear();
    for (let row = 0; row < samples.length; row++) {
      const stack = profile.samples.stack[row];
      if (stack >= 0 && isJavaSet[profile.samples.labels[row]] === isJava) walk.put(stack, samples[row], weight[row]);
    }
    walk.addUp(frames);
  }
  const { names: list, objects } = names;
  return { all, length: list.length, names: list, objects, ...walk.sums };
}

/** Rows of the frames of location `i`, outermost first: `rows[start[i]]` to `rows[start[i + 1] - 1]`. None for what folded stacks leave out. */
interface FrameRows {
  readonly start: Int32Array;
  readonly rows: Int32Array;
}

/** Frames of one name and object are one row, inlined or not: such a function may call itself. */
function functionRows(profile: Profile, names: Names, isJava: boolean): FrameRows {
  const table = new FrameTable(profile, true);
  const rowOfFrame: number[] = [];
  const start = new Int32Array(profile.locations.length + 1);
  const rows: number[] = [];
  for (let location = 0; location < profile.locations.length; location++) {
    for (const frame of table.ofLocation(location, isJava)) {
      rowOfFrame[frame] ??= names.row(table.frames[frame].name, objectName(table.frames[frame].mapping));
      rows.push(rowOfFrame[frame]);
    }
    start[location + 1] = rows.length;
  }
  return { start, rows: Int32Array.from(rows) };
}

function objectRows({ locations, mappings, strings }: Profile, names: Names): FrameRows {
  const unknown = names.row(objectName(''), '');
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

/** Values put on stacks, then added up over the tree of stacks, depth first, so that a row that calls itself counts once. */
class StackWalk {
  readonly sums: Pick<ProfileTotals, 'selfSamples' | 'selfWeight' | 'totalSamples' | 'totalWeight'>;
  readonly #profile: Profile;
  readonly #samples: Float64Array;
  readonly #weight: Float64Array;
  readonly #firstChild: Int32Array;
  readonly #nextSibling: Int32Array;
  readonly #firstRoot: number;

  /** @param rows that frames stand for */
  constructor(profile: Profile, rows: number) {
    const { length, parent } = profile.stacks;
    const zeros = () => new Float64Array(rows);
    this.sums = { selfSamples: zeros(), selfWeight: zeros(), totalSamples: zeros(), totalWeight: zeros() };
    this.#profile = profile;
    this.#samples = new Float64Array(length);
    this.#weight = new Float64Array(length);
    this.#firstChild = new Int32Array(length).fill(-1);
    this.#nextSibling = new Int32Array(length).fill(-1);
    let firstRoot = -1;
    for (let row = length - 1; row >= 0; row--) {
      const above = parent[row];
      this.#nextSibling[row] = above < 0 ? firstRoot : this.#firstChild[above];
      if (above < 0) firstRoot = row;
      else this.#firstChild[above] = row;
    }
    this.#firstRoot = firstRoot;
  }

  clear(): void {
    this.#samples.fill(0);
    this.#weight.fill(0);
  }

  put(stack: number, samples: number, weight: number): void {
    this.#samples[stack] += samples;
    this.#weight[stack] += weight;
  }

  addUp({ start, rows }: FrameRows): void {
    const { parent, location, length } = this.#profile.stacks;
    const { selfSamples, selfWeight, totalSamples, totalWeight } = this.sums;
    const [samples, weight] = [this.#samples.slice(), this.#weight.slice()];
    for (let stack = length - 1; stack >= 0; stack--) {
      if (parent[stack] < 0) continue;
      samples[parent[stack]] += samples[stack];
      weight[parent[stack]] += weight[stack];
    }
    /** How many frames of each row are on the path. */
    const onPath = new Int32Array(selfSamples.length);
    /** The innermost row on the path to each stack; a location without frames has its caller's. */
    const innermost = new Int32Array(length);
    let stack = this.#firstRoot;
    while (stack >= 0) {
      const [from, to] = [start[location[stack]], start[location[stack] + 1]];
      for (let i = from; i < to; i++) {
        if (onPath[rows[i]]++ > 0) continue;
        totalSamples[rows[i]] += samples[stack];
        totalWeight[rows[i]] += weight[stack];
      }
      const own = to > from ? rows[to - 1] : parent[stack] < 0 ? -1 : innermost[parent[stack]];
      innermost[stack] = own;
      if (own >= 0) {
        selfSamples[own] += this.#samples[stack];
        selfWeight[own] += this.#weight[stack];
      }
      if (this.#firstChild[stack] >= 0) {
        stack = this.#firstChild[stack];
        continue;
      }
      for (;;) {
        for (let i = start[location[stack]]; i < start[location[stack] + 1]; i++) onPath[rows[i]]--;
        if (this.#nextSibling[stack] >= 0 || parent[stack] < 0) break;
        stack = parent[stack];
      }
      stack = this.#nextSibling[stack];
    }
  }
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
