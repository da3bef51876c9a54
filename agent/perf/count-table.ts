// How often each (context, chain, event) was sampled and what weight those samples stand for.

export class CountTable {
  length = 0;
  context = new Int32Array(1 << 11);
  chain = new Int32Array(1 << 11);
  event = new Int32Array(1 << 11);
  samples = new Float64Array(1 << 11);
  weight = new Float64Array(1 << 11);
  #slots = new Int32Array(1 << 12).fill(-1);

  /** Count one sample. @returns its row */
  add(context: number, chain: number, event: number, weight: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hashOf(context, chain, event) & mask;
    for (;;) {
      const row = slots[slot];
      if (row < 0) return this.#insert(slot, context, chain, event, weight);
      if (this.chain[row] === chain && this.context[row] === context && this.event[row] === event) {
        this.samples[row]++;
        this.weight[row] += weight;
        return row;
      }
      slot = (slot + 1) & mask;
    }
  }

  #insert(slot: number, context: number, chain: number, event: number, weight: number): number {
    const row = this.length++;
    if (row === this.context.length) this.#growRows();
    this.context[row] = context;
    this.chain[row] = chain;
    this.event[row] = event;
    this.samples[row] = 1;
    this.weight[row] = weight;
    this.#slots[slot] = row;
    if (this.length * 2 > this.#slots.length) this.#growSlots();
    return row;
  }

  #growRows(): void {
    this.context = grown(this.context, new Int32Array(2 * this.context.length));
    this.chain = grown(this.chain, new Int32Array(2 * this.chain.length));
    this.event = grown(this.event, new Int32Array(2 * this.event.length));
    this.samples = grown(this.samples, new Float64Array(2 * this.samples.length));
    this.weight = grown(this.weight, new Float64Array(2 * this.weight.length));
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (let row = 0; row < this.length; row++) {
      let slot = hashOf(this.context[row], this.chain[row], this.event[row]) & mask;
      while (slots[slot] >= 0) slot = (slot + 1) & mask;
      slots[slot] = row;
    }
    this.#slots = slots;
  }
}

function hashOf(context: number, chain: number, event: number): number {
  const h = Math.imul(chain ^ Math.imul(context + event * 7919, 0x9e3779b1), 0x85ebca6b);
  return h ^ (h >>> 15);
}

function grown<A extends { set(from: A): void }>(from: A, to: A): A {
  to.set(from);
  return to;
}
