// Folded stacks as bytes: names are encoded once, and a line copies the path it shares with the line before.
import type { FoldedTree } from '../../profile/folded-tree.js';

const CHUNK = 1 << 18;

/** The lines of a tree, in order, in chunks of some 256 KiB. A chunk is valid until the next one is asked for. */
export function* foldedLines(tree: FoldedTree): Generator<Uint8Array> {
  const names: (Buffer | undefined)[] = new Array<Buffer | undefined>(tree.names.length);
  /** The frames above the present one, each followed by `;`; those of depth `d` end at `ends[d]`. */
  let path = Buffer.alloc(1 << 16);
  const ends = [0];
  let out = Buffer.allocUnsafe(2 * CHUNK);
  let filled = 0;
  for (const { name, depth, weight } of tree.walk()) {
    let text = names[name];
    if (text === undefined) {
      text = Buffer.from(tree.names[name]);
      names[name] = text;
    }
    const above = ends[depth];
    if (weight < 0) {
      const end = above + text.length + 1;
      if (end > path.length) path = Buffer.concat([path], 2 * end);
      path.set(text, above);
      path[end - 1] = SEMICOLON;
      ends[depth + 1] = end;
      continue;
    }
    const tail = ` ${weight}\n`;
    if (filled + above + text.length + tail.length > out.length) {
      if (filled > 0) yield out.subarray(0, filled);
      filled = 0;
      const longest = above + text.length + tail.length;
      if (longest > out.length) out = Buffer.allocUnsafe(2 * longest);
    }
    path.copy(out, filled, 0, above);
    filled += above;
    out.set(text, filled);
    filled += text.length;
    filled += out.write(tail, filled, 'latin1');
  }
  if (filled > 0) yield out.subarray(0, filled);
}

const SEMICOLON = 0x3b;
