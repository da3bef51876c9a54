// Picks the symbol of each needed address while symbol tables are scanned once; keeps nothing of the symbols nobody asked for.
//
//   addresses  ....x........y.....     sorted, distinct
//   symbols    [--A--)  [---B----)     offered in any order by offer(); settle() ends one table
//
// perf's rules, which decide between symbols: an unsized symbol ends where the next one begins; of several that begin at one
// address the sized one wins, then the strong, the global, the one with fewer leading underscores, the longest name. Of symbols
// inside each other the innermost is taken (perf finds one or none of them, as its search tree happens to lie).

/** `name` is an offset in the string table number `table`; `suffix` is added to the name that is found there. */
export interface NameReference {
  readonly table: number;
  readonly name: number;
  readonly isPlt: boolean;
}

export const BINDING_GLOBAL = 1;
const BINDING_WEAK = 2;

/** Real tables need a few steps per address: these bounds keep hostile ones from taking hours or gigabytes. */
const STEPS_PER_ADDRESS = 256;
const MIN_STEPS = 1 << 20;
const MAX_STEPS = 1 << 24;
/** Linkers fold identical functions: libjvm.so has 157 names for one address, and the longest of them is the one to show. */
const MAX_ALIASES = 4096;
const PAGE = 4096;

const NO_NAMES: readonly NameReference[] = [];

/** Symbols that overlap so often that only a broken or hostile table explains it. */
export class OverlappingSymbolsError extends Error {
  override readonly name = 'OverlappingSymbolsError';
}

export class NeededSymbols {
  readonly addresses: Float64Array;
  // The best sized symbol of each address so far, and the aliases that equal it in rank.
  readonly #start: Float64Array;
  readonly #pick: Int32Array;
  readonly #aliases = new Map<number, number[]>();
  // The nearest symbol before each address, sized or not: `#unsized` names it if it is an unsized one.
  readonly #nearest: Float64Array;
  readonly #unsized: Int32Array;
  #highest = -1;
  readonly #last: number;
  // Candidates: the few symbols that were ever the best of an address.
  readonly #table: number[] = [];
  readonly #name: number[] = [];
  readonly #binding: number[] = [];
  readonly #isLabel: boolean[] = [];
  readonly #isPlt: boolean[] = [];
  readonly #names = new Map<number, readonly NameReference[]>();
  #steps = 0;
  readonly #maxSteps: number;

  /** @param addresses sorted, distinct */
  constructor(addresses: Float64Array) {
    this.addresses = addresses;
    this.#last = addresses[addresses.length - 1] ?? -1;
    this.#start = new Float64Array(addresses.length).fill(-1);
    this.#pick = new Int32Array(addresses.length).fill(-1);
    this.#nearest = new Float64Array(addresses.length).fill(-1);
    this.#unsized = new Int32Array(addresses.length).fill(-1);
    this.#maxSteps = Math.min(MAX_STEPS, Math.max(MIN_STEPS, addresses.length * STEPS_PER_ADDRESS));
  }

  /**
   * One symbol of the table being scanned. `isLabel`: it has no type (an assembler's label).
   * @throws OverlappingSymbolsError
   */
  offer(
    start: number,
    size: number,
    table: number,
    name: number,
    binding: number,
    isLabel: boolean,
    isPlt = false,
  ): void {
    if (start > this.#highest) this.#highest = start;
    if (start > this.#last) return;
    const { addresses } = this;
    const from = lowerBound(addresses, start);
    if (start >= this.#nearest[from]) {
      this.#nearest[from] = start;
      if (size === 0) this.#keepUnsized(from, table, name, binding, isLabel);
      else this.#unsized[from] = -1;
    }
    if (size === 0) return;
    const end = start + size;
    let candidate = -1;
    for (let at = from; at < addresses.length && addresses[at] < end; at++) {
      if (++this.#steps > this.#maxSteps) throw new OverlappingSymbolsError('its symbols overlap each other too often');
      if (start < this.#start[at]) continue;
      if (candidate < 0) candidate = this.#candidate(table, name, binding, isLabel, isPlt);
      if (start > this.#start[at]) this.#choose(at, start, candidate);
      else this.#compete(at, candidate);
    }
  }

  /** The end of one table: unsized symbols now end where the next symbol begins, and compete with the sized ones. */
  settle(): void {
    let nearest = -1;
    let unsized = -1;
    for (let at = 0; at < this.addresses.length; at++) {
      if (this.#nearest[at] >= 0 && this.#nearest[at] >= nearest) {
        nearest = this.#nearest[at];
        unsized = this.#unsized[at];
      }
      if (unsized < 0 || nearest < this.#start[at]) continue;
      const isLast = nearest === this.#highest;
      if (isLast && this.addresses[at] >= Math.ceil(nearest / PAGE) * PAGE + PAGE) continue;
      if (nearest === this.#start[at]) this.#compete(at, unsized);
      else if (this.#pick[at] < 0 || !this.#isLabel[unsized]) this.#choose(at, nearest, unsized);
    }
    this.#unsized.fill(-1);
  }

  /** Where the symbol of address number `at` begins; -1 when it has none. */
  startOf(at: number): number {
    return this.#start[at];
  }

  /**
   * The names of the symbol of address number `at`, among which its spelling decides; none when it has no symbol. Addresses of one
   * symbol get the same array, so that what is made of it can be shared.
   */
  namesOf(at: number): readonly NameReference[] {
    const pick = this.#pick[at];
    if (pick < 0) return NO_NAMES;
    const aliases = this.#aliases.get(at);
    if (aliases !== undefined) return [pick, ...aliases].map((candidate) => this.#reference(candidate));
    let names = this.#names.get(pick);
    if (names === undefined) {
      names = [this.#reference(pick)];
      this.#names.set(pick, names);
    }
    return names;
  }

  #reference(candidate: number): NameReference {
    return { table: this.#table[candidate], name: this.#name[candidate], isPlt: this.#isPlt[candidate] };
  }

  /** An unsized symbol is named by one slot only until settle(), so that the next one may take its row. */
  #keepUnsized(at: number, table: number, name: number, binding: number, isLabel: boolean): void {
    const row = this.#unsized[at];
    if (row < 0) {
      this.#unsized[at] = this.#candidate(table, name, binding, isLabel, false);
      return;
    }
    this.#table[row] = table;
    this.#name[row] = name;
    this.#binding[row] = binding;
    this.#isLabel[row] = isLabel;
  }

  #choose(at: number, start: number, candidate: number): void {
    this.#start[at] = start;
    this.#pick[at] = candidate;
    this.#aliases.delete(at);
  }

  #compete(at: number, candidate: number): void {
    const order = this.#rank(candidate) - this.#rank(this.#pick[at]);
    if (order > 0) this.#choose(at, this.#start[at], candidate);
    if (order !== 0) return;
    const aliases = this.#aliases.get(at);
    if (aliases === undefined) this.#aliases.set(at, [candidate]);
    else if (aliases.length < MAX_ALIASES) aliases.push(candidate);
  }

  #rank(candidate: number): number {
    const binding = this.#binding[candidate];
    return binding === BINDING_GLOBAL ? 2 : binding === BINDING_WEAK ? 0 : 1;
  }

  #candidate(table: number, name: number, binding: number, isLabel: boolean, isPlt: boolean): number {
    this.#table.push(table);
    this.#name.push(name);
    this.#binding.push(binding);
    this.#isLabel.push(isLabel);
    return this.#isPlt.push(isPlt) - 1;
  }
}

/** Of names that are equal in rank perf takes the one with fewer leading underscores, then the longer, then the first. */
export function bestSpelling(names: readonly string[]): number {
  let best = 0;
  for (let at = 1; at < names.length; at++) {
    const order = underscores(names[best]) - underscores(names[at]) || names[at].length - names[best].length;
    if (order > 0) best = at;
  }
  return best;
}

function underscores(name: string): number {
  let count = 0;
  while (name[count] === '_') count++;
  return count;
}

/** Index of the first element that is not less than `value`. */
export function lowerBound(sorted: Float64Array, value: number): number {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted[middle] < value) from = middle + 1;
    else to = middle;
  }
  return from;
}
