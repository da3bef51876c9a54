// All events of a recording: which event a record belongs to, by the id the kernel gave to each of its instances.
import type { EventAttr, SampleIdLayout, SampleLayout } from './event-attr.js';
import { isDummy, madeUpName, sampleIdLayout, sampleLayout } from './event-attr.js';

export interface RecordedEvent {
  /** Position among the recording's events. */
  readonly index: number;
  readonly attr: EventAttr;
  readonly layout: SampleLayout;
  readonly idLayout: SampleIdLayout;
}

/** Far beyond any recording: events times CPUs times threads. */
const MOST_EVENTS = 65_536;
const MOST_IDS = 1 << 22;

export class EventSet {
  readonly list: RecordedEvent[] = [];
  readonly #byId = new Map<number, RecordedEvent>();
  readonly #names = new Map<RecordedEvent, string>();
  #sole: RecordedEvent | undefined;

  /** @returns false when there are too many events or ids to be true */
  add(attr: EventAttr, ids: readonly number[]): boolean {
    if (this.list.length >= MOST_EVENTS || this.#byId.size + ids.length > MOST_IDS) return false;
    const event = { index: this.list.length, attr, layout: sampleLayout(attr), idLayout: sampleIdLayout(attr) };
    this.list.push(event);
    const [only, ...others] = this.sampled;
    this.#sole = others.length === 0 ? only : undefined;
    for (const id of ids) this.#byId.set(id, event);
    return true;
  }

  byId(id: number): RecordedEvent | undefined {
    return this.#byId.get(id);
  }

  /**
   * The event of a sample with this id. Kernels from 6.2 on prepare one sample for all software events that fire together, so that
   * it can carry the id of the same event in another perf session: with one event here there is no doubt whose sample it is.
   */
  ofSample(id: number): RecordedEvent | undefined {
    return this.#byId.get(id) ?? this.#sole;
  }

  /** Name the event that has this id; names of unknown ids are of no use. */
  nameById(id: number, name: string): void {
    const event = this.#byId.get(id);
    if (event !== undefined && name !== '') this.#names.set(event, name);
  }

  nameByIndex(index: number, name: string): void {
    const event = this.list[index];
    if (event !== undefined && name !== '') this.#names.set(event, name);
  }

  nameOf(event: RecordedEvent): string {
    return this.#names.get(event) ?? madeUpName(event.attr);
  }

  /** Events that can have samples. */
  get sampled(): RecordedEvent[] {
    return this.list.filter((event) => !isDummy(event.attr));
  }

  /** Whether user stacks have to be unwound by perf afterwards. */
  get needsUnwinding(): boolean {
    return this.sampled.some(({ attr }) => attr.needsUnwinding);
  }
}
