// What of a profile falls on each function, process or object file: one pass over its columns, for questions over thousands of profiles.
import type { Profile } from '../../profile/profile.js';
import { eventColumns } from './event-columns.js';
import { FrameTable, objectName } from './frame-table.js';

/** What rows are about. `comms`: names of processes; `objects`: object files. */
export const TOTALS_OF = ['functions', 'comms', 'objects'] as const;
export type TotalsOf = (typeof TOTALS_OF)[number];

export interface TotalsRow {
  readonly name: string;
  /** Of functions: file name of the object; '' otherwise. */
  readonly object: string;
  /** Samples that fell in it, and what they stand for. */
  readonly self: Amount;
  /** Samples with it anywhere on the stack, each once. Processes: as self. */
  readonly total: Amount;
}

export interface Amount {
  readonly samples: number;
  readonly weight: number;
}

export interface ProfileTotals {
  /** Of all samples, also those without frames. */
  readonly all: Amount;
  /** In no order, one for each name and object. */
  readonly rows: readonly TotalsRow[];
}

/** @throws UnknownEventError for an event that the profile does not have */
export function profileTotals(profile: Profile, event: string, of: TotalsOf): ProfileTotals {
  const { samples, weight } = eventColumns(profile, event);
  return of === 'comms' ? commTotals(profile, samples, weight) : stackTotals(profile, samples, weight, of);
}

function commTotals(profile: Profile, samples: Float64Array, weight: Float64Array): ProfileTotals {
  const comms = profile.labelSets.map((set) => set.find(({ key }) => key === 'comm')?.value ?? '[unknown]');
  const sums = new Map<string, { samples: number; weight: number }>();
  const all = { samples: 0, weight: 0 };
  for (let row = 0; row < samples.length; row++) {
    const comm = comms[profile.samples.labels[row]];
    const sum = sums.get(comm) ?? { samples: 0, weight: 0 };
    sum.samples += samples[row];
    sum.weight += weight[row];
    all.samples += samples[row];
    all.weight += weight[row];
    sums.set(comm, sum);
  }
  return { all, rows: [...sums].map(([name, sum]) => ({ name, object: '', self: sum, total: sum })) };
}

/** What a frame is counted as: a row of names, and which rows a location stands for. */
interface Naming {
  /** Rows of the frames of a location, outermost first; none for what folded stacks leave out. */
  readonly rowsOf: (location: number, isJava: boolean) => readonly number[];
  readonly names: () => readonly { readonly name: string; readonly object: string }[];
}

function stackTotals(
  profile: Profile,
  samples: Float64Array,
  weight: Float64Array,
  of: 'functions' | 'objects',
): ProfileTotals {
  const naming = of === 'functions' ? functionNaming(profile) : objectNaming(profile);
  const sums = new Sums();
  const all = { samples: 0, weight: 0 };
  const walk = new StackWalk(profile);
  const isJavaSet = profile.labelSets.map((set) =>
    set.some(({ key, value }) => key === 'comm' && value.startsWith('java')),
  );
  // Names of generated code of Java are tidied: what such processes ran is added up apart.
  for (const isJava of new Set(isJavaSet)) {
    walk.clear();
    for (let row = 0; row < samples.length; row++) {
      if (isJavaSet[profile.samples.labels[row]] !== isJava) continue;
      all.samples += samples[row];
      all.weight += weight[row];
      if (profile.samples.stack[row] >= 0) walk.put(profile.samples.stack[row], samples[row], weight[row]);
    }
    walk.addTo(sums, (location) => naming.rowsOf(location, isJava));
  }
  const rows = naming.names().flatMap(({ name, object }, row) => sums.rowOf(row, name, object));
  return { all, rows };
}

/** Frames of one name and object are one row, inlined or not: such a function may call itself. */
function functionNaming(profile: Profile): Naming {
  const table = new FrameTable(profile, true);
  const names = new Names();
  const known: (readonly number[] | undefined)[] = [];
  return {
    rowsOf(location, isJava) {
      const index = 2 * location + (isJava ? 1 : 0);
      known[index] ??= table.ofLocation(location, isJava).map((frame) => {
        const { name, mapping } = table.frames[frame];
        return names.row(name, objectName(mapping));
      });
      return known[index];
    },
    names: () => names.list,
  };
}

function objectNaming({ locations, mappings, strings }: Profile): Naming {
  const names = new Names();
  const rows = Array.from({ length: locations.length }, (_, location): readonly number[] => {
    const mapping = locations.mapping[location];
    return [names.row(objectName(mapping < 0 ? '' : strings[mappings.filename[mapping]]), '')];
  });
  return { rowsOf: (location) => rows[location], names: () => names.list };
}

/** Distinct pairs of a name and an object. */
class Names {
  readonly list: { readonly name: string; readonly object: string }[] = [];
  readonly #rows = new Map<string, number>();

  row(name: string, object: string): number {
    const key = `${name}\0${object}`;
    const row = this.#rows.get(key) ?? this.list.push({ name, object }) - 1;
    this.#rows.set(key, row);
    return row;
  }
}

/** Sums by row of a naming, growing with it. */
class Sums {
  readonly #rows: { selfSamples: number; selfWeight: number; totalSamples: number; totalWeight: number }[] = [];

  at(row: number) {
    this.#rows[row] ??= { selfSamples: 0, selfWeight: 0, totalSamples: 0, totalWeight: 0 };
    return this.#rows[row];
  }

  rowOf(row: number, name: string, object: string): TotalsRow[] {
    const sum = this.#rows[row];
    if (sum === undefined || (sum.totalSamples === 0 && sum.totalWeight === 0)) return [];
    return [
      {
        ...{ name, object, self: { samples: sum.selfSamples, weight: sum.selfWeight } },
        total: { samples: sum.totalSamples, weight: sum.totalWeight },
      },
    ];
  }
}

/** Values put on stacks, then added up over the tree of stacks, depth first, so that a row that calls itself counts once. */
class StackWalk {
  readonly #profile: Profile;
  readonly #selfSamples: Float64Array;
  readonly #selfWeight: Float64Array;
  readonly #firstChild: Int32Array;
  readonly #nextSibling: Int32Array;
  #firstRoot = -1;

  constructor(profile: Profile) {
    const { length, parent } = profile.stacks;
    this.#profile = profile;
    this.#selfSamples = new Float64Array(length);
    this.#selfWeight = new Float64Array(length);
    this.#firstChild = new Int32Array(length).fill(-1);
    this.#nextSibling = new Int32Array(length).fill(-1);
    for (let row = length - 1; row >= 0; row--) {
      const above = parent[row];
      this.#nextSibling[row] = above < 0 ? this.#firstRoot : this.#firstChild[above];
      if (above < 0) this.#firstRoot = row;
      else this.#firstChild[above] = row;
    }
  }

  clear(): void {
    this.#selfSamples.fill(0);
    this.#selfWeight.fill(0);
  }

  put(stack: number, samples: number, weight: number): void {
    this.#selfSamples[stack] += samples;
    this.#selfWeight[stack] += weight;
  }

  addTo(sums: Sums, rowsOf: (location: number) => readonly number[]): void {
    const { stacks } = this.#profile;
    const { parent, location } = stacks;
    const [samples, weight] = [this.#selfSamples.slice(), this.#selfWeight.slice()];
    for (let row = stacks.length - 1; row >= 0; row--) {
      if (parent[row] < 0) continue;
      samples[parent[row]] += samples[row];
      weight[parent[row]] += weight[row];
    }
    /** How many frames of each row are on the path. */
    const onPath: number[] = [];
    /** The innermost row on the path to each stack; a location without frames has its caller's. */
    const innermost = new Int32Array(stacks.length).fill(-1);
    const enter = (stack: number): void => {
      const rows = rowsOf(location[stack]);
      for (const row of rows) {
        const count = onPath[row] ?? 0;
        if (count === 0) {
          const sum = sums.at(row);
          sum.totalSamples += samples[stack];
          sum.totalWeight += weight[stack];
        }
        onPath[row] = count + 1;
      }
      const own = rows.at(-1) ?? (parent[stack] < 0 ? -1 : innermost[parent[stack]]);
      innermost[stack] = own;
      if (own < 0) return;
      const sum = sums.at(own);
      sum.selfSamples += this.#selfSamples[stack];
      sum.selfWeight += this.#selfWeight[stack];
    };
    const leave = (stack: number): void => {
      for (const row of rowsOf(location[stack])) onPath[row]--;
    };
    let next = this.#firstRoot;
    while (next >= 0) {
      enter(next);
      if (this.#firstChild[next] >= 0) {
        next = this.#firstChild[next];
        continue;
      }
      let done = next;
      leave(done);
      while (this.#nextSibling[done] < 0 && parent[done] >= 0) {
        done = parent[done];
        leave(done);
      }
      next = this.#nextSibling[done];
    }
  }
}
