// Counts the frames that stay without a name, by object and reason, as losses.
import { type Loss, mergeLosses } from '../../profile/loss.js';

/** Objects told apart in the losses of one capture; the rest is added up by reason. */
const MAX_OBJECTS = 200;

export class UnsymbolizedFrames {
  readonly #counts = new Map<string, { object: string; reason: string; frames: number }>();

  /** @param frames sampled frames of one address */
  add(object: string, reason: string, frames: number): void {
    const key = `${object}\0${reason}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { object, reason, frames });
    else known.frames += frames;
  }

  /** Losses of kind `unsymbolized-frames`; frames that no sample counted are none. */
  losses(): Loss[] {
    const byCount = [...this.#counts.values()].filter((miss) => miss.frames > 0).sort((a, b) => b.frames - a.frames);
    return mergeLosses([
      byCount.map((miss, index) => ({
        kind: 'unsymbolized-frames',
        count: miss.frames,
        detail: `${index < MAX_OBJECTS ? miss.object : 'other objects'}: ${miss.reason}`,
      })),
    ]);
  }
}
