// What an agent tells about one capture, checked and gathered in bounded memory. An agent that breaks the rules is refused.
import type { CounterPoint, CounterSeries } from '../../profile/counter-series.js';
import { countOf, type Histogram } from '../../profile/histogram.js';
import type { HistogramPoint, HistogramSeries } from '../../profile/histogram-series.js';
import { addCounts, type Loss, mergeLosses } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import type { TextLine } from '../../profile/text-line.js';
import type {
  Artifact,
  CaptureEvent,
  CaptureEventBody,
  CaptureSpec,
  Cost,
  Firing,
  Milliseconds,
  Outcome,
} from '../../proto/capture.js';
import { type Failure, type FailureError, fail } from '../../proto/failure.js';
import { type DecodeLimits, type ProfileChunk, ProfileDecoder } from '../../proto/profile-codec.js';
import { checkCondition } from '../../proto/watch-condition.js';
import type { PartOutcome } from '../api.js';
import { type Gives, givesOf } from './capture-gives.js';

export interface IntakeLimits {
  readonly maxEvents: number;
  /** Bytes of profile chunks as they travel. */
  readonly maxProfileBytes: number;
  readonly decode: DecodeLimits;
  readonly maxPoints: number;
  /** Of all histograms of all intervals; a histogram without any counts as one. */
  readonly maxBuckets: number;
  /** UTF-16 units of all texts that are kept: details of losses, names of counters, command lines, artifacts. */
  readonly maxText: number;
  /** What a script prints in words: more is a loss, not a broken rule. In lines, and in UTF-16 units. */
  readonly maxLines: number;
  readonly maxLineText: number;
}

export const defaultIntakeLimits: IntakeLimits = {
  maxEvents: 2_000_000,
  maxProfileBytes: 256 * 1024 ** 2,
  decode: { maxRawBytes: 512 * 1024 ** 2, maxRows: 64 * 1024 ** 2 },
  maxPoints: 2_000_000,
  maxBuckets: 2_000_000,
  maxText: 16 * 1024 ** 2,
  maxLines: 200_000,
  maxLineText: 16 * 1024 ** 2,
};

/** What a capture came to. */
export interface CaptureResult {
  readonly outcome: Outcome;
  /** Set if and only if the outcome is `failed`. */
  readonly failure: Failure | undefined;
  /** As they came, for the store; those of the main profile only. */
  readonly chunks: readonly ProfileChunk[];
  /** `undefined` when the capture makes none, or did not get that far. */
  readonly profile: Profile | undefined;
  readonly series: CounterSeries | undefined;
  /** Of a capture that can have some; without points when the script printed none. */
  readonly histograms: HistogramSeries | undefined;
  readonly text: readonly TextLine[];
}

type Done = Extract<CaptureEventBody, { kind: 'done' }>;

export class CaptureIntake {
  readonly #spec: CaptureSpec;
  readonly #gives: Gives;
  readonly #limits: IntakeLimits;
  readonly #texts = new Map<string, string>();
  readonly #losses = new Map<string, Loss>();
  readonly #artifacts: Artifact[] = [];
  readonly #chunks: ProfileChunk[] = [];
  readonly #points: CounterPoint[] = [];
  readonly #histograms: HistogramPoint[] = [];
  readonly #lines: TextLine[] = [];
  readonly #parts: PartOutcome[] = [];
  #decoder: ProfileDecoder;
  #sequence = 0;
  #textLength = 0;
  #profileBytes = 0;
  #interval: Milliseconds | undefined;
  #histogramInterval: Milliseconds | undefined;
  #buckets = 0;
  #counted = 0;
  #lineText = 0;
  #droppedLines = 0;
  #otherProfiles = 0;
  #firings = 0;
  #cost: Cost | undefined;
  #done: Done | undefined;

  /** @param spec what the agent was asked for: it may tell what such a capture gives, and nothing else */
  constructor(spec: CaptureSpec, limits: IntakeLimits = defaultIntakeLimits) {
    this.#spec = spec;
    this.#gives = givesOf(spec);
    this.#limits = limits;
    this.#decoder = new ProfileDecoder(limits.decode);
  }

  /** Number of the last event taken; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  get isDone(): boolean {
    return this.#done !== undefined;
  }

  get cost(): Cost | undefined {
    return this.#cost;
  }

  get artifacts(): readonly Artifact[] {
    return this.#artifacts;
  }

  get commandLines(): readonly string[] {
    return this.#done?.commandLines ?? [];
  }

  /** Parts of a kit that have ended. */
  get parts(): readonly PartOutcome[] {
    return this.#parts;
  }

  get losses(): readonly Loss[] {
    const other: Loss[] = [
      {
        kind: 'skipped-records' as const,
        count: this.#otherProfiles,
        detail: 'chunks of further profiles, which this controller does not know',
      },
      {
        kind: 'dropped-lines' as const,
        count: this.#droppedLines,
        detail: 'text above what the controller keeps of one host',
      },
    ].filter(({ count }) => count > 0);
    return mergeLosses([[...this.#losses.values()], other]);
  }

  /** @throws FailureError 'bad-data' or 'exhausted'; the capture cannot be used any more then */
  take(event: CaptureEvent): void {
    if (this.#done !== undefined) throw bad(`event ${event.sequence} comes after the capture was done`);
    if (event.sequence !== this.#sequence + 1) {
      throw bad(`event ${event.sequence} comes where event ${this.#sequence + 1} was expected`);
    }
    if (event.sequence > this.#limits.maxEvents) throw tooMuch(`more than ${this.#limits.maxEvents} events`);
    this.#sequence = event.sequence;
    this.#takeBody(event.body);
  }

  /** A part of the kit that the agent was not asked for, and why. */
  missPart(part: PartOutcome['part'], failure: Failure): void {
    this.#parts.push({ part, outcome: 'failed', failure });
    this.#takeLoss({ kind: 'missing-parts', count: 1, detail: `${part}: ${failure.message}` });
  }

  /** Once done. @throws FailureError 'bad-data' when the result is not what such a capture gives */
  finish(): CaptureResult {
    if (this.#done === undefined) throw fail('internal', 'the capture is not done yet');
    const { outcome, failure } = this.#done;
    const { losses } = this;
    const nothing: CaptureResult = {
      ...{ outcome, failure, chunks: [], profile: undefined, series: undefined, histograms: undefined, text: [] },
    };
    const hasScript = this.#histograms.length > 0 || this.#lines.length > 0;
    if (outcome === 'failed' || outcome === 'discarded') {
      if ((outcome === 'failed') !== (failure !== undefined))
        throw bad(`it is ${outcome}, and its failure is not told`);
      // What a script printed before it failed says more than its error.
      if (outcome === 'discarded' || !hasScript) return nothing;
      return { ...nothing, histograms: this.#finishHistograms(losses), text: this.#lines };
    }
    const gives = this.#gives;
    if (this.#chunks.length === 0 && gives.profile === 'always' && outcome === 'finished' && !hasScript) {
      throw bad('it has finished without a profile');
    }
    const hasSeries = gives.counters === 'always' || this.#interval !== undefined;
    return {
      ...nothing,
      ...this.#finishProfile(),
      ...(hasSeries ? { series: { points: this.#points, interval: this.#interval ?? 0, losses } } : {}),
      ...(gives.histograms === 'always' || hasScript
        ? { histograms: this.#finishHistograms(losses), text: this.#lines }
        : {}),
    };
  }

  #finishProfile(): Pick<CaptureResult, 'chunks' | 'profile'> {
    if (this.#chunks.length === 0) return { chunks: [], profile: undefined };
    const profile = this.#decoder.finish();
    this.#decoder = new ProfileDecoder(this.#limits.decode);
    return { chunks: this.#chunks, profile };
  }

  #finishHistograms(losses: readonly Loss[]): HistogramSeries {
    const points = [...this.#histograms].sort((a, b) => a.time - b.time);
    return { points, interval: this.#histogramInterval ?? 0, losses };
  }

  #takeBody(body: CaptureEventBody): void {
    switch (body.kind) {
      case 'state':
        return;
      case 'progress':
        checkAmounts('progress', [body.elapsed, body.samples, body.bytes, body.lost]);
        if (body.cost === undefined) return;
        this.#checkCost(body.cost);
        this.#cost = body.cost;
        return;
      case 'counters':
        this.#takeCounters(body.interval, body.points);
        return;
      case 'histograms':
        this.#takeHistograms(body.interval, body.points);
        return;
      case 'text':
        this.#takeLines(body.lines);
        return;
      case 'part':
        this.#takePart(body);
        return;
      case 'triggered':
        this.#takeFiring(body.firing);
        return;
      case 'profile-chunk':
        this.#takeChunk(body.chunk);
        return;
      case 'losses':
        for (const loss of body.losses) this.#takeLoss(loss);
        return;
      case 'cost':
        this.#checkCost(body.cost);
        this.#cost = body.cost;
        return;
      case 'artifact':
        this.#takeArtifact(body.artifact);
        return;
      case 'done':
        for (const line of body.commandLines) this.#keepText(line);
        this.#done = body;
        return;
    }
  }

  #checkCost({ budget, ...amounts }: Cost): void {
    checkAmounts('cost', Object.values(amounts));
    if (budget === undefined) return;
    const { limits, overBudget, ...account } = budget;
    checkAmounts('budget', [...Object.values(limits), ...Object.values(account)]);
    this.#keepText(overBudget);
  }

  #takeCounters(interval: Milliseconds, points: readonly CounterPoint[]): void {
    this.#expect('counters');
    checkAmounts('interval of counters', [interval]);
    if (this.#interval !== undefined && interval !== this.#interval) {
      throw bad(`counters of ${interval} ms intervals after ones of ${this.#interval} ms`);
    }
    this.#interval = interval;
    if (this.#points.length + points.length > this.#limits.maxPoints) {
      throw tooMuch(`more than ${this.#limits.maxPoints} counter values`);
    }
    for (const point of points) {
      const event = this.#keepText(point.event);
      const scope = this.#keepText(point.scope);
      this.#points.push({ ...point, event, scope, unit: this.#keepText(point.unit) });
    }
  }

  #takeHistograms(interval: Milliseconds, points: readonly HistogramPoint[]): void {
    this.#expect('histograms');
    checkAmounts('interval of histograms', [interval]);
    if (this.#histogramInterval !== undefined && interval !== this.#histogramInterval) {
      throw bad(`histograms of ${interval} ms intervals after ones of ${this.#histogramInterval} ms`);
    }
    this.#histogramInterval = interval;
    for (const { time, histogram } of points) {
      this.#buckets += Math.max(1, histogram.buckets.length);
      if (this.#buckets > this.#limits.maxBuckets) throw tooMuch(`more than ${this.#limits.maxBuckets} buckets`);
      this.#counted += countOf(histogram);
      if (!Number.isSafeInteger(this.#counted)) throw bad('its histograms count more than 2^53 values');
      this.#histograms.push({ time, histogram: this.#keepNames(histogram) });
    }
  }

  #keepNames(histogram: Histogram): Histogram {
    const labels = histogram.labels.map(({ key, value }) => ({
      key: this.#keepText(key),
      value: this.#keepText(value),
    }));
    return { ...histogram, title: this.#keepText(histogram.title), unit: this.#keepText(histogram.unit), labels };
  }

  #takeLines(lines: readonly TextLine[]): void {
    this.#expect('histograms', 'text');
    for (const line of lines) {
      this.#lineText += line.text.length;
      if (this.#lines.length >= this.#limits.maxLines || this.#lineText > this.#limits.maxLineText) {
        this.#droppedLines++;
      } else this.#lines.push(line);
    }
  }

  #takePart({ part, outcome, failure }: PartOutcome): void {
    const { kind } = this.#spec;
    if (!this.#gives.parts.includes(part)) throw bad(`a part '${part}' of a capture of kind '${kind}' without one`);
    if (this.#parts.some((known) => known.part === part)) throw bad(`its part '${part}' ends twice`);
    if ((outcome === 'failed') !== (failure !== undefined)) {
      throw bad(`its part '${part}' is ${outcome}, and its failure is ${failure === undefined ? 'not ' : ''}told`);
    }
    if (failure !== undefined) this.#keepText(`${failure.message}\0${failure.remedy}`);
    this.#parts.push({ part, outcome, ...(failure === undefined ? {} : { failure }) });
  }

  #takeFiring(firing: Firing): void {
    const { firings = 0 } = this.#gives;
    const expected = this.#firings + 1;
    if (expected > firings) throw bad(`more than ${firings} firings of a capture of kind '${this.#spec.kind}'`);
    if (firing.number !== expected) throw bad(`firing ${firing.number} where firing ${expected} was expected`);
    checkFiring(firing);
    this.#keepText(JSON.stringify(firing));
    this.#firings = expected;
  }

  #expect(what: 'counters' | 'profile' | 'histograms', words: string = what): void {
    if (this.#gives[what] === 'never') {
      throw bad(`${what === 'profile' ? 'a ' : ''}${words} from a capture of kind '${this.#spec.kind}'`);
    }
  }

  #takeChunk(chunk: ProfileChunk): void {
    this.#expect('profile');
    if (chunk.name !== '') {
      this.#otherProfiles++;
      return;
    }
    this.#profileBytes += chunk.data.length;
    if (this.#profileBytes > this.#limits.maxProfileBytes) {
      throw tooMuch(`a profile of more than ${this.#limits.maxProfileBytes} bytes`);
    }
    this.#decoder.push(chunk);
    this.#chunks.push(chunk);
  }

  #takeLoss(loss: Loss): void {
    if (!Number.isSafeInteger(loss.count) || loss.count < 0) throw bad(`a loss of ${loss.count} ${loss.kind}`);
    const key = `${loss.kind}\0${loss.detail}`;
    const known = this.#losses.get(key);
    this.#losses.set(
      this.#keepText(key),
      known === undefined ? loss : { ...loss, count: addCounts(known.count, loss.count) },
    );
  }

  #takeArtifact(artifact: Artifact): void {
    checkAmounts('size of an artifact', [artifact.size]);
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(artifact.name) || !/^[0-9a-f]{64}$/.test(artifact.sha256)) {
      throw bad('an artifact has a strange name or checksum');
    }
    if (this.#artifacts.some((known) => known.name === artifact.name)) throw bad(`two artifacts '${artifact.name}'`);
    this.#keepText(`${artifact.name}\0${artifact.mediaType}`);
    this.#artifacts.push(artifact);
  }

  /** Equal texts are kept once. */
  #keepText(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    // 64: what an entry costs besides its characters.
    this.#textLength += text.length + 64;
    if (this.#textLength > this.#limits.maxText) throw tooMuch(`more than ${this.#limits.maxText} characters of text`);
    this.#texts.set(text, text);
    return text;
  }
}

/** Its numbers; what it names is compared with what it must be by whoever takes it up. */
function checkFiring({ time, cause }: Firing): void {
  checkAmounts('firing', [time]);
  if (cause.kind === 'asked') return;
  checkCondition(cause.condition);
  for (const { time: end, interval, values } of cause.observed) {
    checkAmounts('firing', [end, interval, ...values]);
    if (values.length !== cause.condition.terms.length) throw bad('a firing does not tell what its condition is about');
  }
}

function checkAmounts(what: string, amounts: readonly number[]): void {
  const wrong = amounts.find((amount) => !Number.isFinite(amount) || amount < 0);
  if (wrong !== undefined) throw bad(`its ${what} says ${wrong}`);
}

function bad(problem: string): FailureError {
  return fail('bad-data', `the agent does not keep the rules: ${problem}`, 'update perftrawl on that host');
}

function tooMuch(what: string): FailureError {
  return fail('exhausted', `the agent sends ${what}`, 'capture for a shorter time or fewer processes');
}
