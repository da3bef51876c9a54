// Counts what is missing while a stream is read; turns into the losses of the profile.
import { addCounts, type Loss, type LossKind } from '../../profile/loss.js';

/** Details are texts of this reader, never of the input, so their number is bounded; this is a second lock. */
const MOST_ENTRIES = 256;

export class LossTally {
  readonly #losses = new Map<string, { kind: LossKind; detail: string; count: number }>();

  add(kind: LossKind, detail: string, count = 1): void {
    const key = `${kind}\0${detail}`;
    const seen = this.#losses.get(key);
    if (seen !== undefined) seen.count = addCounts(seen.count, count);
    else if (this.#losses.size < MOST_ENTRIES) this.#losses.set(key, { kind, detail, count: addCounts(0, count) });
    else if (detail !== 'other') this.add(kind, 'other', count);
  }

  count(kind: LossKind): number {
    let sum = 0;
    for (const loss of this.#losses.values()) if (loss.kind === kind) sum += loss.count;
    return sum;
  }

  list(): Loss[] {
    return [...this.#losses.values()].filter((loss) => loss.count > 0).map((loss) => ({ ...loss }));
  }
}
