// When a printed histogram's interval ended. Scripts of people print no time: what they print again and again are rounds.
import type { Milliseconds } from '../../../proto/capture.js';

export interface RoundClockOptions {
  /** 0: not known. */
  readonly interval: Milliseconds;
  /** `arrival`: live output, a round ends when its first histogram came. `rounds`: saved text has no clock, rounds are numbered. */
  readonly clock: 'arrival' | 'rounds';
}

/** Rounds are told apart by a pause of half an interval; without a known interval, by this. */
const PAUSE: Milliseconds = 500;
/** Time between rounds of saved text whose interval is not known: a number to tell them apart by. */
const NUMBERED: Milliseconds = 1000;
const MOST_KEYS = 10_000;

export class RoundClock {
  readonly #options: RoundClockOptions;
  #interval: Milliseconds;
  readonly #keys = new Set<string>();
  #round = 0;
  #time: Milliseconds = 0;
  /** Of the script's own clock against the capture's; undefined until it told its first time. */
  #shift: Milliseconds | undefined;
  #told: Milliseconds | undefined;

  constructor(options: RoundClockOptions) {
    this.#options = options;
    this.#interval = options.interval;
  }

  get interval(): Milliseconds {
    return this.#interval;
  }

  /** The script told its interval; what the options say goes before. */
  tellInterval(interval: Milliseconds): void {
    if (this.#interval === 0) this.#interval = interval;
  }

  /** The script begins to print at `told` of its own clock. */
  begin(told: Milliseconds, arrival: Milliseconds): void {
    // one shift for all, so that intervals stay as even as the script's clock is
    this.#shift ??= this.#options.clock === 'rounds' ? 0 : Math.max(0, arrival - told);
    this.#told = told + this.#shift;
    this.#keys.clear();
  }

  end(): void {
    this.#told = undefined;
  }

  /** The time of a histogram that came at `arrival`; `key` tells histograms of one round apart. */
  timeOf(key: string, arrival: Milliseconds): Milliseconds {
    if (this.#told !== undefined) return this.#told;
    const isLive = this.#options.clock === 'arrival';
    const pause = this.#interval > 0 ? this.#interval / 2 : PAUSE;
    const isNext =
      this.#round === 0 ||
      this.#keys.has(key) ||
      this.#keys.size >= MOST_KEYS ||
      (isLive && arrival - this.#time >= pause);
    if (isNext) {
      this.#round++;
      this.#keys.clear();
      this.#time = isLive ? arrival : this.#round * (this.#interval || NUMBERED);
    }
    this.#keys.add(key);
    return this.#time;
  }
}
