// The call trees of two profiles as one: each path once, with what either side has in it. In columns, parents before children.
import { Int32Column } from '../../profile/column.js';
import { HashIndex, mix } from '../../profile/hash-index.js';
import type { CallTree } from './call-tree.js';
import type { Frame } from './frame-table.js';

/** Node 0 is the root of both. Weights are as each side counted them. */
export interface DifferenceTree {
  readonly length: number;
  readonly frames: readonly Frame[];
  readonly frame: Int32Array;
  readonly parent: Int32Array;
  readonly depth: Int32Array;
  readonly a: SideColumns;
  readonly b: SideColumns;
  /** Of both sides. */
  readonly cutStacks: number;
}

export interface SideColumns {
  readonly self: Float64Array;
  readonly total: Float64Array;
}

/** Paths are the same when their frames have the same names and kinds of code, whatever the object files are. */
export function differenceTree(a: CallTree, b: CallTree): DifferenceTree {
  const frames: Frame[] = [];
  const rowOfFrame = new Map<string, number>();
  const internFrame = (frame: Frame): number => {
    const key = `${frame.origin} ${frame.name}`;
    const row = rowOfFrame.get(key) ?? frames.push(frame) - 1;
    rowOfFrame.set(key, row);
    return row;
  };
  const parent = new Int32Column();
  const frame = new Int32Column();
  const depth = new Int32Column();
  const index = new HashIndex((row) => mix(mix(0, parent.data[row]), frame.data[row]));
  const child = (node: number, name: number): number => {
    const hash = mix(mix(0, node), name);
    const found = index.find(hash, (row) => parent.data[row] === node && frame.data[row] === name);
    if (found >= 0) return found;
    frame.push(name);
    depth.push(node < 0 ? 0 : depth.data[node] + 1);
    const row = parent.push(node);
    index.add(found, row);
    return row;
  };
  const nodesOf = (tree: CallTree): Int32Array => {
    const names = tree.frames.map(internFrame);
    const nodes = new Int32Array(tree.length);
    for (let node = 0; node < tree.length; node++) {
      nodes[node] = child(tree.parent[node] < 0 ? -1 : nodes[tree.parent[node]], names[tree.frame[node]]);
    }
    return nodes;
  };
  const [nodesA, nodesB] = [nodesOf(a), nodesOf(b)];
  const parents = parent.trim();
  return {
    ...{ length: parents.length, frames, frame: frame.trim(), parent: parents, depth: depth.trim() },
    ...{ a: columnsOf(a, nodesA, parents), b: columnsOf(b, nodesB, parents), cutStacks: a.cutStacks + b.cutStacks },
  };
}

/** One side of it as a tree of its own: the paths of both, with the weights of that side. */
export function sideOf(tree: DifferenceTree, side: 'a' | 'b', facts: Pick<CallTree, 'event' | 'type'>): CallTree {
  const { length, frames, frame, parent, depth, cutStacks } = tree;
  return { ...facts, length, frames, frame, parent, depth, ...tree[side], cutStacks };
}

function columnsOf(tree: CallTree, nodes: Int32Array, parent: Int32Array): SideColumns {
  const self = new Float64Array(parent.length);
  for (let node = 0; node < tree.length; node++) self[nodes[node]] += tree.self[node];
  const total = self.slice();
  for (let node = total.length - 1; node > 0; node--) total[parent[node]] += total[node];
  return { self, total };
}
