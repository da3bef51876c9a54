// One host run as it goes on: each change is told at once; the store gets the changes of state, and progress now and then.
import type { CaptureEventBody, Milliseconds } from '../../proto/capture.js';
import type { AgentDelivery, HostRun, HostRunState, JobEvent } from '../api.js';
import type { Clock } from '../clock.js';
import type { ControlStore } from '../store/control-store.js';

/** Progress that a crash may forget. */
const progressInterval: Milliseconds = 1_000;

type RunStore = Pick<ControlStore, 'updateHostRun'>;

export class RunRecord {
  readonly #store: RunStore;
  readonly #clock: Clock;
  readonly #onEvent: (event: JobEvent) => void;
  readonly #owner: string;
  #run: HostRun;
  /** Monotonic. */
  #lastWrite: Milliseconds = Number.NEGATIVE_INFINITY;

  /** @param owner of the job */
  constructor(run: HostRun, store: RunStore, owner: string, clock: Clock, onEvent: (event: JobEvent) => void) {
    this.#run = run;
    this.#store = store;
    this.#owner = owner;
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  get run(): HostRun {
    return this.#run;
  }

  /** Change the run and write it down. False when the run had ended before: then nothing is changed. */
  async update(change: Partial<HostRun>): Promise<boolean> {
    const run = { ...this.#run, ...change };
    this.#lastWrite = this.#clock.monotonic();
    if (!(await this.#store.updateHostRun(run, this.#owner))) return false;
    this.#run = run;
    this.#onEvent({ kind: 'host-run', run });
    return true;
  }

  /** Tell how far the agent is on its way, and write nothing down. */
  deliver(delivery: AgentDelivery | undefined): void {
    this.#onEvent({ kind: 'host-run', run: delivery === undefined ? this.#run : { ...this.#run, delivery } });
  }

  /** What the agent has told. */
  async take(sequence: number, body: CaptureEventBody): Promise<void> {
    if (body.kind !== 'profile-chunk') this.#onEvent({ kind: 'capture', host: this.#run.host, body });
    if (body.kind === 'state') {
      const isOver = body.state === 'symbolizing' || body.state === 'done';
      const state: HostRunState = isOver ? 'fetching' : 'running';
      const { start } = this.#run;
      const told =
        body.start !== undefined && start?.kind === 'agreed' ? { start: { ...start, told: body.start } } : {};
      await this.update({ sequence, captureState: body.state, state, ...told });
    } else if (body.kind === 'progress') {
      const { elapsed, samples, bytes, lost, cost } = body;
      const progress = { elapsed, samples, bytes, lost };
      // The last word on it, which comes at the end, replaces it.
      await this.#progress({ sequence, progress, ...(cost === undefined ? {} : { cost }) });
    } else {
      this.#run = { ...this.#run, sequence };
    }
  }

  async #progress(change: Partial<HostRun>): Promise<void> {
    if (this.#clock.monotonic() - this.#lastWrite >= progressInterval) {
      await this.update(change);
      return;
    }
    this.#run = { ...this.#run, ...change };
    this.#onEvent({ kind: 'host-run', run: this.#run });
  }
}
