// What happens in one running job, for any number of followers: the newest events are kept, within bounds, for those who come back.

import type { Failure } from '../../proto/failure.js';
import type { JobEvent } from '../api.js';

/** What followers are told: events of the job, and the failure of running it as a whole. */
export type FeedEvent = JobEvent | { readonly kind: 'failure'; readonly failure: Failure };

export interface FeedEntry {
  /** Counted from 1. */
  readonly number: number;
  readonly kind: FeedEvent['kind'];
  readonly data: string;
}

const mostEntries = 4000;
/** UTF-16 units of all that is kept. */
const mostText = 4 * 1024 ** 2;

export class JobFeed {
  /** No other feed has this name. */
  readonly name: string;
  readonly #entries: FeedEntry[] = [];
  #text = 0;
  #last = 0;
  #isOver = false;
  #wake: () => void = () => undefined;
  #changed: Promise<void> = Promise.resolve();

  constructor(name: string) {
    this.name = name;
    this.#arm();
  }

  /** Number of the newest entry; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves at the next entry, and when it is over. */
  get changed(): Promise<void> {
    return this.#changed;
  }

  add(event: FeedEvent): void {
    const entry: FeedEntry = { number: ++this.#last, kind: event.kind, data: JSON.stringify(dataOf(event)) };
    this.#entries.push(entry);
    this.#text += entry.data.length;
    while (this.#entries.length > mostEntries || this.#text > mostText) {
      const dropped = this.#entries.shift();
      if (dropped === undefined) break;
      this.#text -= dropped.data.length;
    }
    this.#notify();
  }

  end(): void {
    this.#isOver = true;
    this.#notify();
  }

  /** Those after `number`; undefined when some of them are gone. */
  after(number: number): readonly FeedEntry[] | undefined {
    const kept = this.#last - this.#entries.length;
    if (number < kept || number > this.#last) return undefined;
    return this.#entries.slice(number - kept);
  }

  #arm(): void {
    this.#changed = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#arm();
    wake();
  }
}

function dataOf(event: FeedEvent): unknown {
  switch (event.kind) {
    case 'host-run':
      return { run: event.run };
    case 'capture':
      return { host: event.host, body: event.body };
    case 'wave':
      return { wave: event.wave, of: event.of, hosts: event.hosts };
    case 'job':
      return { job: event.job };
    case 'failure':
      return { failure: event.failure };
  }
}
