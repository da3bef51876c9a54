// Every single sample, for captures that keep time stamps: which count row, when, on which CPU, with what weight.
import { Float64Column, Int32Column } from '../../profile/column.js';

export class TimedSamples {
  readonly #row = new Int32Column();
  readonly #cpu = new Int32Column();
  readonly #time = new Float64Column();
  readonly #weight = new Float64Column();

  /** `time` as the sorter counts it; samples without one are kept as taken at the start. */
  push(row: number, time: number, cpu: number, weight: number): void {
    this.#row.push(row);
    this.#time.push(Number.isFinite(time) ? time : Number.NEGATIVE_INFINITY);
    this.#cpu.push(cpu);
    this.#weight.push(weight);
  }

  get length(): number {
    return this.#row.length;
  }
  get row(): Int32Array {
    return this.#row.data;
  }
  get time(): Float64Array {
    return this.#time.data;
  }
  get cpu(): Int32Array {
    return this.#cpu.data;
  }
  get weight(): Float64Array {
    return this.#weight.data;
  }
}
