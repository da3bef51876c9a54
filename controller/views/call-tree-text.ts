// The call tree in a terminal: shares on the left, the tree on the right, chains of single calls without steps to the right.
import { type CallTree, childrenOf } from './call-tree.js';
import { percentText, weightText } from './number-text.js';
import { printable } from './printable.js';

export interface CallTreeTextOptions {
  /** Frames below this share of everything are summed up in one line. Default 1. */
  readonly minPercent?: number;
  /** Lines at most; the rest is counted in the last line. Default 200. */
  readonly maxLines?: number;
  /** Colour by share with ANSI codes. Default false. */
  readonly isColored?: boolean;
  /** Show the object file behind each name. Default true. */
  readonly withMapping?: boolean;
}

/** Lines of text, heading first, each ended by a line feed. */
export function callTreeText(tree: CallTree, options: CallTreeTextOptions = {}): string {
  const all = tree.total[0];
  const least = (all * (options.minPercent ?? 1)) / 100;
  const maxLines = options.maxLines ?? 200;
  const children = childrenOf(tree, (a, b) => tree.total[b] - tree.total[a] || byName(tree, a, b));
  const lines = [
    `${'total'.padStart(7)} ${'self'.padStart(7)} ${'weight'.padStart(10)}  ${tree.event || 'nothing counted'}`,
  ];
  const write = (node: number, branch: string): void => {
    const columns = [
      percentText(tree.total[node], all, 1).padStart(7),
      percentText(tree.self[node], all, 1).padStart(7),
      weightText(tree.total[node], tree.type.unit).padStart(10),
    ].join(' ');
    lines.push(
      `${colored(columns, tree.total[node] / all, options.isColored)}  ${branch}${frameText(tree, node, options)}`,
    );
  };
  const waiting: Waiting[] = [{ kind: 'frame', node: 0, branch: '', below: '' }];
  let unshown = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (lines.length > maxLines) {
      unshown++;
      continue;
    }
    if (next.kind === 'rest') {
      const columns = `${percentText(next.weight, all, 1).padStart(7)} ${''.padStart(18)}`;
      const frames = next.count === 1 ? 'one more below' : `${next.count} more, each below`;
      lines.push(`${columns}  ${next.branch}(${frames} ${options.minPercent ?? 1}%)`);
      continue;
    }
    write(next.node, next.branch);
    waiting.push(...below(tree, next, children(next.node), least).reverse());
  }
  if (unshown > 0)
    lines.push(`… and ${unshown} more branches: raise the least share or the number of lines to choose what is shown`);
  return lines.map((line) => `${line}\n`).join('');
}

/** Something still to be printed: a frame, or the sum of the frames that are too small to print. */
type Waiting =
  | { readonly kind: 'frame'; readonly node: number; readonly branch: string; readonly below: string }
  | { readonly kind: 'rest'; readonly count: number; readonly weight: number; readonly branch: string };

/** What hangs below a printed frame. A single call with nothing beside it goes straight down, in the same column. */
function below(
  tree: CallTree,
  { node, below: indent }: { readonly node: number; readonly below: string },
  children: Int32Array,
  least: number,
): Waiting[] {
  const shown = children.filter((child) => tree.total[child] > 0 && tree.total[child] >= least);
  const rest = children.filter((child) => tree.total[child] > 0 && tree.total[child] < least);
  const restWeight = rest.reduce((sum, child) => sum + tree.total[child], 0);
  if (shown.length === 1 && rest.length === 0 && tree.self[node] === 0 && node !== 0) {
    return [{ kind: 'frame', node: shown[0], branch: indent, below: indent }];
  }
  const result: Waiting[] = [];
  for (const [i, child] of shown.entries()) {
    const isLast = i === shown.length - 1 && rest.length === 0;
    result.push({
      kind: 'frame',
      node: child,
      branch: `${indent}${isLast ? '└─ ' : '├─ '}`,
      below: `${indent}${isLast ? '   ' : '│  '}`,
    });
  }
  if (rest.length > 0) result.push({ kind: 'rest', count: rest.length, weight: restWeight, branch: `${indent}└─ ` });
  return result;
}

function frameText(tree: CallTree, node: number, options: CallTreeTextOptions): string {
  const { name, origin, mapping } = tree.frames[tree.frame[node]];
  const file = mapping.slice(mapping.lastIndexOf('/') + 1);
  const isShown = options.withMapping !== false && file !== '' && !name.includes(file);
  const kind = origin === 'inlined' ? ' (inlined)' : '';
  return `${printable(name)}${kind}${isShown ? dimmed(`  ${printable(file)}`, options.isColored) : ''}`;
}

/** Red from a half, yellow from a tenth. */
function colored(text: string, share: number, isColored = false): string {
  if (!isColored || share < 0.1) return text;
  return `\x1b[${share >= 0.5 ? 31 : 33}m${text}\x1b[0m`;
}

function dimmed(text: string, isColored = false): string {
  return isColored ? `\x1b[2m${text}\x1b[0m` : text;
}

function byName(tree: CallTree, a: number, b: number): number {
  const x = tree.frames[tree.frame[a]].name;
  const y = tree.frames[tree.frame[b]].name;
  return x < y ? -1 : x > y ? 1 : 0;
}
