// What of a profile falls on each function, process or object file: passes over its columns, for questions over thousands of profiles.
import type { Profile } from '../../profile/profile.js';
import { eventColumns } from './event-columns.js';
import { objectName, readFrames } from './frame-table.js';
import { NumberMap } from './number-map.js';
import { type FrameRows, type RowSums, StackTree } from './stack-tree.js';

/** What rows are about. `comms`: names of processes; `objects`: object files. */
export const TOTALS_OF = ['functions', 'comms', 'objects'] as const;
export type TotalsOf = (typeof TOTALS_OF)[number];

export interface Amount {
  readonly samples: number;
  readonly weight: number;
}

/** Columns, because there are thousands of rows in each of thousands of profiles. */
export interface TotalsColumns extends RowSums {
  /** Of all samples, also those without frames. */
  readonly all: Amount;
  readonly length: number;
}

/** One row for each name and object, in no order. */
export interface ProfileTotals extends TotalsColumns {
  readonly names: readonly string[];
  /** Of functions: file name of the object; '' otherwise. */
  readonly objects: readonly string[];
  /** What a `Numbering` has for them; -1: nothing. */
  readonly known: readonly number[];
}

/** Numbers that names have beyond a profile: whole ones below 2^32, another for each pair of a name and an object. */
export interface Numbering {
  numberOf(name: string, object: string): number | undefined;
}

/** @throws UnknownEventError for an event that the profile does not have */
export function profileTotals(profile: Profile, event: string, of: TotalsOf): ProfileTotals {
  return new TotalsReader(profile).totals(event, of);
}

/** Several totals of one profile, which share what they can; those of the event that was asked for last are remembered. */
export class TotalsReader {
  readonly #profile: Profile;
  readonly #numbering: Numbering | undefined;
  /** Names of generated code of Java are tidied: what such processes ran is added up apart. */
  readonly #isJavaSet: readonly boolean[];
  #walked: { readonly event: string; readonly functions: ProfileTotals; readonly objects: ProfileTotals } | undefined;
  #tree: StackTree | undefined;
  #frames: Frames | undefined;

  constructor(profile: Profile, numbering?: Numbering) {
    this.#profile = profile;
    this.#numbering = numbering;
    this.#isJavaSet = profile.labelSets.map((set) =>
      set.some(({ key, value }) => key === 'comm' && value.startsWith('java')),
    );
  }

  /** @throws UnknownEventError for an event that the profile does not have */
  totals(event: string, of: TotalsOf): ProfileTotals {
    if (of === 'comms') return commTotals(this.#profile, event, new Names(this.#numbering));
    if (this.#walked?.event !== event) this.#walked = { event, ...this.#walk(event) };
    return this.#walked[of];
  }

  /** Both in one walk. */
  #walk(event: string): { readonly functions: ProfileTotals; readonly objects: ProfileTotals } {
    const { stacks, samples: table } = this.#profile;
    const { samples, weight } = eventColumns(this.#profile, event);
    this.#tree ??= new StackTree(stacks);
    this.#frames ??= framesOf(this.#profile, [...new Set(this.#isJavaSet)], new Names(this.#numbering));
    const { names, objectCount, passes } = this.#frames;
    const zeros = () => new Float64Array(names.names.length);
    const sums = { selfSamples: zeros(), selfWeight: zeros(), totalSamples: zeros(), totalWeight: zeros() };
    for (const { isJava, rows } of passes) {
      const isOne = passes.length === 1;
      const put = isOne
        ? table.stack
        : table.stack.map((stack, row) => (this.#isJavaSet[table.labels[row]] === isJava ? stack : -1));
      this.#tree.addUp(this.#tree.put(put, samples, weight), rows, sums);
    }
    const all = { samples: sumOf(samples), weight: sumOf(weight) };
    const part = (from: number, to: number): ProfileTotals => ({
      ...{ all, length: to - from, known: names.numbers.slice(from, to) },
      ...{ names: names.names.slice(from, to), objects: names.objects.slice(from, to) },
      ...{ selfSamples: sums.selfSamples.subarray(from, to), selfWeight: sums.selfWeight.subarray(from, to) },
      ...{ totalSamples: sums.totalSamples.subarray(from, to), totalWeight: sums.totalWeight.subarray(from, to) },
    });
    return { objects: part(0, objectCount), functions: part(objectCount, names.names.length) };
  }
}

/** Rows of object files, then those of functions. */
interface Frames {
  readonly names: Names;
  readonly objectCount: number;
  readonly passes: readonly { readonly isJava: boolean; readonly rows: FrameRows }[];
}

function framesOf(profile: Profile, kinds: readonly boolean[], names: Names): Frames {
  const objects = objectRows(profile, names);
  const objectCount = names.names.length;
  const passes = kinds.map((isJava) => ({ isJava, rows: { objects, ...functionRows(profile, names, isJava) } }));
  return { names, objectCount, passes };
}

function commTotals(profile: Profile, event: string, names: Names): ProfileTotals {
  const { samples, weight } = eventColumns(profile, event);
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
  const { names: list, objects, numbers } = names;
  return {
    ...{ all, length: list.length, names: list, objects, known: numbers, selfSamples, selfWeight },
    ...{ totalSamples: selfSamples, totalWeight: selfWeight },
  };
}

/** Frames of one name and object are one row, inlined or not: such a function may call itself. */
function functionRows(profile: Profile, names: Names, isJava: boolean): Omit<FrameRows, 'objects'> {
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
  return { start, rows: new Int32Array(rows) };
}

const UNKNOWN_OBJECT = objectName('');

/** By location. */
function objectRows({ locations, mappings, strings }: Profile, names: Names): Int32Array {
  const unknown = names.row(UNKNOWN_OBJECT, '');
  const rowOfMapping = Int32Array.from(mappings.filename, (name) => names.row(objectName(strings[name]), ''));
  const rows = new Int32Array(locations.length);
  for (let location = 0; location < rows.length; location++) {
    const mapping = locations.mapping[location];
    rows[location] = mapping < 0 ? unknown : rowOfMapping[mapping];
  }
  return rows;
}

/** Distinct pairs of a name and an object. */
class Names {
  readonly names: string[] = [];
  readonly objects: string[] = [];
  readonly numbers: number[] = [];
  readonly #numbering: Numbering | undefined;
  readonly #ofNumber = new NumberMap();
  /** Those without a number. */
  readonly #rows = new Map<string, Map<string, number>>();

  constructor(numbering?: Numbering) {
    this.#numbering = numbering;
  }

  row(name: string, object: string): number {
    const number = this.#numbering?.numberOf(name, object);
    if (number === undefined) return this.#rowWithoutNumber(name, object);
    const known = this.#ofNumber.get(number);
    if (known >= 0) return known;
    const row = this.#add(name, object, number);
    this.#ofNumber.set(number, row);
    return row;
  }

  #rowWithoutNumber(name: string, object: string): number {
    let rows = this.#rows.get(object);
    if (rows === undefined) {
      rows = new Map();
      this.#rows.set(object, rows);
    }
    let row = rows.get(name);
    if (row === undefined) {
      row = this.#add(name, object, -1);
      rows.set(name, row);
    }
    return row;
  }

  #add(name: string, object: string, number: number): number {
    this.objects.push(object);
    this.numbers.push(number);
    return this.names.push(name) - 1;
  }
}

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < values.length; row++) sum += values[row];
  return sum;
}
