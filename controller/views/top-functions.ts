// Functions by the weight in them (self) and under them (total); a recursive function counts once in its total.
import type { Profile } from '../../profile/profile.js';
import type { SampleType } from '../../profile/sample-type.js';
import { type CallTreeOptions, callTree } from './call-tree.js';
import type { Origin } from './frame-table.js';

export interface TopFunction {
  readonly name: string;
  readonly origin: Origin;
  /** Object file it was first seen in; '' when unknown. */
  readonly mapping: string;
  readonly self: number;
  readonly total: number;
  /** Share of everything counted, 0 to 100. */
  readonly selfPercent: number;
  readonly totalPercent: number;
}

export interface TopFunctions {
  readonly event: string;
  /** What the numbers are counted in. */
  readonly type: SampleType;
  /** Weight of everything counted, also of samples without frames. */
  readonly total: number;
  /** How many functions there are in all. */
  readonly functionCount: number;
  /** Largest first; equal ones by name. */
  readonly functions: readonly TopFunction[];
}

export interface TopFunctionsOptions extends Omit<CallTreeOptions, 'inverted' | 'rootLabel' | 'maxDepth'> {
  /** Default `self`. */
  readonly sortBy?: 'self' | 'total';
  /** At most so many. Default 25. */
  readonly limit?: number;
}

export function topFunctions(profile: Profile, options: TopFunctionsOptions = {}): TopFunctions {
  const tree = callTree(profile, { ...options, rootLabel: '', maxDepth: Number.POSITIVE_INFINITY });
  const self = new Float64Array(tree.frames.length);
  const total = new Float64Array(tree.frames.length);
  const outermost = outermostOfFrame(tree.parent, tree.frame, tree.depth);
  for (let node = 1; node < tree.length; node++) {
    self[tree.frame[node]] += tree.self[node];
    if (outermost[node] === 1) total[tree.frame[node]] += tree.total[node];
  }
  const all = tree.total[0];
  const percent = (weight: number): number => (all === 0 ? 0 : (100 * weight) / all);
  const functions = tree.frames
    .map((frame, row) => ({
      ...frame,
      self: self[row],
      total: total[row],
      selfPercent: percent(self[row]),
      totalPercent: percent(total[row]),
    }))
    .filter((entry) => entry.total > 0)
    .sort(options.sortBy === 'total' ? byTotal : bySelf);
  return {
    event: tree.event,
    type: tree.type,
    total: all,
    functionCount: functions.length,
    functions: functions.slice(0, options.limit ?? 25),
  };
}

/** 1 for nodes with no caller of the same frame. A walk in depth-first order keeps how many of each frame are above. */
function outermostOfFrame(parent: Int32Array, frame: Int32Array, depth: Int32Array): Uint8Array {
  const result = new Uint8Array(parent.length);
  const order = depthFirst(parent);
  const above = new Map<number, number>();
  const path: number[] = [];
  for (const node of order) {
    while (path.length > depth[node]) {
      const left = frame[path.pop() ?? 0];
      above.set(left, (above.get(left) ?? 0) - 1);
    }
    const count = above.get(frame[node]) ?? 0;
    result[node] = count === 0 ? 1 : 0;
    above.set(frame[node], count + 1);
    path.push(node);
  }
  return result;
}

/** All nodes, each before its children and those before its next sibling; parents have smaller rows than children. */
function depthFirst(parent: Int32Array): Int32Array {
  const size = new Int32Array(parent.length).fill(1);
  for (let node = parent.length - 1; node > 0; node--) size[parent[node]] += size[node];
  const order = new Int32Array(parent.length);
  const nextFree = new Int32Array(parent.length);
  nextFree[0] = 1;
  for (let node = 1; node < parent.length; node++) {
    const at = nextFree[parent[node]];
    nextFree[parent[node]] += size[node];
    order[at] = node;
    nextFree[node] = at + 1;
  }
  return order;
}

function bySelf(a: TopFunction, b: TopFunction): number {
  return b.self - a.self || b.total - a.total || byName(a, b);
}

function byTotal(a: TopFunction, b: TopFunction): number {
  return b.total - a.total || b.self - a.self || byName(a, b);
}

function byName(a: TopFunction, b: TopFunction): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
