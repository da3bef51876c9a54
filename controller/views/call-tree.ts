// The tree of calls of a profile: samples that came down the same functions are one node. In columns, parents before children.
import { Float64Column, Int32Column } from '../../profile/column.js';
import { HashIndex, mix } from '../../profile/hash-index.js';
import type { Profile } from '../../profile/profile.js';
import type { SampleType } from '../../profile/sample-type.js';
import { eventColumns } from './event-columns.js';
import { type Frame, FrameTable } from './frame-table.js';
import { type SampleFilter, sampleFilter } from './sample-filter.js';

export interface CallTreeOptions extends SampleFilter {
  /** Which event. Default: the profile's first. */
  readonly event?: string;
  /** Count samples instead of their weight. Default false. */
  readonly countSamples?: boolean;
  /** Label whose value is the first frame of every stack; '' for none. Default `comm`. */
  readonly rootLabel?: string;
  /** From the leaf to its callers: the children of the root are the functions that samples fell in. Default false. */
  readonly inverted?: boolean;
  /** Depth of the deepest frames, the root's being 0; the weight of deeper ones becomes self of the last that is kept. Default 1000. */
  readonly maxDepth?: number;
}

/** Node 0 is the root: all that was counted. Weights are exact integers. */
export interface CallTree {
  readonly event: string;
  /** What self and total are counted in. */
  readonly type: SampleType;
  readonly length: number;
  readonly frames: readonly Frame[];
  /** Row of `frames`. */
  readonly frame: Int32Array;
  /** -1 for the root; otherwise a smaller row. */
  readonly parent: Int32Array;
  readonly depth: Int32Array;
  /** Weight of samples that end here. In an inverted tree: whose callers end here. */
  readonly self: Float64Array;
  /** Self plus the totals of the children. */
  readonly total: Float64Array;
  /** Stacks that were deeper than `maxDepth`. */
  readonly cutStacks: number;
}

export function callTree(profile: Profile, options: CallTreeOptions = {}): CallTree {
  const columns = eventColumns(profile, options.event);
  const weight = options.countSamples === true ? columns.samples : columns.weight;
  const frames = new FrameTable(profile);
  const tree = new TreeBuilder(frames.intern('all', 'all', ''), options.maxDepth ?? 1000);
  const keeps = sampleFilter(profile, frames, options);
  const groups = groupSamples(profile, weight, keeps, options.rootLabel ?? 'comm');
  const addStacks = options.inverted === true ? addInverted : addUpright;
  addStacks(profile, groups, weight, frames, tree);
  const type = options.countSamples === true ? ({ type: columns.event, unit: 'count' } as const) : columns.type;
  return { event: columns.event, type, frames: frames.frames, ...tree.finish() };
}

/** The children of every node in any order you like: `children.of(node)` are rows `from` to `to` of `order`. */
export function childrenOf(tree: CallTree, compare: (a: number, b: number) => number): (node: number) => Int32Array {
  const start = new Int32Array(tree.length + 1);
  for (let node = 1; node < tree.length; node++) start[tree.parent[node] + 1]++;
  for (let node = 0; node < tree.length; node++) start[node + 1] += start[node];
  const next = start.slice();
  const order = new Int32Array(Math.max(0, tree.length - 1));
  for (let node = 1; node < tree.length; node++) order[next[tree.parent[node]]++] = node;
  return (node) => order.subarray(start[node], start[node + 1]).sort(compare);
}

/** Samples under one value of the root label, whose frames are named alike. */
interface SampleGroup {
  /** Undefined without a root label. */
  readonly root: string | undefined;
  readonly isJava: boolean;
  readonly samples: number[];
}

/** In groups, so that one scratch column of stack rows serves all. */
function groupSamples(
  { labelSets, samples }: Profile,
  weight: Float64Array,
  keeps: (sample: number) => boolean,
  rootLabel: string,
): Iterable<SampleGroup> {
  const keys = labelSets.map((set) => {
    const valueOfKey = (key: string): string | undefined => set.find((label) => label.key === key)?.value;
    const root = rootLabel === '' ? undefined : (valueOfKey(rootLabel) ?? '[unknown]');
    return { root, isJava: valueOfKey('comm')?.startsWith('java') === true };
  });
  const groups = new Map<string, SampleGroup>();
  const groupOfSet = keys.map((key) => {
    const text = JSON.stringify(key);
    const group = groups.get(text) ?? { ...key, samples: [] };
    groups.set(text, group);
    return group;
  });
  for (let sample = 0; sample < samples.length; sample++) {
    if (weight[sample] > 0 && keeps(sample)) groupOfSet[samples.labels[sample]].samples.push(sample);
  }
  return groups.values();
}

function addUpright(
  profile: Profile,
  groups: Iterable<SampleGroup>,
  weight: Float64Array,
  frames: FrameTable,
  tree: TreeBuilder,
): void {
  const { stacks, samples } = profile;
  const nodeOfStack = new Int32Array(stacks.length);
  const path: number[] = [];
  for (const group of groups) {
    if (group.samples.length === 0) continue;
    const root = group.root === undefined ? 0 : tree.child(0, frames.intern(group.root, 'process', ''));
    nodeOfStack.fill(-1);
    for (const sample of group.samples) {
      let row = samples.stack[sample];
      while (row >= 0 && nodeOfStack[row] < 0) {
        path.push(row);
        row = stacks.parent[row];
      }
      let node = row < 0 ? root : nodeOfStack[row];
      for (let next = path.pop(); next !== undefined; next = path.pop()) {
        for (const frame of frames.ofLocation(stacks.location[next], group.isJava)) node = tree.child(node, frame);
        nodeOfStack[next] = node;
      }
      tree.add(node, weight[sample]);
    }
  }
}

function addInverted(
  profile: Profile,
  groups: Iterable<SampleGroup>,
  weight: Float64Array,
  frames: FrameTable,
  tree: TreeBuilder,
): void {
  const { stacks, samples } = profile;
  for (const group of groups) {
    for (const sample of group.samples) {
      let node = 0;
      for (let row = samples.stack[sample]; row >= 0; row = stacks.parent[row]) {
        const found = frames.ofLocation(stacks.location[row], group.isJava);
        for (let i = found.length - 1; i >= 0; i--) node = tree.child(node, found[i]);
      }
      if (group.root !== undefined) node = tree.child(node, frames.intern(group.root, 'process', ''));
      tree.add(node, weight[sample]);
    }
  }
}

class TreeBuilder {
  readonly #frame = new Int32Column();
  readonly #parent = new Int32Column();
  readonly #depth = new Int32Column();
  readonly #self = new Float64Column();
  readonly #index = new HashIndex((row) => mix(mix(0, this.#parent.data[row]), this.#frame.data[row]));
  readonly #maxDepth: number;
  readonly #cut = new Set<number>();

  constructor(rootFrame: number, maxDepth: number) {
    this.#maxDepth = maxDepth;
    this.#push(-1, rootFrame, 0);
  }

  /** The child of `node` for a frame; `node` itself at the depth limit. */
  child(node: number, frame: number): number {
    const depth = this.#depth.data[node] + 1;
    if (depth > this.#maxDepth) {
      this.#cut.add(node);
      return node;
    }
    const { data: parents } = this.#parent;
    const { data: frames } = this.#frame;
    const hash = mix(mix(0, node), frame);
    const found = this.#index.find(hash, (row) => parents[row] === node && frames[row] === frame);
    if (found >= 0) return found;
    const row = this.#push(node, frame, depth);
    this.#index.add(found, row);
    return row;
  }

  add(node: number, weight: number): void {
    this.#self.data[node] += weight;
  }

  finish(): Omit<CallTree, 'event' | 'type' | 'frames'> {
    const parent = this.#parent.trim();
    const self = this.#self.trim();
    const total = self.slice();
    for (let node = parent.length - 1; node > 0; node--) total[parent[node]] += total[node];
    return {
      length: parent.length,
      frame: this.#frame.trim(),
      parent,
      depth: this.#depth.trim(),
      self,
      total,
      cutStacks: this.#cut.size,
    };
  }

  #push(parent: number, frame: number, depth: number): number {
    this.#frame.push(frame);
    this.#depth.push(depth);
    this.#self.push(0);
    return this.#parent.push(parent);
  }
}
