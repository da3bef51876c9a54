// How much CPU time a capture has left to record with, and whether it will last. Pure: told the time and what was used, it judges.
import type { Milliseconds } from '../../proto/capture.js';

export type CpuVerdict =
  | { readonly kind: 'within' }
  /** At this pace it is empty before the end: `factor` of the pace would do. `percent` of all CPUs is what the pace is now. */
  | { readonly kind: 'too-fast'; readonly factor: number; readonly percent: number }
  | { readonly kind: 'empty' };

interface Reading {
  readonly at: Milliseconds;
  readonly cpu: Milliseconds;
}

/** Starting a tool costs more than running it: the pace is measured after that. */
const START: Milliseconds = 500;
/** Over which the pace is measured. */
const SHORTEST_WINDOW: Milliseconds = 1000;
const LONGEST_WINDOW: Milliseconds = 5000;
/** Starting anew so short before the end would cost more than it spares. */
const TOO_LATE: Milliseconds = 2000;
/** The slower pace should come out below what is left. */
const MARGIN = 0.8;
/** Times the purse that a capture must be about to take for its rate to be lowered at once. */
const FAR = 2;
const LEAST_FACTOR = 1 / 16;
const MOST_FACTOR = 1 / 2;

export class CpuPurse {
  /** CPU time in all; 0: no bound. */
  readonly allowed: Milliseconds;
  readonly #duration: Milliseconds;
  readonly #cpuCount: number;
  #readings: Reading[] = [];
  #paceFrom: Milliseconds = START;
  /** What starting took; starting anew will take about as much. */
  #startCpu: Milliseconds | undefined;

  /** @param duration that is recorded for */
  constructor(allowed: Milliseconds, duration: Milliseconds, cpuCount: number) {
    this.allowed = allowed;
    this.#duration = duration;
    this.#cpuCount = cpuCount;
  }

  /** The tool was started anew: what that costs says nothing about its pace. @param at since the recording began */
  restart(at: Milliseconds): void {
    this.#readings = [];
    this.#paceFrom = at + START;
  }

  /** @param at since the recording began @param cpu used until then, starting included */
  judge(at: Milliseconds, cpu: Milliseconds): CpuVerdict {
    // What has recorded for as long as it should is ending by itself.
    if (this.allowed === 0 || at >= this.#duration) return { kind: 'within' };
    if (cpu >= this.allowed) return { kind: 'empty' };
    if (at < this.#paceFrom) return { kind: 'within' };
    this.#startCpu ??= cpu;
    this.#readings.push({ at, cpu });
    while (this.#readings.length > 2 && at - this.#readings[1].at >= LONGEST_WINDOW) this.#readings.shift();
    const [first] = this.#readings;
    const window = at - first.at;
    const remaining = this.#duration - at;
    if (window < SHORTEST_WINDOW || remaining < TOO_LATE) return { kind: 'within' };
    const pace = (cpu - first.cpu) / window;
    const projected = cpu + pace * remaining;
    // Half of it may go for whatever it goes, as a short capture is mostly start; unless it would be overdrawn by far.
    if (projected <= this.allowed || (cpu < this.allowed / 2 && projected < FAR * this.allowed))
      return { kind: 'within' };
    const left = this.allowed - cpu - this.#startCpu;
    // Starting anew would take all there is: it goes on as it is for as long as it lasts.
    if (left <= 0) return { kind: 'within' };
    const factor = Math.min(MOST_FACTOR, Math.max(LEAST_FACTOR, (MARGIN * left) / (pace * remaining)));
    return { kind: 'too-fast', factor, percent: (100 * pace) / this.#cpuCount };
  }
}
