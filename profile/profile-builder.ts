// The one way to make a profile: rows are interned, so equal things get equal indices; freeze() gives the immutable tables.
import { type Column, Float64Column, Int32Column, Uint32Column } from './column.js';
import { HashIndex, mix } from './hash-index.js';
import type { Loss } from './loss.js';
import { mergeLosses } from './loss.js';
import { PairTable } from './pair-table.js';
import type { Label, LabelSet, Profile } from './profile.js';
import type { SampleType } from './sample-type.js';

/** One line of a location: a row of the function table and a source line (0 when unknown). */
export interface LineEntry {
  readonly function: number;
  readonly line: number;
}

/** Facts about the whole recording; see Profile for units. */
export interface ProfileMeta {
  readonly startTime?: number;
  readonly duration?: number;
  readonly clockStart?: number;
  readonly comments?: readonly string[];
  readonly losses?: readonly Loss[];
}

export class ProfileBuilder {
  readonly #sampleTypes: SampleType[];
  readonly #strings: string[] = [''];
  readonly #stringIndex = new Map<string, number>([['', 0]]);
  readonly #mappingIndex = new Map<string, number>();
  readonly #mappings = { filename: new Int32Column(), buildId: new Int32Column() };
  /** Of name and system name; of a row of that and a file name; of a row of that and a line: the last one's rows are the functions. */
  readonly #names = new PairTable();
  readonly #namesInFile = new PairTable();
  readonly #functionIndex = new PairTable();
  readonly #functions = {
    name: new Int32Column(),
    systemName: new Int32Column(),
    filename: new Int32Column(),
    startLine: new Int32Column(),
  };
  readonly #locations = {
    mapping: new Int32Column(),
    addressLo: new Uint32Column(),
    addressHi: new Uint32Column(),
    lineStart: new Int32Column(),
  };
  readonly #lines = { function: new Int32Column(), line: new Int32Column() };
  /** Of parent and location. */
  readonly #stacks = new PairTable();
  /** Of stack and labels. */
  readonly #samples = new PairTable();
  readonly #values: Float64Column[];
  readonly #timed = {
    sample: new Int32Column(),
    event: new Int32Column(),
    time: new Float64Column(),
    cpu: new Int32Column(),
    weight: new Float64Column(),
  };
  readonly #labelSets: LabelSet[] = [];
  readonly #labelIndex = new Map<string, number>();
  readonly #locationHash = new HashIndex((row) => this.#hashLocationRow(row));

  constructor(sampleTypes: readonly SampleType[]) {
    this.#sampleTypes = [...sampleTypes];
    this.#values = sampleTypes.map(() => new Float64Column());
  }

  get sampleTypes(): readonly SampleType[] {
    return this.#sampleTypes;
  }

  /** One more column of values, 0 in the rows that exist already: for input that names its events as it goes. */
  addSampleType(type: SampleType): number {
    const column = new Float64Column();
    for (let row = 0; row < this.#samples.length; row++) column.push(0);
    this.#values.push(column);
    return this.#sampleTypes.push(type) - 1;
  }

  string(text: string): number {
    let index = this.#stringIndex.get(text);
    if (index === undefined) {
      index = this.#strings.push(text) - 1;
      this.#stringIndex.set(text, index);
    }
    return index;
  }

  mapping(filename: string, buildId = ''): number {
    const key = `${buildId}\0${filename}`;
    let row = this.#mappingIndex.get(key);
    if (row === undefined) {
      row = this.#mappings.filename.push(this.string(filename));
      this.#mappings.buildId.push(this.string(buildId));
      this.#mappingIndex.set(key, row);
    }
    return row;
  }

  function(name: string, systemName = name, filename = '', startLine = 0): number {
    return this.functionOf(this.string(name), this.string(systemName), this.string(filename), startLine);
  }

  /** As `function`, of texts that are rows of the string table already. */
  functionOf(name: number, systemName: number, filename: number, startLine: number): number {
    const before = this.#functionIndex.length;
    const inFile = this.#namesInFile.row(this.#names.row(name, systemName), filename);
    const row = this.#functionIndex.row(inFile, startLine | 0);
    if (row === before) {
      this.#functions.name.push(name);
      this.#functions.systemName.push(systemName);
      this.#functions.filename.push(filename);
      this.#functions.startLine.push(startLine);
    }
    return row;
  }

  /** A location; `lines` innermost first, empty when not symbolized. Equal arguments give the same row. */
  location(mapping: number, addressLo: number, addressHi: number, lines: readonly LineEntry[] = []): number {
    let hash = hashLocation(mapping, addressLo >>> 0, addressHi >>> 0);
    for (const entry of lines) hash = mix(mix(hash, entry.function), entry.line);
    const found = this.#locationHash.find(hash, (row) =>
      this.#sameLocation(row, mapping, addressLo >>> 0, addressHi >>> 0, lines),
    );
    if (found >= 0) return found;
    const row = this.#locations.mapping.push(mapping);
    this.#locations.addressLo.push(addressLo);
    this.#locations.addressHi.push(addressHi);
    this.#locations.lineStart.push(this.#lines.function.length);
    for (const entry of lines) {
      this.#lines.function.push(entry.function);
      this.#lines.line.push(entry.line);
    }
    this.#locationHash.add(found, row);
    return row;
  }

  /** The path `parent` (-1: none) followed by `location`. */
  stack(parent: number, location: number): number {
    return this.#stacks.row(parent, location);
  }

  labelSet(labels: readonly Label[]): number {
    const sorted = [...labels].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    const key = sorted.map((label) => `${label.key}\0${label.value}`).join('\0');
    let index = this.#labelIndex.get(key);
    if (index === undefined) {
      index = this.#labelSets.push(sorted) - 1;
      this.#labelIndex.set(key, index);
    }
    return index;
  }

  /** The row of (stack, labels), made with zero values where it is new. */
  sample(stack: number, labels: number): number {
    const before = this.#samples.length;
    const row = this.#samples.row(stack, labels);
    if (row === before) for (const column of this.#values) column.push(0);
    return row;
  }

  /** Add `amount` to one value of a sample row. */
  add(sample: number, sampleType: number, amount: number): void {
    this.#values[sampleType].data[sample] += amount;
  }

  /** One timed sample; rows may come in any order of time, freeze() sorts them. */
  timed(sample: number, event: number, time: number, cpu: number, weight: number): void {
    this.#timed.sample.push(sample);
    this.#timed.event.push(event);
    this.#timed.time.push(time);
    this.#timed.cpu.push(cpu);
    this.#timed.weight.push(weight);
  }

  get stackCount(): number {
    return this.#stacks.length;
  }

  /** The finished profile. The builder must not be used afterwards. */
  freeze(meta: ProfileMeta = {}): Profile {
    const timed = this.#timed;
    this.#locations.lineStart.push(this.#lines.function.length);
    return {
      sampleTypes: this.#sampleTypes,
      strings: this.#strings,
      mappings: table(this.#mappings, this.#mappings.filename.length),
      functions: table(this.#functions, this.#functions.name.length),
      locations: table(this.#locations, this.#locations.mapping.length),
      lines: table(this.#lines, this.#lines.function.length),
      stacks: table({ parent: this.#stacks.first, location: this.#stacks.second }, this.#stacks.length),
      labelSets: this.#labelSets,
      samples: {
        length: this.#samples.length,
        stack: this.#samples.first.trim(),
        labels: this.#samples.second.trim(),
        values: this.#values.map((column) => column.trim()),
      },
      timed: timed.sample.length === 0 ? undefined : sortByTime(table(timed, timed.sample.length)),
      losses: mergeLosses([meta.losses ?? []]),
      startTime: meta.startTime ?? 0,
      duration: meta.duration ?? 0,
      clockStart: meta.clockStart ?? 0,
      comments: [...new Set(meta.comments ?? [])].sort(),
    };
  }

  #sameLocation(row: number, mapping: number, lo: number, hi: number, lines: readonly LineEntry[]): boolean {
    const { mapping: mappings, addressLo, addressHi, lineStart } = this.#locations;
    if (mappings.data[row] !== mapping || addressLo.data[row] !== lo || addressHi.data[row] !== hi) return false;
    const start = lineStart.data[row];
    if (this.#lineEnd(row) - start !== lines.length) return false;
    return lines.every(
      (entry, i) =>
        this.#lines.function.data[start + i] === entry.function && this.#lines.line.data[start + i] === entry.line,
    );
  }

  #hashLocationRow(row: number): number {
    const { mapping, addressLo, addressHi, lineStart } = this.#locations;
    let hash = hashLocation(mapping.data[row], addressLo.data[row], addressHi.data[row]);
    for (let i = lineStart.data[row]; i < this.#lineEnd(row); i++) {
      hash = mix(mix(hash, this.#lines.function.data[i]), this.#lines.line.data[i]);
    }
    return hash;
  }

  #lineEnd(row: number): number {
    const { lineStart } = this.#locations;
    return row + 1 < lineStart.length ? lineStart.data[row + 1] : this.#lines.function.length;
  }
}

function hashLocation(mapping: number, lo: number, hi: number): number {
  return mix(mix(mix(0, mapping), lo | 0), hi | 0);
}

type Trimmed<T> = { [K in keyof T]: T[K] extends Column<infer A> ? A : never } & { readonly length: number };

function table<T extends Record<string, Column<Int32Array | Uint32Array | Float64Array>>>(
  columns: T,
  length: number,
): Trimmed<T> {
  const trimmed = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.trim()]));
  return { length, ...trimmed } as unknown as Trimmed<T>;
}

/** Stable order by time; perf's rounds already give nearly sorted input, so this is mostly a check. */
function sortByTime(rows: {
  readonly length: number;
  readonly sample: Int32Array;
  readonly event: Int32Array;
  readonly time: Float64Array;
  readonly cpu: Int32Array;
  readonly weight: Float64Array;
}): Profile['timed'] {
  const { length, time } = rows;
  let isSorted = true;
  for (let i = 1; i < length && isSorted; i++) isSorted = time[i - 1] <= time[i];
  if (isSorted) return rows;
  const order = Uint32Array.from({ length }, (_, i) => i).sort((a, b) => time[a] - time[b] || a - b);
  return {
    length,
    sample: Int32Array.from(order, (row) => rows.sample[row]),
    event: Int32Array.from(order, (row) => rows.event[row]),
    time: Float64Array.from(order, (row) => rows.time[row]),
    cpu: Int32Array.from(order, (row) => rows.cpu[row]),
    weight: Float64Array.from(order, (row) => rows.weight[row]),
  };
}
