// What was read of a script's output, into the log: text, histograms and losses in batches, stacks as a profile.
import type { TextLine } from '../../profile/text-line.js';
import type { Detail, Milliseconds } from '../../proto/capture.js';
import type { StapOutput, StapStacks } from '../stap/output/output-parser.js';
import type { KeptObjects } from '../symbolize/symbol-host.js';
import type { CaptureContext, Progress } from './capture-context.js';
import { spoolProfile } from './profile-pipeline.js';

/** Lines and points per event of the log. */
const MAX_LINES = 500;
const MAX_POINTS = 200;
/** Stacks have the labels that the script printed, and no source lines. */
const AS_PRINTED: Detail = { split: 'comm', keepTimestamps: false, lines: false };

export class StapSpooler {
  readonly #context: CaptureContext;
  readonly #interval: () => Milliseconds;
  #lines: TextLine[] = [];
  #points = 0;
  #lost = 0;

  /** @param interval of the histograms, as far as it is known when they come */
  constructor(context: CaptureContext, interval: () => Milliseconds) {
    this.#context = context;
    this.#interval = interval;
  }

  /** `samples` counts histograms. */
  progress(): Progress {
    return { samples: this.#points, bytes: this.#context.cost.recordedBytes, lost: this.#lost };
  }

  /** Lines wait for their batch to fill. @throws FailureError `exhausted` */
  async append({ points, lines, losses }: StapOutput): Promise<void> {
    const { log } = this.#context.capture;
    for (const line of lines) this.#lines.push(line);
    this.#context.losses.push(...losses);
    for (const loss of losses) this.#lost += loss.count;
    this.#points += points.length;
    while (this.#lines.length >= MAX_LINES) await this.#appendLines();
    for (let from = 0; from < points.length; from += MAX_POINTS) {
      const interval = this.#interval();
      await log.append({ kind: 'histograms', interval, points: points.slice(from, from + MAX_POINTS) });
    }
  }

  /** Lines that wait, now. */
  async flush(): Promise<void> {
    while (this.#lines.length > 0) await this.#appendLines();
  }

  /**
   * The stacks, with names.
   * @param objects what the symbolizer may look at; none: the names are as the script printed them
   * @param kept what was kept open for it while the script ran
   */
  async appendProfile(
    profile: StapStacks['profile'],
    objects: StapStacks['objects'] = [],
    kept?: KeptObjects,
  ): Promise<void> {
    const { losses, hasProfile } = this.#context;
    if (profile === undefined) return;
    if (!hasProfile) {
      const detail = 'the stacks of the script: a kit has one profile, that of perf record';
      losses.push({ kind: 'missing-parts', count: 1, detail });
      return;
    }
    if (objects.length > 0) await this.#context.enter('symbolizing', `${profile.samples.length} stacks`);
    const raw = { profile, objects, losses: profile.losses, kernelSymbols: [], needsUnwinding: false };
    await spoolProfile(this.#context, { ...raw, tellsUnmapped: true }, AS_PRINTED, undefined, kept);
  }

  async #appendLines(): Promise<void> {
    await this.#context.capture.log.append({ kind: 'text', lines: this.#lines.splice(0, MAX_LINES) });
  }
}
