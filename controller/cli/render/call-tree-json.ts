// A call tree as nested objects, for `show --tree --json`.
import type { CallTree } from '../../views/call-tree.js';

export interface CallTreeJson {
  readonly name: string;
  readonly origin: string;
  readonly self: number;
  readonly total: number;
  readonly children: CallTreeJson[];
}

/** Nested objects, heaviest first; the same nodes that the text shows. */
export function callTreeJson(tree: CallTree, minPercent: number): CallTreeJson {
  const least = (tree.total[0] * minPercent) / 100;
  const made: CallTreeJson[] = [];
  for (let node = 0; node < tree.length; node++) {
    const frame = tree.frames[tree.frame[node]];
    made.push({ name: frame.name, origin: frame.origin, self: tree.self[node], total: tree.total[node], children: [] });
    // Parents come before children, so the parent's object exists.
    if (node > 0 && tree.total[node] > 0 && tree.total[node] >= least)
      made[tree.parent[node]].children.push(made[node]);
  }
  for (const { children } of made) children.sort((a, b) => b.total - a.total);
  return made[0];
}
