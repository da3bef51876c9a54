// Rows of totals added up, group by group: by numbers of rows, which are few, in columns, as there are millions of rows to add.
import { fail } from '../../proto/failure.js';
import { NumberMap } from '../views/number-map.js';
import type { ProfileTotals, TotalsColumns } from '../views/profile-totals.js';
import type { NumberedTotals } from './capture-totals.js';
import type { TopGroup, TopQuery, TopRow } from './top-query.js';
import type { TotalName } from './total-names.js';

/** Distinct rows: some hundred bytes each. */
const MOST_ROWS = 1_000_000;

/** Sums of a row, side by side: rows are met in any order, and each is one line of the processor's cache. */
const SELF_SAMPLES = 0;
const SELF_WEIGHT = 1;
const TOTAL_SAMPLES = 2;
const TOTAL_WEIGHT = 3;
/** Weights of the host that is being read. */
const HOST_SELF = 4;
const HOST_TOTAL = 5;
/** Of the hosts that have ended: their shares added up. */
const SELF_SHARES = 6;
const TOTAL_SHARES = 7;
const SUMS = 8;

/** Names by number; some of the numbers may have none. */
type NamesOf = (numbers: readonly number[]) => Promise<ReadonlyMap<number, TotalName>>;

/** Totals have numbers that have no name: they are not to be believed. */
export class NamelessNumbers extends Error {
  readonly numbers: readonly number[];

  constructor(numbers: readonly number[]) {
    super(`${numbers.length} numbers have no name`);
    this.numbers = numbers;
  }
}

/** Which row is whose. What is met by number and by name has a row each; they become one when the number's name is known. */
class TopRows {
  readonly #of: string;
  readonly #byNumber = new NumberMap();
  readonly #byName = new Map<string, Map<string, number>>();
  /** By row; undefined: its name is not known yet. */
  readonly #names: (TotalName | undefined)[] = [];
  /** By row: its number, where its name is not known yet. */
  readonly #numbers: number[] = [];
  /** The row that is the same. */
  readonly #sameAs = new Map<number, number>();

  constructor(of: string) {
    this.#of = of;
  }

  get length(): number {
    return this.#names.length;
  }

  ofNumber(number: number): number {
    const known = this.#byNumber.get(number);
    if (known >= 0) return known;
    const row = this.#add(undefined, number);
    this.#byNumber.set(number, row);
    return row;
  }

  ofName(name: string, object: string): number {
    const known = this.#byName.get(object)?.get(name);
    if (known !== undefined) return known;
    const row = this.#add({ name, object }, 0);
    this.#setName(row, { name, object });
    return row;
  }

  /** @throws NamelessNumbers */
  async findNames(rows: readonly number[], namesOf: NamesOf): Promise<void> {
    const nameless = rows.filter((row) => this.#names[row] === undefined);
    const names = await namesOf(nameless.map((row) => this.#numbers[row]));
    const missing: number[] = [];
    for (const row of nameless) {
      const name = names.get(this.#numbers[row]);
      if (name === undefined) {
        missing.push(this.#numbers[row]);
        continue;
      }
      const same = this.#byName.get(name.object)?.get(name.name);
      this.#names[row] = name;
      if (same === undefined) {
        this.#setName(row, name);
      } else {
        this.#sameAs.set(row, same);
        this.#byNumber.set(this.#numbers[row], same);
      }
    }
    if (missing.length > 0) throw new NamelessNumbers(missing);
  }

  /** The row that has all of it: itself, but for some whose name is known. */
  sameAs(row: number): number {
    return this.#sameAs.get(row) ?? row;
  }

  nameOf(row: number): TotalName {
    return this.#names[row] ?? { name: '', object: '' };
  }

  #add(name: TotalName | undefined, number: number): number {
    if (this.#names.length === MOST_ROWS) {
      throw fail(
        'exhausted',
        `the profiles have more than ${MOST_ROWS} different ${this.#of}`,
        'ask for fewer captures (--on, --since, --until), or --by dso or comm',
      );
    }
    this.#numbers.push(number);
    return this.#names.push(name) - 1;
  }

  #setName(row: number, { name, object }: TotalName): void {
    const ofObject = this.#byName.get(object);
    if (ofObject === undefined) this.#byName.set(object, new Map([[name, row]]));
    else ofObject.set(name, row);
  }
}

/** One group after the other: the sums of all its hosts, and of the host that is being read where each counts the same. */
export class TopSums {
  readonly #query: TopQuery;
  readonly #rows: TopRows;
  #sums = new Float64Array(1024 * SUMS);
  /** Rows that the group has. */
  #ofGroup: number[] = [];
  /** Where the sums of the rows that the host has begin. */
  #ofHost: number[] = [];
  #host: string | undefined;
  #hostWeight = 0;
  #hosts = 0;
  /** Hosts with any weight: the others have no shares. */
  #weighedHosts = 0;
  #captures = 0;
  #samples = 0;
  #weight = 0;

  constructor(query: TopQuery) {
    this.#query = query;
    this.#rows = new TopRows(query.of);
  }

  /** Captures of one host come one after the other. */
  add(host: string, totals: NumberedTotals | ProfileTotals): void {
    if (host !== this.#host) {
      this.#endHost();
      this.#host = host;
      this.#hosts++;
    }
    this.#captures++;
    this.#samples += totals.all.samples;
    this.#weight += totals.all.weight;
    this.#hostWeight += totals.all.weight;
    const rows = new Int32Array(totals.length);
    if ('numbers' in totals) {
      for (let i = 0; i < rows.length; i++) rows[i] = this.#rows.ofNumber(totals.numbers[i]);
    } else {
      for (let i = 0; i < rows.length; i++) {
        const isEmpty = totals.totalSamples[i] === 0 && totals.totalWeight[i] === 0;
        rows[i] = isEmpty ? -1 : this.#rows.ofName(totals.names[i], totals.objects[i]);
      }
    }
    this.#addRows(rows, totals);
  }

  /**
   * The group as it is; what is added then is the next one's. Undefined when nothing was added.
   * @throws NamelessNumbers
   */
  async endGroup(group: string, namesOf: NamesOf): Promise<TopGroup | undefined> {
    this.#endHost();
    await this.#rows.findNames(this.#ofGroup, namesOf);
    const ofGroup = this.#oneRowEach();
    const rows = ofGroup.map((row) => this.#rowOf(row));
    const { sortBy, limit } = this.#query;
    const byShare = sortBy === 'self' ? 'selfShare' : 'totalShare';
    rows.sort((a, b) => b[byShare] - a[byShare] || b.totalShare - a.totalShare || compareRows(a, b));
    const ended: TopGroup = {
      ...{ group, captures: this.#captures, hosts: this.#hosts, samples: this.#samples, weight: this.#weight },
      ...{ rowCount: rows.length, rows: rows.slice(0, limit) },
    };
    for (const row of [...this.#ofGroup, ...ofGroup]) this.#sums.fill(0, SUMS * row, SUMS * (row + 1));
    this.#ofGroup = [];
    this.#host = undefined;
    this.#hosts = this.#weighedHosts = this.#captures = this.#samples = this.#weight = 0;
    return ended.captures === 0 ? undefined : ended;
  }

  #addRows(rows: Int32Array, { selfSamples, selfWeight, totalSamples, totalWeight }: TotalsColumns): void {
    this.#reserve();
    const sums = this.#sums;
    const isEqual = this.#query.eachHostEqual;
    for (let i = 0; i < rows.length; i++) {
      if (rows[i] < 0) continue;
      const at = SUMS * rows[i];
      if (sums[at + TOTAL_SAMPLES] === 0 && sums[at + TOTAL_WEIGHT] === 0) this.#ofGroup.push(rows[i]);
      sums[at + SELF_SAMPLES] += selfSamples[i];
      sums[at + SELF_WEIGHT] += selfWeight[i];
      sums[at + TOTAL_SAMPLES] += totalSamples[i];
      sums[at + TOTAL_WEIGHT] += totalWeight[i];
      if (!isEqual || totalWeight[i] === 0) continue;
      if (sums[at + HOST_TOTAL] === 0) this.#ofHost.push(at);
      sums[at + HOST_SELF] += selfWeight[i];
      sums[at + HOST_TOTAL] += totalWeight[i];
    }
  }

  #reserve(): void {
    if (SUMS * this.#rows.length <= this.#sums.length) return;
    const bigger = new Float64Array(2 * SUMS * this.#rows.length);
    bigger.set(this.#sums);
    this.#sums = bigger;
  }

  #endHost(): void {
    const sums = this.#sums;
    if (this.#hostWeight > 0) {
      this.#weighedHosts++;
      for (const at of this.#ofHost) {
        sums[at + SELF_SHARES] += sums[at + HOST_SELF] / this.#hostWeight;
        sums[at + TOTAL_SHARES] += sums[at + HOST_TOTAL] / this.#hostWeight;
      }
    }
    for (const at of this.#ofHost) {
      sums[at + HOST_SELF] = 0;
      sums[at + HOST_TOTAL] = 0;
    }
    this.#ofHost = [];
    this.#hostWeight = 0;
  }

  /** The group's rows, those that are the same added up. */
  #oneRowEach(): readonly number[] {
    const sums = this.#sums;
    const rows = new Set<number>();
    for (const row of this.#ofGroup) {
      const same = this.#rows.sameAs(row);
      rows.add(same);
      if (same !== row) for (let i = 0; i < SUMS; i++) sums[SUMS * same + i] += sums[SUMS * row + i];
    }
    return [...rows];
  }

  #rowOf(row: number): TopRow {
    const sums = this.#sums.subarray(SUMS * row, SUMS * (row + 1));
    const self = { samples: sums[SELF_SAMPLES], weight: sums[SELF_WEIGHT] };
    const total = { samples: sums[TOTAL_SAMPLES], weight: sums[TOTAL_WEIGHT] };
    const isEqual = this.#query.eachHostEqual;
    const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
    return {
      ...{ ...this.#rows.nameOf(row), self, total },
      selfShare: isEqual ? share(sums[SELF_SHARES], this.#weighedHosts) : share(self.weight, this.#weight),
      totalShare: isEqual ? share(sums[TOTAL_SHARES], this.#weighedHosts) : share(total.weight, this.#weight),
    };
  }
}

function compareRows(a: TopRow, b: TopRow): number {
  return compare(a.name, b.name) || compare(a.object, b.object);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
