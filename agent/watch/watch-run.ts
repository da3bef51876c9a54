// A capture of kind `watch`: counts, and starts captures of its own when a condition holds or somebody asks for it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Firing, FiringCause, Milliseconds, RecordSpec, WatchSpec } from '../../proto/capture.js';
import { type Failure, fail, toFailure } from '../../proto/failure.js';
import { conditionText, eventsOfConditions } from '../../proto/watch-condition.js';
import { countersOf, firingId, lookBackId, lookBackOf, recordingOf } from '../../proto/watch-parts.js';
import type { CaptureContext } from '../capture/capture-context.js';
import { requirePerf } from '../host/tools.js';
import type { CountedInterval } from './counted-interval.js';
import { FiringRule, type HeldCondition, type Restrained } from './firing-rule.js';
import { LookBack, type RingDump } from './look-back.js';
import { ThinnedCounters } from './thinned-counters.js';
import { TriggerInbox } from './trigger-inbox.js';
import { WatchCounters } from './watch-counters.js';

/** A capture that a watch has started, which is one like any other. */
export interface StartedCapture {
  readonly done: Promise<void>;
  /** End it early and keep what there is. */
  stop(): void;
}

/**
 * Starts a capture as if whoever asked for the watch had asked for it now.
 * @param dump what was recorded already; absent: it records now
 * @throws FailureError when the host does not let it
 */
export type StartCapture = (captureId: string, spec: RecordSpec, dump?: RingDump) => Promise<StartedCapture>;

/** How often it is looked whether somebody asks. */
const LOOK: Milliseconds = 200;

export async function runWatch(context: CaptureContext, spec: WatchSpec, start: StartCapture): Promise<void> {
  const perf = requirePerf(await context.machine.program('perf'), context.machine.distribution);
  await context.enter('resolving', '');
  await context.arm(spec.target);
  const resolution = context.resolve(spec.target);
  await context.untilStart();
  const watch = new Watch(context, spec, start);
  const counters = countersOf(spec);
  const inbox = await TriggerInbox.open(context.capture.work);
  await context.enter('running', resolution.detail);
  const counting =
    counters === undefined
      ? undefined
      : new WatchCounters(context, counters, perf, resolution, (interval) => watch.take(interval));
  await watch.run(counting, inbox, (signal) => {
    const kept = lookBackOf(spec);
    return kept === undefined ? undefined : LookBack.begin(context, kept, resolution, spec.duration, perf, signal);
  });
}

class Watch {
  readonly #context: CaptureContext;
  readonly #spec: WatchSpec;
  readonly #start: StartCapture;
  readonly #rule: FiringRule;
  readonly #thinned: ThinnedCounters;
  readonly #over = new AbortController();
  readonly #until: Milliseconds;
  readonly #captures = new Set<StartedCapture>();
  #lookBack: LookBack | undefined;
  #intervals = 0;

  constructor(context: CaptureContext, spec: WatchSpec, start: StartCapture) {
    const now = performance.now();
    this.#context = context;
    this.#spec = spec;
    this.#start = start;
    this.#rule = new FiringRule(spec);
    this.#thinned = new ThinnedCounters(spec, now);
    this.#until = now + spec.duration;
  }

  /** To the end of the watch and of all that it has started. */
  async run(
    counting: WatchCounters | undefined,
    inbox: TriggerInbox,
    beginLookBack: (signal: AbortSignal) => Promise<LookBack> | undefined,
  ): Promise<void> {
    const { early } = this.#context.stop;
    const signal = AbortSignal.any([early, this.#over.signal]);
    const onStop = () => {
      for (const capture of this.#captures) capture.stop();
    };
    early.addEventListener('abort', onStop, { once: true });
    this.#lookBack = await beginLookBack(signal);
    const ended = (work: Promise<void>) => work.finally(() => this.#over.abort());
    try {
      const tasks = [ended(this.#listen(inbox, signal)), ended(this.#count(counting, signal))];
      const [failed] = (await Promise.allSettled(tasks)).filter(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    } finally {
      this.#over.abort();
      if (early.aborted) onStop();
      await this.#lookBack?.end();
      await Promise.all([...this.#captures].map(({ done }) => done));
      early.removeEventListener('abort', onStop);
    }
    await this.#tellCounters(this.#thinned.end());
  }

  async take(interval: CountedInterval): Promise<void> {
    await this.#tellCounters(this.#thinned.add(interval));
    if (this.#intervals++ === 0) this.#requireCounters(interval);
    const held = this.#rule.take(interval);
    if (held === undefined || this.#over.signal.aborted || this.#rule.restrained(performance.now())) return;
    await this.#fire(this.#causeOf(held));
  }

  async #count(counting: WatchCounters | undefined, signal: AbortSignal): Promise<void> {
    if (counting === undefined) await pause(Math.max(0, this.#until - performance.now()), signal);
    else await counting.run(this.#until, signal);
  }

  async #listen(inbox: TriggerInbox, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const asked = await inbox.next();
      if (asked === undefined) {
        await pause(LOOK, signal);
        continue;
      }
      const { requestId, who, reason } = asked;
      const restrained = this.#rule.restrained(performance.now());
      const outcome =
        restrained === undefined ? await this.#fire({ kind: 'asked', who, reason }) : refusal(restrained, this.#spec);
      await inbox.answer(requestId, outcome);
    }
  }

  async #fire(cause: FiringCause): Promise<Firing> {
    const { machine, capture: own, log } = { ...this.#context, log: this.#context.capture.log };
    const time = machine.now();
    const number = this.#rule.fire(performance.now());
    const captureId = firingId(own.meta.captureId, number);
    // What lies before is written out while what comes after is being recorded.
    const [failure, before] = await Promise.all([this.#record(captureId), this.#keepBefore(number)]);
    const capture = failure === undefined ? { ok: true as const, captureId } : { ok: false as const, failure };
    const firing: Firing = { number, time, cause, capture, ...(before === undefined ? {} : { lookBackId: before }) };
    await log.append({ kind: 'triggered', firing });
    // Once the last one is told there is nothing left to watch for.
    if (this.#rule.fired >= this.#spec.most) this.#over.abort();
    return firing;
  }

  /** undefined when it records. */
  async #record(captureId: string): Promise<Failure | undefined> {
    try {
      const started = await this.#start(captureId, recordingOf(this.#spec));
      this.#captures.add(started);
      void started.done.finally(() => {
        this.#captures.delete(started);
        this.#rule.recorded();
      });
      return undefined;
    } catch (error) {
      this.#rule.recorded();
      return toFailure(error);
    }
  }

  /** @returns the id of the capture that has it */
  async #keepBefore(number: number): Promise<string | undefined> {
    const spec = lookBackOf(this.#spec);
    const dump = await this.#lookBack?.dump();
    if (spec === undefined || dump === undefined) return undefined;
    const id = lookBackId(this.#context.capture.meta.captureId, number);
    try {
      const started = await this.#start(id, spec, dump);
      this.#captures.add(started);
      void started.done.finally(() => this.#captures.delete(started));
      return id;
    } catch (error) {
      const detail = `nothing was kept of the time before firing ${number}: ${toFailure(error).message}`;
      this.#context.losses.push({ kind: 'out-of-budget', count: 1, detail });
      return undefined;
    }
  }

  #causeOf({ condition, observed }: HeldCondition): FiringCause {
    const wall = this.#context.machine.now() - performance.now();
    return {
      kind: 'held',
      condition,
      observed: observed.map(({ end, length, values }) => ({ time: wall + end, interval: length, values })),
    };
  }

  async #tellCounters(points: ReturnType<ThinnedCounters['end']>): Promise<void> {
    if (points.length === 0) return;
    await this.#context.capture.log.append({ kind: 'counters', interval: this.#thinned.period, points });
  }

  /** @throws FailureError when no condition can ever hold on this host */
  #requireCounters({ points }: CountedInterval): void {
    const { conditions } = this.#spec;
    const isMissing = (event: string) => points.get(event)?.status === 'not-supported';
    const possible = conditions.filter((condition) => !eventsOfConditions([condition]).some(isMissing));
    if (conditions.length === 0 || possible.length > 0) return;
    const missing = eventsOfConditions(conditions).filter(isMissing).join(', ');
    throw fail(
      'tool-failed',
      `this host has no counter for ${missing}: ${conditions.map(conditionText).join('; ')} can never hold`,
      'watch a software event such as page-faults or context-switches',
    );
  }
}

function refusal(restrained: Restrained, { coolDown, most }: WatchSpec): Failure {
  const say = (message: string, remedy: string) => fail('refused', message, remedy).failure;
  switch (restrained.kind) {
    case 'recording':
      return say('the watch records already', 'wait until that is done');
    case 'cooling': {
      const left = `${Math.ceil(restrained.left / 1000)} s`;
      return say(
        `the watch fired a moment ago and cools down for ${left} more, of ${coolDown / 1000} s`,
        `ask again in ${left}`,
      );
    }
    case 'spent':
      return say(`the watch has fired ${most} times, which is all it may`, 'start another one');
  }
}

/** Resolves after that time, or when `signal` aborts. */
async function pause(time: Milliseconds, signal: AbortSignal): Promise<void> {
  try {
    await sleep(time, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
