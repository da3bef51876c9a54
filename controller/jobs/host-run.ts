// One host's part of a job: start the capture, follow its log to the end whatever happens to the connection, and say what came of it.
import type { AgentApi, StartCapture } from '../../proto/agent-api.js';
import type { RequestOrigin } from '../../proto/agent-audit.js';
import type { CaptureSpec, Firing, Milliseconds, StapSpec } from '../../proto/capture.js';
import { type Failure, FailureError, fail, toFailure } from '../../proto/failure.js';
import type { Host, HostCheck, HostRun } from '../api.js';
import type { Clock } from '../clock.js';
import type { Agents } from '../fleet/host-pool.js';
import { askingRetries, busyRetries, callFailure, followingRetries, retryDelay } from '../transport/retry.js';
import { agreeOnStart, startAt } from './agreed-start.js';
import { partsOf } from './capture-gives.js';
import { CaptureIntake, type CaptureResult, type IntakeLimits } from './capture-intake.js';
import { withDeadline } from './deadline.js';
import { checkHost } from './host-check.js';
import { hostMachine } from './host-machine.js';
import { type IntakeRoom, memoryOf } from './intake-room.js';
import type { ModuleSupply } from './module-supply.js';
import { ofStore, StoreFailed } from './of-store.js';
import type { Rendezvous } from './rendezvous.js';
import type { RunRecord } from './run-record.js';

/** What the agent told besides the result itself; also of a run that failed. */
export type CaptureFacts = Pick<HostRun, 'sequence' | 'losses' | 'cost' | 'artifacts' | 'commandLines' | 'parts'>;

/** A host's failure is a value of its run. */
type Ending =
  | { readonly kind: 'result'; readonly result: CaptureResult }
  | {
      readonly kind: 'failure';
      readonly state: 'failed' | 'lost' | 'cancelled';
      readonly failure: Failure;
      /** What a script had printed; the host's own, no part of the merged result. */
      readonly printed?: Pick<CaptureResult, 'histograms' | 'text'>;
    };
export type HostRunEnd = Ending & { readonly facts: CaptureFacts };

export interface HostRunOptions {
  readonly host: Host;
  readonly spec: CaptureSpec;
  readonly requester: string;
  readonly origin: RequestOrigin;
  readonly grace: Milliseconds;
  readonly record: RunRecord;
  readonly agents: Agents;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: IntakeLimits;
  /** Taken by `record`; whoever runs this gives it back once the result is kept. */
  readonly room: IntakeRoom;
  /** Where scripts are compiled; undefined when the host does that by itself. */
  readonly modules: ModuleSupply | undefined;
  /** Where it meets the hosts that it begins together with; undefined when it begins by itself. */
  readonly meeting: Rendezvous | undefined;
  /** A watch has started the capture: it is followed, and never started. */
  readonly takesUp: boolean;
  /** Told when the capture, a watch, has fired. @throws FailureError when the agent breaks the rules, StoreFailed */
  readonly onFiring: (firing: Firing) => Promise<void>;
  /** For how long in all the store has been away so far: nothing of that counts as the host's time. */
  readonly storeAway: () => Milliseconds;
  /** Stop the capture and keep what there is. */
  readonly stop: AbortSignal;
  /** Discard it. */
  readonly cancel: AbortSignal;
  /** Leave everything as it is: somebody else goes on with the job, or nobody can. */
  readonly abandon: AbortSignal;
}

/** After the `done` event the log ends; an agent that leaves the stream open for longer is not waited for. */
const lingering: Milliseconds = 2_000;
/** For telling an agent to stop. */
const stopTimeout: Milliseconds = 5_000;
/** How long a host may be busy with other captures before this one gives up. */
const busyPatience: Milliseconds = 15 * 60_000;
/** For clock and health: nothing depends on them. */
const checkTimeout: Milliseconds = 2_000;
/** For kernel and tools, whose versions the agent asks of the tools themselves. */
const describeTimeout: Milliseconds = 10_000;
/** A host that compiles a script by itself may take so much longer. */
const compileAllowance: Milliseconds = 5 * 60_000;

/** Rejects only with the reason of `abandon`, or when the store fails. */
export async function driveHostRun(options: HostRunOptions): Promise<HostRunEnd> {
  const drive = new HostRunDrive(options);
  try {
    const ending = await drive.run();
    return { ...ending, facts: drive.facts() };
  } catch (error) {
    throw error instanceof StoreFailed ? error.cause : error;
  }
}

class HostRunDrive {
  readonly #options: HostRunOptions;
  readonly #intake: CaptureIntake;
  readonly #deadline = new AbortController();
  /** How long it waited for other captures of the host, which does not count. */
  #waited: Milliseconds = 0;
  readonly #over = new AbortController();
  /** The capture is out of time, unwanted, or no longer ours. */
  readonly #interrupt: AbortSignal;
  readonly #tasks: Promise<void>[] = [];
  /** Why the log cannot be followed at present; undefined while events come. */
  #broken: Failure | undefined;

  constructor(options: HostRunOptions) {
    this.#options = options;
    this.#intake = new CaptureIntake(options.spec, options.limits);
    for (const { part, failure } of options.record.run.parts) {
      if (failure !== undefined) this.#intake.missPart(part, failure);
    }
    this.#interrupt = AbortSignal.any([this.#deadline.signal, options.cancel, options.abandon]);
  }

  async run(): Promise<Ending> {
    const { record, stop, cancel, abandon } = this.#options;
    abandon.throwIfAborted();
    const isStarted = this.#options.takesUp || record.run.state === 'running' || record.run.state === 'fetching';
    if (record.run.state === 'waiting' && cancel.aborted) return neverStarted('cancelled before it started');
    if (record.run.state === 'waiting' && stop.aborted) return neverStarted('stopped before it started');
    try {
      if (isStarted) await this.#takeUp();
      else {
        const refused = await this.#start();
        if (refused !== undefined) return refused;
      }
      const onStop = () => this.#tasks.push(this.#stopKeeping());
      if (stop.aborted) onStop();
      else stop.addEventListener('abort', onStop, { once: true });
      try {
        return await this.#follow();
      } finally {
        stop.removeEventListener('abort', onStop);
      }
    } finally {
      this.#over.abort();
      await Promise.all(this.#tasks);
    }
  }

  facts(): CaptureFacts {
    const { sequence, losses, cost, artifacts, commandLines, parts } = this.#intake;
    return { sequence, losses, cost, artifacts, commandLines, parts };
  }

  /** It runs already: another controller has started it, or a watch has. */
  async #takeUp(): Promise<void> {
    const { record, clock } = this.#options;
    const { state, started } = record.run;
    const isNew = state === 'waiting' || state === 'connecting';
    if (isNew) await this.#update({ state: 'running', started: started || clock.now() });
    this.#tasks.push(this.#expireAfter(this.#limit()));
  }

  /** Undefined when the capture is registered at the agent. */
  async #start(): Promise<Ending | undefined> {
    const { record, agents, host, requester, origin, stop, clock } = this.#options;
    await this.#update({ state: 'connecting', started: record.run.started || clock.now() });
    const { captureId } = record.run;
    // A capture that is being registered may be stopped only afterwards: otherwise nobody knows whether it runs.
    const signal = AbortSignal.any([this.#interrupt, stop]);
    const unwatch = agents.watchDelivery(host, (delivery) => record.deliver(delivery));
    try {
      const spec = await this.#startable(signal);
      await this.#agree(signal);
      const start = { captureId, spec, requester, origin, ...startAt(record.run.start) };
      this.#tasks.push(this.#expireAfter(this.#limit()));
      await this.#register(start, signal);
    } catch (error) {
      if (error instanceof StoreFailed) throw error;
      if (this.#interrupt.aborted) return this.#interrupted();
      if (stop.aborted) return this.#discardAs('cancelled', 'stopped before it started');
      return ended('failed', toFailure(error));
    } finally {
      unwatch();
    }
    await this.#update({ state: 'running', ...(this.#waited === 0 ? {} : { waitsFor: '' }) });
    await this.#checkBefore();
    return undefined;
  }

  /** A host takes one capture of a kind at a time. Those that are to begin together with others do not wait: the others would not. */
  async #register(start: StartCapture, signal: AbortSignal): Promise<void> {
    const { agents, host, clock, random, meeting } = this.#options;
    const begun = clock.monotonic();
    for (let attempt = 1; ; attempt++) {
      try {
        await agents.ask(host, askingRetries, signal, (api) => api.startCapture(start, signal));
        return;
      } catch (error) {
        const { code, message } = toFailure(error);
        const delay = retryDelay(busyRetries, code, attempt, random);
        const waited = clock.monotonic() - begun;
        if (delay === undefined || meeting !== undefined || waited >= busyPatience) throw error;
        if (attempt === 1) await this.#update({ waitsFor: message });
        // The time until its turn is no time of its own.
        this.#waited = waited + delay;
        if ((await clock.sleep(delay, signal)) === 'aborted') throw error;
      }
    }
  }

  /** Whoever takes up a job whose hosts were told one moment tells them another one: they keep to the first. */
  async #agree(signal: AbortSignal): Promise<void> {
    const { meeting, host, agents, clock, grace: patience } = this.#options;
    if (meeting === undefined) return;
    const start = await agreeOnStart(meeting, host, { agents, clock, patience }, signal);
    await this.#update({ start });
  }

  /** What this host is to do: with the module that it was sent, and of a kit without the part that cannot be had there. */
  async #startable(signal: AbortSignal): Promise<CaptureSpec> {
    const { host, record, modules, spec } = this.#options;
    const stap = partsOf(spec).find((part) => part.kind === 'stap');
    if (stap === undefined || modules === undefined) return spec;
    // A controller before this one may have come to this decision and started the capture with it: it must be the same again.
    if (record.run.parts.some(({ part }) => part === 'stap')) return withStap(spec, undefined);
    try {
      await this.#update({ captureState: 'compiling' });
      const module = await modules.supply(host, stap, signal);
      if (module === undefined) return spec;
      await this.#update({ module, captureState: undefined });
      return withStap(spec, { ...stap, module });
    } catch (error) {
      if (error instanceof StoreFailed || signal.aborted || spec.kind !== 'kit' || spec.parts.length === 1) throw error;
      this.#intake.missPart('stap', toFailure(error));
      await this.#update({ parts: this.#intake.parts, captureState: undefined });
      return withStap(spec, undefined);
    }
  }

  async #update(change: Partial<HostRun>): Promise<void> {
    await ofStore(() => this.#options.record.update(change));
  }

  #limit(): Milliseconds {
    const { spec, grace, record, clock } = this.#options;
    const { start } = record.run;
    const ahead = start?.kind === 'agreed' ? Math.max(0, start.moment - clock.now()) : 0;
    const isCompiled = partsOf(spec).some((part) => part.kind === 'stap');
    // It may fire at its very end, and waits for what it has started.
    const after = spec.kind === 'watch' ? spec.record.duration : 0;
    return (spec.kind === 'file' ? 0 : spec.duration) + after + grace + ahead + (isCompiled ? compileAllowance : 0);
  }

  async #follow(): Promise<Ending> {
    const { agents, host, clock, random } = this.#options;
    let attempt = 0;
    let lastSequence = 0;
    for (;;) {
      const api = await agents.api(host);
      let broken: Failure | undefined;
      try {
        broken = await this.#followOnce(api);
      } catch (error) {
        if (!(error instanceof FailureError)) throw error;
        return this.#refuse(error.failure);
      }
      if (this.#intake.isDone) {
        await this.#checkAfter();
        return this.#conclude();
      }
      if (this.#interrupt.aborted) return this.#interrupted();
      const failure = broken ?? fail('unreachable', 'the log ended before the capture was done').failure;
      this.#broken = failure;
      attempt = this.#intake.sequence > lastSequence ? 1 : attempt + 1;
      lastSequence = this.#intake.sequence;
      const delay = retryDelay(followingRetries, failure.code, attempt, random);
      if (delay === undefined) return lost(failure);
      await agents.discard(host, api);
      await clock.sleep(delay, this.#interrupt);
      if (this.#interrupt.aborted) return this.#interrupted();
    }
  }

  /**
   * Take events until the stream ends or breaks; the value says how it broke.
   * @throws FailureError when the agent breaks the rules, StoreFailed
   */
  async #followOnce(api: AgentApi): Promise<Failure | undefined> {
    const { record, clock } = this.#options;
    const linger = new AbortController();
    const signal = AbortSignal.any([this.#interrupt, linger.signal]);
    const events = api.followCapture(record.run.captureId, this.#intake.sequence + 1, signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        let next: Awaited<ReturnType<typeof events.next>>;
        try {
          next = await events.next();
        } catch (error) {
          const failure = callFailure(error, signal);
          // A message that cannot be decoded, or is too large, is a broken rule, not a broken connection.
          if (failure.code === 'bad-data' || failure.code === 'exhausted') throw error;
          return failure;
        }
        if (next.done === true) return undefined;
        this.#broken = undefined;
        await this.#options.room.take(record, memoryOf(next.value.body), this.#interrupt);
        if (this.#interrupt.aborted) return undefined;
        this.#intake.take(next.value);
        const { sequence, body } = next.value;
        await ofStore(() => record.take(sequence, body));
        if (body.kind === 'triggered') await this.#options.onFiring(body.firing);
        if (body.kind === 'done') {
          this.#tasks.push(clock.sleep(lingering, this.#over.signal).then(() => linger.abort()));
        }
      }
    } finally {
      await events.return?.();
    }
  }

  async #checkBefore(): Promise<void> {
    const before = await this.#checkOf();
    if (before !== undefined) await this.#update({ checks: { before } });
  }

  /** Kernel and tools only now: asking tools for their versions is work, which nothing that is recorded should show. */
  async #checkAfter(): Promise<void> {
    const { record, spec } = this.#options;
    const [after, machine] = await Promise.all([
      this.#checkOf(),
      spec.kind === 'file'
        ? undefined
        : this.#askAside('its kernel and tools', describeTimeout, async (api, signal) =>
            hostMachine(await api.describe(signal)),
          ),
    ]);
    if (after === undefined && machine === undefined) return;
    await this.#update({
      ...(after === undefined ? {} : { checks: { ...record.run.checks, after } }),
      ...(machine === undefined ? {} : { machine }),
    });
  }

  #checkOf(): Promise<HostCheck | undefined> {
    const { clock } = this.#options;
    return this.#askAside('its health', checkTimeout, (api, signal) => checkHost(api, clock, signal));
  }

  /** What the result does not depend on; undefined where a host does not answer, or has an old agent. */
  async #askAside<T>(
    what: string,
    limit: Milliseconds,
    question: (api: AgentApi, signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const { agents, host, clock } = this.#options;
    try {
      return await withDeadline(clock, limit, this.#interrupt, `asking ${host.name} for ${what}`, (limited) =>
        agents.ask(host, {}, limited, (api) => question(api, limited)),
      );
    } catch (error) {
      if (error instanceof FailureError) return undefined;
      throw error;
    }
  }

  #conclude(): Ending {
    let result: CaptureResult;
    try {
      result = this.#intake.finish();
    } catch (error) {
      if (error instanceof FailureError) return ended('failed', error.failure);
      throw error;
    }
    if (result.failure !== undefined) {
      const { failure, histograms, text } = result;
      const printed = histograms === undefined ? {} : { printed: { histograms, text } };
      return { kind: 'failure', state: failure.code === 'lost' ? 'lost' : 'failed', failure, ...printed };
    }
    if (result.outcome === 'discarded') {
      return ended('cancelled', fail('cancelled', 'the capture was discarded at the agent').failure);
    }
    if (isNothing(result)) {
      const over = this.#intake.cost?.budget?.overBudget ?? '';
      if (over !== '') {
        const message = `ended before anything was recorded, over budget: ${over}`;
        return ended('failed', fail('exhausted', message, 'give it more with --budget').failure);
      }
      return ended('cancelled', fail('cancelled', 'stopped before anything was recorded').failure);
    }
    return { kind: 'result', result };
  }

  async #interrupted(): Promise<Ending> {
    const { abandon, cancel } = this.#options;
    abandon.throwIfAborted();
    if (cancel.aborted) return this.#discardAs('cancelled', 'cancelled');
    const limit = this.#limit();
    if (this.#broken !== undefined) {
      const { message, remedy } = this.#broken;
      return lost({ code: 'lost', message: `${message}; gave up after ${limit} ms`, remedy });
    }
    const { state } = this.#options.record.run;
    return this.#discardAs(
      'deadline',
      `not done after ${limit} ms; the host run was ${state}`,
      'give more time with --grace, or look at the load of that host',
    );
  }

  async #discardAs(code: 'cancelled' | 'deadline', message: string, remedy = ''): Promise<Ending> {
    const problem = await this.#tellToStop(true, new AbortController().signal);
    const state = code === 'cancelled' ? 'cancelled' : 'failed';
    return ended(state, fail(code, problem === undefined ? message : `${message}; ${problem}`, remedy).failure);
  }

  /** The agent broke the rules: its capture shall not go on. */
  async #refuse(failure: Failure): Promise<Ending> {
    const problem = this.#intake.isDone ? undefined : await this.#tellToStop(true, new AbortController().signal);
    const message = problem === undefined ? failure.message : `${failure.message}; ${problem}`;
    return ended('failed', { ...failure, message });
  }

  async #stopKeeping(): Promise<void> {
    const { grace } = this.#options;
    // Without an answer the capture ends after its duration, or at the deadline that begins now.
    await Promise.all([this.#tellToStop(false, this.#over.signal), this.#expireAfter(grace)]);
  }

  /** What went wrong, as a clause for a message; undefined when the agent knows, or has nothing to stop. */
  async #tellToStop(discard: boolean, signal: AbortSignal): Promise<string | undefined> {
    const { agents, host, record, clock } = this.#options;
    try {
      await withDeadline(clock, stopTimeout, signal, `stopping the capture on ${host.name}`, (limited) =>
        agents.ask(host, {}, limited, (api) => api.stopCapture(record.run.captureId, discard, limited)),
      );
      return undefined;
    } catch (error) {
      const failure = toFailure(error);
      if (failure.code === 'not-found') return undefined;
      return `it could not be told to stop (${failure.message}) and ends by itself after its duration`;
    }
  }

  async #expireAfter(limit: Milliseconds): Promise<void> {
    const { clock } = this.#options;
    const lost = () => this.#options.storeAway() + this.#waited;
    let counted = lost();
    for (let left = limit; left > 0; ) {
      if ((await clock.sleep(left, this.#over.signal)) === 'aborted') return;
      left = lost() - counted;
      counted += left;
    }
    this.#deadline.abort();
  }
}

function ended(state: 'failed' | 'lost' | 'cancelled', failure: Failure): Ending {
  return { kind: 'failure', state, failure };
}

function neverStarted(message: string): Ending {
  return ended('cancelled', fail('cancelled', message).failure);
}

/** The capture had begun, and its end cannot be had. */
function lost(failure: Failure): Ending {
  const message = `the capture was begun, and its agent or its log went away: ${failure.message}`;
  return ended('lost', { code: 'lost', message, remedy: failure.remedy });
}

/** A script may print nothing; a capture that was stopped may not have got to anything. */
function isNothing({ outcome, profile, series, histograms, text }: CaptureResult): boolean {
  if (profile !== undefined || series !== undefined) return false;
  if (histograms === undefined) return true;
  return outcome === 'stopped' && histograms.points.length === 0 && text.length === 0;
}

/** The spec with another stap part, or of a kit without one. */
function withStap(spec: CaptureSpec, stap: StapSpec | undefined): CaptureSpec {
  if (spec.kind !== 'kit') return stap ?? spec;
  const others = spec.parts.filter((part) => part.kind !== 'stap');
  return { ...spec, parts: stap === undefined ? others : [...others, stap] };
}
