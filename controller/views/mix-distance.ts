// How far one host's mix of functions is from that of the rest, and how far chance alone would take it.
import { CHANCE } from './sampling-noise.js';

/** Shares from 0 to 1 by what they are of, and how many samples they are known from. */
export interface Mix {
  readonly shares: ReadonlyMap<number, number>;
  readonly effective: number;
}

export interface MixDistance {
  /** Jensen-Shannon distance (the root of the divergence in bits): 0 for the same mix, 1 for nothing in common. */
  readonly distance: number;
  /** What 3 standard errors of sampling explain of it. */
  readonly chance: number;
}

/** Rows that fewer samples are expected of are put together, as in a chi-squared test. */
const LEAST_EXPECTED = 5;

/** Several mixes, each counting the same. */
export class MixFleet {
  readonly #mixes: ReadonlySet<Mix>;
  readonly #sums = new Map<number, number>();
  /** Rows with the largest sums first. */
  readonly #order: readonly number[];

  /** @param mixes two or more, each with samples */
  constructor(mixes: readonly Mix[]) {
    this.#mixes = new Set(mixes);
    for (const { shares } of mixes) {
      for (const [row, share] of shares) this.#sums.set(row, (this.#sums.get(row) ?? 0) + share);
    }
    this.#order = [...this.#sums].sort(([, a], [, b]) => b - a).map(([row]) => row);
  }

  /**
   * From a mix to the mean of the others; it may be one of them or not. For small differences the divergence of samples is chi-squared distributed, by an
   * eighth and the number of samples. One of rows that few samples fall in is not, and such rows would make any two hosts look unlike:
   * they are put together.
   */
  distance(mix: Mix): MixDistance {
    const restOf = (row: number) => this.restShare(mix, row);
    const isKept = (p: number, q: number) => ((p + q) / 2) * mix.effective >= LEAST_EXPECTED;
    let [divergence, rows, otherHost, otherRest] = [0, 0, 1, 1];
    const add = (p: number, q: number): void => {
      divergence += term(p, (p + q) / 2) + term(q, (p + q) / 2);
      rows++;
    };
    const keep = (p: number, q: number): void => {
      add(p, q);
      otherHost -= p;
      otherRest -= q;
    };
    for (const [row, share] of mix.shares) if (isKept(share, restOf(row))) keep(share, restOf(row));
    for (const row of this.#order) {
      if (mix.shares.has(row)) continue;
      if (!isKept(0, restOf(row))) break;
      keep(0, restOf(row));
    }
    // What rounding leaves is nothing.
    const others = [otherHost, otherRest].map((share) => (share > 1e-9 ? share : 0));
    if (others[0] + others[1] > 0) add(others[0], others[1]);
    const freedom = Math.max(1, rows - 1);
    const largest = freedom + CHANCE * Math.sqrt(2 * freedom);
    const chance = (largest * (1 / mix.effective + 1 / this.restSize(mix))) / 8 / Math.LN2;
    return { distance: Math.sqrt(Math.max(0, divergence / 2)), chance: Math.sqrt(chance) };
  }

  /** The mean share of the others. */
  restShare(mix: Mix, row: number): number {
    const own = this.#mixes.has(mix) ? (mix.shares.get(row) ?? 0) : 0;
    return Math.max(0, (this.#sums.get(row) ?? 0) - own) / this.#countWithout(mix);
  }

  /** Samples of one sample whose shares would be as uncertain as the mean of the others is. */
  restSize(mix: Mix): number {
    let errors = 0;
    for (const other of this.#mixes) if (other !== mix) errors += 1 / other.effective;
    return this.#countWithout(mix) ** 2 / errors;
  }

  #countWithout(mix: Mix): number {
    return this.#mixes.size - (this.#mixes.has(mix) ? 1 : 0);
  }
}

function term(share: number, mean: number): number {
  return share === 0 ? 0 : share * Math.log2(share / mean);
}
