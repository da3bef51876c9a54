// The stacks of a profile depth first: what was sampled below each frame is added up so that a function that calls itself counts once.
import type { Profile } from '../../profile/profile.js';

/**
 * Rows of the functions of location `i`, outermost first: `rows[start[i]]` to `rows[start[i + 1] - 1]`; none for what folded stacks leave
 * out. `objects[i]` is the row of its object file.
 */
export interface FrameRows {
  readonly start: Int32Array;
  readonly rows: Int32Array;
  readonly objects: Int32Array;
}

/** By row. */
export interface RowSums {
  /** Samples that fell in it, and what they stand for. */
  readonly selfSamples: Float64Array;
  readonly selfWeight: Float64Array;
  /** Samples with it anywhere on the stack, each once. Processes: as self. */
  readonly totalSamples: Float64Array;
  readonly totalWeight: Float64Array;
}

/** By place, side by side: what ended at the stack, and that and all below it. */
const SAMPLES = 0;
const WEIGHT = 1;
const ALL_SAMPLES = 2;
const ALL_WEIGHT = 3;
const VALUES = 4;

/** Samples put on the stacks of one StackTree. */
type StackValues = Float64Array & { readonly __values: unique symbol };

/** Places are stacks in the order of a walk: each before those that it called, and those next to it. */
export class StackTree {
  readonly #placeOf: Int32Array;
  /** By place. */
  readonly #parent: Int32Array;
  readonly #depth: Int32Array;
  readonly #location: Int32Array;
  readonly #deepest: number;

  constructor({ length, parent, location }: Profile['stacks']) {
    // Parents stand before their children, in the profile too.
    const size = new Int32Array(length).fill(1);
    for (let stack = length - 1; stack >= 0; stack--) if (parent[stack] >= 0) size[parent[stack]] += size[stack];
    const [placeOf, parents, depths, locations] = [0, 1, 2, 3].map(() => new Int32Array(length));
    /** Where the next one that each stack called stands. */
    const next = new Int32Array(length);
    let nextRoot = 0;
    let deepest = -1;
    for (let stack = 0; stack < length; stack++) {
      const above = parent[stack];
      const isRoot = above < 0;
      const place = isRoot ? nextRoot : next[above];
      if (isRoot) nextRoot += size[stack];
      else next[above] += size[stack];
      next[stack] = place + 1;
      placeOf[stack] = place;
      parents[place] = isRoot ? -1 : placeOf[above];
      const depth = isRoot ? 0 : depths[placeOf[above]] + 1;
      depths[place] = depth;
      locations[place] = location[stack];
      if (depth > deepest) deepest = depth;
    }
    this.#placeOf = placeOf;
    this.#parent = parents;
    this.#depth = depths;
    this.#location = locations;
    this.#deepest = deepest;
  }

  /** @param stacks of each sample; -1: it is left out */
  put(stacks: ArrayLike<number>, samples: Float64Array, weight: Float64Array): StackValues {
    const parent = this.#parent;
    const values = new Float64Array(VALUES * parent.length);
    for (let row = 0; row < stacks.length; row++) {
      if (stacks[row] < 0) continue;
      const at = VALUES * this.#placeOf[stacks[row]];
      values[at + SAMPLES] += samples[row];
      values[at + WEIGHT] += weight[row];
    }
    for (let place = parent.length - 1; place >= 0; place--) {
      const at = VALUES * place;
      values[at + ALL_SAMPLES] += values[at + SAMPLES];
      values[at + ALL_WEIGHT] += values[at + WEIGHT];
      if (parent[place] < 0) continue;
      values[VALUES * parent[place] + ALL_SAMPLES] += values[at + ALL_SAMPLES];
      values[VALUES * parent[place] + ALL_WEIGHT] += values[at + ALL_WEIGHT];
    }
    return values as StackValues;
  }

  /** Adds to the rows of the functions and object files that each stack stands for, each once. */
  addUp(
    values: StackValues,
    { start, rows, objects }: FrameRows,
    { selfSamples, selfWeight, totalSamples, totalWeight }: RowSums,
  ): void {
    const [depths, locations] = [this.#depth, this.#location];
    /** How many frames of each row are on the path to here. */
    const onPath = new Int32Array(selfSamples.length);
    /** By depth: the location there, and the innermost function so far; a location without one has its caller's. */
    const path = new Int32Array(this.#deepest + 1);
    const innermost = new Int32Array(this.#deepest + 1);
    let pathLength = 0;
    for (let place = 0; place < depths.length; place++) {
      const depth = depths[place];
      while (pathLength > depth) {
        const left = path[--pathLength];
        onPath[objects[left]]--;
        for (let i = start[left]; i < start[left + 1]; i++) onPath[rows[i]]--;
      }
      const location = locations[place];
      path[pathLength++] = location;
      const at = VALUES * place;
      const object = objects[location];
      if (onPath[object]++ === 0) {
        totalSamples[object] += values[at + ALL_SAMPLES];
        totalWeight[object] += values[at + ALL_WEIGHT];
      }
      let own = depth === 0 ? -1 : innermost[depth - 1];
      for (let i = start[location]; i < start[location + 1]; i++) {
        own = rows[i];
        if (onPath[own]++ > 0) continue;
        totalSamples[own] += values[at + ALL_SAMPLES];
        totalWeight[own] += values[at + ALL_WEIGHT];
      }
      innermost[depth] = own;
      // Most stacks are only on the way to others.
      if (values[at + SAMPLES] === 0 && values[at + WEIGHT] === 0) continue;
      selfSamples[object] += values[at + SAMPLES];
      selfWeight[object] += values[at + WEIGHT];
      if (own < 0) continue;
      selfSamples[own] += values[at + SAMPLES];
      selfWeight[own] += values[at + WEIGHT];
    }
  }
}
