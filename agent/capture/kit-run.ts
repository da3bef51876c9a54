// A capture of kind `kit`: several captures of the same processes at the same time, with one log. A part that fails does not end the others.
import { join } from 'node:path';
import type { CaptureState, KitPart, KitSpec, Outcome } from '../../proto/capture.js';
import { type Failure, fail, toFailure } from '../../proto/failure.js';
import type { Resolution } from '../host/resolve-target.js';
import { partRefusals } from '../policy/judge-spec.js';
import { makePrivateDirectory } from '../spool/private-directory.js';
import { againWhenGone, stillThere } from './again-when-gone.js';
import { CaptureContext } from './capture-context.js';
import { CostMeter } from './cost-meter.js';

export async function runKit(context: CaptureContext, spec: KitSpec): Promise<void> {
  await context.enter('resolving', '');
  // Before the compiler is bothered.
  context.resolve(spec.target);
  const parts: Part[] = [];
  for (const part of spec.parts)
    parts.push(await Part.begin(context, spec, part, () => enterSymbolizing(context, parts)));
  context.progress = () => ({
    // Points of counters and histograms are no samples.
    samples: sumOf(
      parts.filter(({ kind }) => kind === 'record'),
      ({ samples }) => samples,
    ),
    bytes: sumOf(parts, ({ bytes }) => bytes),
    lost: sumOf(parts, ({ lost }) => lost),
  });
  context.lowerRate = (factor, why) => parts.some((part) => part.context.lowerRate?.(factor, why) === true);
  // What takes long comes first, so that all parts begin at one moment.
  for (const part of parts) await part.prepare();
  await context.arm(spec.target);
  const resolution = context.resolve(spec.target);
  await context.untilStart();
  if (parts.some((part) => !part.isDone) && !context.stop.early.aborted)
    await context.enter('running', resolution.detail);
  await Promise.all(parts.map((part) => part.run(resolution)));
  context.stop.discard.throwIfAborted();
  finishKit(context, parts);
}

/** @throws FailureError when nothing came of any part */
function finishKit(context: CaptureContext, parts: readonly Part[]): void {
  const failed = parts.flatMap(({ kind, failure }) => (failure === undefined ? [] : [{ kind, failure }]));
  const [first] = failed;
  if (first === undefined) return;
  if (failed.length < parts.length) {
    for (const { kind, failure } of failed) {
      context.losses.push({ kind: 'missing-parts', count: 1, detail: `${kind}: ${failure.message}` });
    }
    return;
  }
  const reasons = failed.map(({ kind, failure }) => `${kind}: ${failure.message}`);
  const remedies = new Set(failed.map(({ failure }) => failure.remedy).filter((remedy) => remedy !== ''));
  const hasOneCode = failed.every(({ failure }) => failure.code === first.failure.code);
  throw fail(
    hasOneCode ? first.failure.code : 'tool-failed',
    `no part of the kit could run: ${reasons.join('; ')}`,
    [...remedies].join('; '),
  );
}

/** The kit's own state follows once no part records any more. */
async function enterSymbolizing(context: CaptureContext, parts: readonly Part[]): Promise<void> {
  if (context.state !== 'running' || parts.some((part) => part.isRecording)) return;
  if (parts.every((part) => part.isDone)) return;
  await context.enter('symbolizing', '');
}

function sumOf(parts: readonly Part[], figure: (progress: ReturnType<CaptureContext['progress']>) => number): number {
  return parts.reduce((sum, { context }) => sum + figure(context.progress()), 0);
}

type Start = (resolution: Resolution) => Promise<void>;

class Part {
  readonly context: CaptureContext;
  readonly #kit: CaptureContext;
  readonly #spec: KitPart;
  readonly #onState: () => Promise<void>;
  #state: CaptureState = 'resolving';
  #start: Start | undefined;
  #failure: Failure | undefined;

  /** @param onState told after each change of its state */
  static async begin(
    kit: CaptureContext,
    { parts }: KitSpec,
    spec: KitPart,
    onState: () => Promise<void>,
  ): Promise<Part> {
    const work = join(kit.capture.work, spec.kind);
    await makePrivateDirectory(work);
    const isAlone = spec.kind === 'record' || !parts.some(({ kind }) => kind === 'record');
    return new Part(kit, spec, { ...kit.capture, work }, isAlone, onState);
  }

  private constructor(
    kit: CaptureContext,
    spec: KitPart,
    capture: CaptureContext['capture'],
    hasProfile: boolean,
    onState: () => Promise<void>,
  ) {
    this.#kit = kit;
    this.#spec = spec;
    this.#onState = onState;
    const { machine, stop, spool, settings, accounting } = kit;
    const cost = new CostMeter();
    kit.cost.addPart(cost);
    this.context = new CaptureContext({
      ...{ machine, capture, stop, spool, settings, accounting, cost, hasProfile },
      onState: async (state, detail) => {
        this.#state = state;
        if (state === 'compiling') await kit.enter(state, detail);
        else await onState();
      },
    });
  }

  get kind(): KitPart['kind'] {
    return this.#spec.kind;
  }

  get failure(): Failure | undefined {
    return this.#failure;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  get isRecording(): boolean {
    return this.#state !== 'done' && this.#state !== 'symbolizing';
  }

  /** All that need not wait for the others. */
  async prepare(): Promise<void> {
    await this.#guarded(async () => {
      const [refusal] = partRefusals(this.context.settings.policy, this.#spec);
      if (refusal !== undefined) throw refusal;
      this.#start = await this.#prepared();
    });
  }

  async run(resolution: Resolution): Promise<void> {
    const start = this.#start;
    if (start === undefined) return;
    await this.#guarded(() => this.#attempts(start, resolution));
    if (!this.isDone) await this.#end(this.context.stop.early.aborted ? 'stopped' : 'finished');
  }

  async #prepared(): Promise<Start> {
    const { context } = this;
    const spec = this.#spec;
    switch (spec.kind) {
      case 'record': {
        const { runRecord } = await import('./record-run.js');
        return (resolution) => runRecord(context, { ...spec, target: resolution.target });
      }
      case 'stat': {
        const { runStat } = await import('./stat-run.js');
        return (resolution) => runStat(context, { ...spec, target: resolution.target });
      }
      case 'stap': {
        const { prepareStap, runScript } = await import('./stap-run.js');
        const ready = await prepareStap(context, spec);
        return (resolution) => runScript(context, spec, ready, resolution);
      }
    }
  }

  /** Again with those that are left when processes of a selector ended meanwhile: all parts keep to the same processes. */
  async #attempts(start: Start, resolution: Resolution): Promise<void> {
    const isSelected = this.#spec.target.kind === 'processes';
    let { target } = resolution;
    await againWhenGone(isSelected, async () => {
      if (isSelected) target = stillThere(this.context.machine, target);
      await start({ ...resolution, target });
    });
  }

  /** A failure is a value of this part; a full spool or a defect ends the kit with its own reason at the next write. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const failure = toFailure(error);
      const { early, discard } = this.context.stop;
      if (discard.aborted) await this.#end('discarded');
      else if (failure.code === 'cancelled' && early.aborted) await this.#end('stopped');
      else await this.#end('failed', failure);
    }
  }

  async #end(outcome: Outcome, failure?: Failure): Promise<void> {
    this.#state = 'done';
    this.#failure = failure;
    await this.context.endTools();
    const { losses, commandLines } = this.context;
    this.#kit.losses.push(...losses);
    this.#kit.commandLines.push(...commandLines);
    const { log } = this.#kit.capture;
    if (outcome !== 'discarded') {
      await log.append({ kind: 'part', part: this.kind, outcome, ...(failure === undefined ? {} : { failure }) });
    }
    await this.#onState();
  }
}
