// Where each frame of a flame graph lies: offset and width in weight (exact) and in the unit of the drawing, and its depth.
import { type CallTree, childrenOf } from './call-tree.js';

export interface FlameLayoutOptions {
  /** Width of everything, in the unit of the drawing (pixels). Default 1200. */
  readonly width?: number;
  /** Frames narrower than this are left out with all above them, in the unit of `width`. Default 0: all are kept. */
  readonly minWidth?: number;
}

/** In order of depth-first, siblings by name; row 0 is the root. Rows refer to nodes of the call tree. */
export interface FlameLayout {
  readonly length: number;
  readonly node: Int32Array;
  readonly depth: Int32Array;
  /** Weight to the left of the frame; exact. */
  readonly start: Float64Array;
  /** The node's total; exact. Children lie inside `start` to `start + weight` of their parent and do not overlap. */
  readonly weight: Float64Array;
  /** `start` and `weight` scaled to `width`. */
  readonly x: Float64Array;
  readonly width: Float64Array;
  /** Depth of the deepest frame that is kept. */
  readonly maxDepth: number;
  /** Frames left out because they are too narrow. */
  readonly hiddenFrames: number;
}

export function flameLayout(tree: CallTree, options: FlameLayoutOptions = {}): FlameLayout {
  const fullWidth = options.width ?? 1200;
  const all = tree.total[0];
  const scale = all === 0 ? 0 : fullWidth / all;
  const leastWeight = scale === 0 ? 0 : (options.minWidth ?? 0) / scale;
  const rank = nameRanks(tree);
  const children = childrenOf(tree, (a, b) => rank[tree.frame[a]] - rank[tree.frame[b]]);
  const nodes: number[] = [];
  const starts: number[] = [];
  const waiting: { readonly node: number; readonly start: number }[] = [{ node: 0, start: 0 }];
  let maxDepth = 0;
  for (let top = waiting.pop(); top !== undefined; top = waiting.pop()) {
    nodes.push(top.node);
    starts.push(top.start);
    maxDepth = Math.max(maxDepth, tree.depth[top.node]);
    // Pushed from the right, so that the leftmost child is taken next.
    let end = top.start + tree.total[top.node] - tree.self[top.node];
    for (const child of children(top.node).reverse()) {
      end -= tree.total[child];
      if (tree.total[child] > 0 && tree.total[child] >= leastWeight) waiting.push({ node: child, start: end });
    }
  }
  const start = Float64Array.from(starts);
  const weight = Float64Array.from(nodes, (node) => tree.total[node]);
  return {
    length: nodes.length,
    node: Int32Array.from(nodes),
    depth: Int32Array.from(nodes, (node) => tree.depth[node]),
    start,
    weight,
    x: start.map((value) => value * scale),
    width: all === 0 ? Float64Array.from([fullWidth]) : weight.map((value) => value * scale),
    maxDepth,
    hiddenFrames: tree.length - nodes.length,
  };
}

/** Rank of each frame in order of name, then origin: the same set of stacks always gives the same picture. */
function nameRanks(tree: CallTree): Int32Array {
  const order = tree.frames.map((frame, row) => ({ frame, row }));
  order.sort((a, b) => compare(a.frame.name, b.frame.name) || compare(a.frame.origin, b.frame.origin));
  const rank = new Int32Array(tree.frames.length);
  for (const [position, { row }] of order.entries()) rank[row] = position;
  return rank;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
