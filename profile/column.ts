// Growable typed columns: the mutable half of the tables in profile.ts.

/** A column that grows by doubling; `data` may be longer than `length`. */
export interface Column<A> {
  readonly length: number;
  readonly data: A;
  /** Append and return the row. */
  push(value: number): number;
  /** The filled part, as an array of its own. */
  trim(): A;
}

export class Int32Column implements Column<Int32Array> {
  length = 0;
  data = new Int32Array(64);
  push(value: number): number {
    if (this.length === this.data.length) this.data = grown(this.data, new Int32Array(this.length * 2));
    this.data[this.length] = value;
    return this.length++;
  }
  trim(): Int32Array {
    return this.data.slice(0, this.length);
  }
}

export class Uint32Column implements Column<Uint32Array> {
  length = 0;
  data = new Uint32Array(64);
  push(value: number): number {
    if (this.length === this.data.length) this.data = grown(this.data, new Uint32Array(this.length * 2));
    this.data[this.length] = value;
    return this.length++;
  }
  trim(): Uint32Array {
    return this.data.slice(0, this.length);
  }
}

export class Float64Column implements Column<Float64Array> {
  length = 0;
  data = new Float64Array(64);
  push(value: number): number {
    if (this.length === this.data.length) this.data = grown(this.data, new Float64Array(this.length * 2));
    this.data[this.length] = value;
    return this.length++;
  }
  trim(): Float64Array {
    return this.data.slice(0, this.length);
  }
}

function grown<A extends { set(from: A): void }>(from: A, to: A): A {
  to.set(from);
  return to;
}
