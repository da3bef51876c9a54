// Counts the frames that stay without a name or a source line, by object and reason, as losses.
import { type Loss, type LossKind, mergeLosses } from '../../profile/loss.js';

/** Objects told apart in the losses of one capture; the rest is added up by reason. */
const MAX_OBJECTS = 200;

export class MissedFrames {
  readonly #kind: LossKind;
  readonly #counts = new Map<string, { object: string; reason: string; frames: number }>();

  constructor(kind: 'unsymbolized-frames' | 'frames-without-lines') {
    this.#kind = kind;
  }

  /** @param frames sampled frames of one address */
  add(object: string, reason: string, frames: number): void {
    const key = `${object}\0${reason}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { object, reason, frames });
    else known.frames += frames;
  }

  /** Frames that no sample counted are no loss. */
  losses(): Loss[] {
    const byCount = [...this.#counts.values()].filter((miss) => miss.frames > 0).sort((a, b) => b.frames - a.frames);
    return mergeLosses([
      byCount.map((miss, index) => ({
        kind: this.#kind,
        count: miss.frames,
        detail: `${index < MAX_OBJECTS ? miss.object : 'other objects'}: ${miss.reason}`,
      })),
    ]);
  }
}
