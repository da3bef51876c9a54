// What every kind of capture works with while it runs.
import type { Loss } from '../../profile/loss.js';
import type { CaptureState, Cost, Milliseconds, Target } from '../../proto/capture.js';
import { cageLimits, openCage } from '../cage/open-cage.js';
import type { Machine } from '../host/machine.js';
import type { Resolution } from '../host/resolve-target.js';
import { commandLine } from '../perf/target-args.js';
import { resolvePermitted } from '../policy/permitted-target.js';
import type { Policy } from '../policy/policy.js';
import { type RunningTool, startTool, type ToolOptions, type ToolResult } from '../process.js';
import type { SpooledCapture } from '../spool/spool.js';
import type { BudgetAccounting } from './budget-accounting.js';
import type { BudgetPolicy } from './budget-limits.js';
import type { CaptureStop } from './capture-stop.js';
import type { CostMeter } from './cost-meter.js';
import type { SpoolRoom } from './spool-room.js';
import type { StartGate } from './start-gate.js';

/** What is counted while perf runs. */
export interface Progress {
  readonly samples: number;
  readonly bytes: number;
  readonly lost: number;
}

/** perf ends by itself after the duration; this much later it is ended. */
export const TOOL_SLACK: Milliseconds = 60_000;

/** What the agent was set up with. */
export interface CaptureSettings {
  readonly policy: Policy;
  readonly budget: BudgetPolicy;
  readonly stateDirectory: string;
}

export interface CaptureContextOptions {
  readonly machine: Machine;
  readonly capture: SpooledCapture;
  readonly stop: CaptureStop;
  readonly spool: SpoolRoom;
  readonly settings: CaptureSettings;
  readonly cost: CostMeter;
  /** Of the capture; a part of a kit has that of the kit. */
  readonly accounting: BudgetAccounting;
  /** False for a part of a kit of which another part gives the one profile of the capture. True when left out. */
  readonly hasProfile?: boolean;
  /** Told of each state in place of the log: parts of a kit have no log of their own. */
  readonly onState?: (state: CaptureState, detail: string) => Promise<void>;
  /** Until when it waits; absent: it begins at once. */
  readonly gate?: StartGate | undefined;
}

export class CaptureContext {
  readonly machine: Machine;
  readonly capture: SpooledCapture;
  readonly stop: CaptureStop;
  readonly spool: SpoolRoom;
  readonly cost: CostMeter;
  readonly commandLines: string[] = [];
  readonly losses: Loss[] = [];
  /** Replaced by the run of each kind. */
  progress: () => Progress = () => ({ samples: 0, bytes: 0, lost: 0 });
  readonly settings: CaptureSettings;
  readonly accounting: BudgetAccounting;
  /**
   * Set by a run that can go on at a lower rate, while it can: asks for `factor` (below 1) of the present one. False when there is none, or
   * not worth it any more. `why` goes into the loss that tells it.
   */
  lowerRate: ((factor: number, why: string) => boolean) | undefined;
  readonly hasProfile: boolean;
  readonly #onState: (state: CaptureState, detail: string) => Promise<void>;
  readonly #gate: StartGate | undefined;
  readonly #running = new Set<RunningTool>();
  /** Of a kit, which tells the progress of all its parts. */
  readonly #isPart: boolean;
  #state: CaptureState = 'resolving';
  #hasToldRefused = false;

  constructor(options: CaptureContextOptions) {
    const { machine, capture, stop, spool, settings } = options;
    this.machine = machine;
    this.capture = capture;
    this.stop = stop;
    this.spool = spool;
    this.settings = settings;
    this.cost = options.cost;
    this.accounting = options.accounting;
    this.hasProfile = options.hasProfile ?? true;
    this.#isPart = options.onState !== undefined;
    this.#gate = options.gate;
    this.#onState = options.onState ?? ((state, detail) => this.#tellState(state, detail));
  }

  get state(): CaptureState {
    return this.#state;
  }

  /** The processes that a target means now, without those that the policy forbids. @throws FailureError as resolvePermitted */
  resolve(target: Target): Resolution {
    const resolution = resolvePermitted(this.machine, this.settings.policy, target);
    if (!this.#hasToldRefused) this.losses.push(...resolution.losses);
    this.#hasToldRefused ||= resolution.losses.length > 0;
    return resolution;
  }

  /** Where a start was agreed: see that there is something to observe, then wait until shortly before it. */
  async arm(target: Target): Promise<void> {
    if (this.#gate === undefined) return;
    this.resolve(target);
    await this.enter('armed', `${(Math.max(0, this.#gate.left) / 1000).toFixed(1)} s before the agreed start`);
    await this.#gate.nearly(this.stop.early);
  }

  /** The last thing before a tool starts; resolves at the agreed start, or when the capture is stopped. */
  async untilStart(): Promise<void> {
    await this.#gate?.open(this.stop.early);
  }

  async enter(state: CaptureState, detail: string): Promise<void> {
    const hasRecorded = this.#state === 'running' && state !== 'running';
    if (!this.#isPart) this.accounting.enter(state);
    this.#state = state;
    if (hasRecorded && !this.#isPart) await this.tellProgress();
    await this.#onState(state, detail);
  }

  async #tellState(state: CaptureState, detail: string): Promise<void> {
    const start = state === 'running' && this.#gate !== undefined ? { start: this.#gate.startNow() } : {};
    await this.capture.log.append({ kind: 'state', state, detail, ...start });
  }

  async tellProgress(): Promise<void> {
    const { samples, bytes, lost } = this.progress();
    const elapsed = Math.round(this.cost.elapsed);
    await this.capture.log.append({ kind: 'progress', elapsed, samples, bytes, lost, cost: this.costSoFar() });
  }

  costSoFar(): Cost {
    return { ...this.cost.cost(this.capture.log.size), budget: this.accounting.account() };
  }

  /** Count a tool that was run to its end elsewhere. */
  addTool(argv: readonly string[], result: ToolResult): void {
    this.commandLines.push(commandLine(argv));
    this.cost.addTool(result);
  }

  /** Start a tool whose command line and cost are written into the result, in a cgroup with the budget's bounds where the host has them. */
  async start(argv: readonly string[], options: ToolOptions): Promise<RunningTool> {
    const { machine, accounting } = this;
    const limits = cageLimits(accounting.limits, machine.cpuCount, options.isBackground === true);
    const cage = await openCage(machine, limits);
    let tool: RunningTool;
    try {
      tool = await startTool(cage?.wrap(argv) ?? argv, options);
    } catch (error) {
      await cage?.end();
      throw error;
    }
    cage?.enter(tool.pid);
    this.commandLines.push(commandLine(argv));
    this.#running.add(tool);
    this.cost.watch(tool);
    const done = tool.done.then(async (result: ToolResult) => {
      const end = await cage?.end();
      this.#running.delete(tool);
      const whole = { ...result, cpu: Math.max(result.cpu, end?.cpu ?? 0) };
      this.cost.addTool(whole, tool);
      if (end?.wasOutOfMemory !== true) return whole;
      this.#endForMemory(limits.memoryBytes);
      return { ...whole, wasStopped: true };
    });
    return { ...tool, done };
  }

  /** The kernel has killed a tool at the bound of its cgroup. */
  #endForMemory(bytes: number): void {
    const what = `a tool needed more than the ${Math.round(bytes / 1024 / 1024)} MiB of memory that it may have, and was killed`;
    this.accounting.overBudget ||= what;
    this.losses.push({ kind: 'out-of-budget', count: 1, detail: `ended before its time, over budget: ${what}` });
    this.stop.request('keep');
  }

  /** Ask the tools that run to end; what they have given is kept. */
  stopTools(): void {
    for (const tool of this.#running) tool.stop();
  }

  /** Whatever still runs when the capture ends (it failed half-way) ends with it. */
  async endTools(): Promise<void> {
    for (const tool of this.#running) {
      tool.stop();
      tool.stdout.destroy();
      tool.log?.destroy();
      await tool.done;
    }
  }
}
