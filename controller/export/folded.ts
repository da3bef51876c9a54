// Folded stacks: `comm;outer;inner 12`, one line per distinct stack. What flame graph scripts read.
import type { Profile } from '../../profile/profile.js';
import { type CallTree, callTree, childrenOf } from '../views/call-tree.js';
import type { ExportOptions, ExportParts } from './exporter.js';

export function* foldedText(profile: Profile, options: ExportOptions = {}): ExportParts {
  const tree = callTree(profile, {
    ...(options.event === undefined ? {} : { event: options.event }),
    countSamples: options.countSamples === true,
    maxDepth: Number.POSITIVE_INFINITY,
  });
  const children = childrenOf(tree, (a, b) => compareNames(tree, a, b));
  const waiting: { readonly node: number; readonly stack: string }[] = [{ node: 0, stack: '' }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, stack } = next;
    if (tree.self[node] > 0) yield `${stack} ${tree.self[node]}\n`;
    for (const child of children(node).reverse()) {
      const name = tree.frames[tree.frame[child]].name.replace(/[;\n\r]/g, ':');
      waiting.push({ node: child, stack: stack === '' ? name.replaceAll(' ', '_') : `${stack};${name}` });
    }
  }
}

function compareNames(tree: CallTree, a: number, b: number): number {
  const x = tree.frames[tree.frame[a]].name;
  const y = tree.frames[tree.frame[b]].name;
  return x < y ? -1 : x > y ? 1 : 0;
}
