// A prefix tree of names with a weight at each node: what folded stacks are before they are text.
import { Float64Column, Int32Column } from './column.js';

export class FoldedTree {
  /** The node above all processes; it has no name. */
  static readonly ROOT = 0;
  readonly names: string[] = [];
  readonly #nameIndex = new Map<string, number>();
  readonly #parent = new Int32Column();
  readonly #name = new Int32Column();
  readonly #weight = new Float64Column();
  #slots = new Int32Array(1 << 12).fill(-1);

  constructor() {
    this.#push(-1, -1);
  }

  /** The row of a name; names must not contain `;`. */
  name(text: string): number {
    let index = this.#nameIndex.get(text);
    if (index === undefined) {
      index = this.names.push(text) - 1;
      this.#nameIndex.set(text, index);
    }
    return index;
  }

  /** The node below `parent` called `name`, made if there is none. */
  child(parent: number, name: number): number {
    const parents = this.#parent.data;
    const names = this.#name.data;
    const mask = this.#slots.length - 1;
    let slot = hashOf(parent, name) & mask;
    for (;;) {
      const node = this.#slots[slot];
      if (node < 0) break;
      if (parents[node] === parent && names[node] === name) return node;
      slot = (slot + 1) & mask;
    }
    const node = this.#push(parent, name);
    this.#slots[slot] = node;
    if (2 * this.#parent.length > this.#slots.length) this.#grow();
    return node;
  }

  add(node: number, weight: number): void {
    this.#weight.data[node] += weight;
  }

  *sortedStacks(): Generator<{ stack: string; weight: number }> {
    const prefixes = [''];
    for (const { name, depth, weight } of this.walk()) {
      const stack = prefixes[depth] + this.names[name];
      if (weight >= 0) yield { stack, weight };
      else prefixes[depth + 1] = `${stack};`;
    }
  }

  /**
   * The tree in the order of its lines' text. A step is either a line (`weight` >= 0) that ends in `name` at `depth`, or (`weight` -1)
   * the beginning of the lines that go on below it. The two are apart where something sorts in between: `a`, `a b`, `a;c`.
   */
  *walk(): Generator<{ readonly name: number; readonly depth: number; readonly weight: number }> {
    const { start, nodes } = this.#children();
    const rank = this.#ranks();
    const weights = this.#weight.data;
    const names = this.#name.data;
    /** Steps to come, the next one last: a node for its lines below, the complement of a node for its own line. */
    const steps: number[] = [];
    const depths: number[] = [];
    const keyOf = (step: number): number => (step < 0 ? rank[2 * names[~step]] : rank[2 * names[step] + 1]);
    const descend = (node: number, depth: number): void => {
      const next: number[] = [];
      for (let i = start[node]; i < start[node + 1]; i++) {
        const child = nodes[i];
        if (weights[child] > 0) next.push(~child);
        if (start[child + 1] > start[child]) next.push(child);
      }
      if (next.length > 1) next.sort((a, b) => keyOf(b) - keyOf(a));
      for (const step of next) {
        steps.push(step);
        depths.push(depth);
      }
    };
    descend(FoldedTree.ROOT, 0);
    for (let step = steps.pop(), depth = depths.pop(); step !== undefined && depth !== undefined; ) {
      if (step < 0) yield { name: names[~step], depth, weight: weights[~step] };
      else {
        yield { name: names[step], depth, weight: -1 };
        descend(step, depth + 1);
      }
      step = steps.pop();
      depth = depths.pop();
    }
  }

  /** Children of node `i` are `nodes[start[i]]` to `nodes[start[i + 1] - 1]`. */
  #children(): { readonly start: Int32Array; readonly nodes: Int32Array } {
    const { length, data: parents } = this.#parent;
    const start = new Int32Array(length + 2);
    for (let node = 1; node < length; node++) start[parents[node] + 2]++;
    for (let i = 2; i < start.length; i++) start[i] += start[i - 1];
    const nodes = new Int32Array(length);
    for (let node = 1; node < length; node++) nodes[start[parents[node] + 1]++] = node;
    return { start, nodes };
  }

  /** Order of each name at the end of a line (`2 * name`) and in front of `;` (`2 * name + 1`). */
  #ranks(): Int32Array {
    const texts = this.names.flatMap((name, i) => [
      { text: name, key: 2 * i },
      { text: `${name};`, key: 2 * i + 1 },
    ]);
    texts.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
    const ranks = new Int32Array(texts.length);
    for (const [rank, { key }] of texts.entries()) ranks[key] = rank;
    return ranks;
  }

  #push(parent: number, name: number): number {
    this.#name.push(name);
    this.#weight.push(0);
    return this.#parent.push(parent);
  }

  #grow(): void {
    const slots = new Int32Array(2 * this.#slots.length).fill(-1);
    const mask = slots.length - 1;
    for (let node = 1; node < this.#parent.length; node++) {
      let slot = hashOf(this.#parent.data[node], this.#name.data[node]) & mask;
      while (slots[slot] >= 0) slot = (slot + 1) & mask;
      slots[slot] = node;
    }
    this.#slots = slots;
  }
}

/**
 * Paths that are added one after another get neighbouring nodes; adding the parent as it is keeps their slots neighbours as well, which
 * spares a cache miss per node.
 */
function hashOf(parent: number, name: number): number {
  return parent + Math.imul(name + 1, 0x9e3779b1);
}
