// The times of single samples, kept until the earliest is known: text need not begin with it.
import { Float64Column, Int32Column } from '../../profile/column.js';
import type { ProfileBuilder } from '../../profile/profile-builder.js';

/** 100 days in seconds: nanoseconds of that stay exact. */
const LONGEST_RECORDING = 8_640_000;

export class TimedRows {
  readonly #sample = new Int32Column();
  readonly #event = new Int32Column();
  readonly #seconds = new Float64Column();
  readonly #nanoseconds = new Int32Column();
  readonly #cpu = new Int32Column();
  readonly #weight = new Float64Column();

  push(sample: number, event: number, seconds: number, nanoseconds: number, cpu: number, weight: number): void {
    this.#sample.push(sample);
    this.#event.push(event);
    this.#seconds.push(seconds);
    this.#nanoseconds.push(nanoseconds);
    this.#cpu.push(cpu);
    this.#weight.push(weight);
  }

  /**
   * Add the rows to the builder, their times counted from the earliest.
   * Gives that time in nanoseconds and how many rows were left out for being more than 100 days after it.
   */
  moveTo(builder: ProfileBuilder): { readonly clockStart: number; readonly tooLate: number } {
    let first = 0;
    for (let row = 1; row < this.#sample.length; row++) if (this.#isBefore(row, first)) first = row;
    let tooLate = 0;
    for (let row = 0; row < this.#sample.length; row++) {
      const seconds = this.#seconds.data[row] - this.#seconds.data[first];
      const time = seconds * 1e9 + this.#nanoseconds.data[row] - this.#nanoseconds.data[first];
      if (seconds > LONGEST_RECORDING) tooLate++;
      else {
        const { data: samples } = this.#sample;
        builder.timed(samples[row], this.#event.data[row], time, this.#cpu.data[row], this.#weight.data[row]);
      }
    }
    const clockStart = this.#sample.length === 0 ? 0 : this.#seconds.data[first] * 1e9 + this.#nanoseconds.data[first];
    return { clockStart, tooLate };
  }

  #isBefore(row: number, other: number): boolean {
    const seconds = this.#seconds.data;
    if (seconds[row] !== seconds[other]) return seconds[row] < seconds[other];
    return this.#nanoseconds.data[row] < this.#nanoseconds.data[other];
  }
}
