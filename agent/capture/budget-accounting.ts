// The account of one capture against its budget: what was used while it recorded, and how far that goes.
import type { BudgetAccount, BudgetLimits } from '../../proto/budget.js';
import type { CaptureSpec, CaptureState, Milliseconds } from '../../proto/capture.js';
import { allowedCpu, type BudgetPolicy, limitsOf } from './budget-limits.js';
import type { CostMeter } from './cost-meter.js';
import { CpuPurse } from './cpu-purse.js';

export class BudgetAccounting {
  readonly limits: BudgetLimits;
  readonly purse: CpuPurse;
  /** Why the capture was ended before its time; '' as long as it was not. */
  overBudget = '';
  readonly #cost: CostMeter;
  readonly #cpuCount: number;
  #state: CaptureState = 'resolving';
  /** Of the capture when it came into its state. */
  #cpuBefore: Milliseconds = 0;
  #began: Milliseconds = 0;
  #usedBefore: Milliseconds = 0;
  #recordedBefore: Milliseconds = 0;

  constructor(spec: CaptureSpec, policy: BudgetPolicy, cost: CostMeter, cpuCount: number) {
    this.limits = limitsOf(spec, policy);
    const duration = spec.kind === 'file' ? 0 : spec.duration;
    this.purse = new CpuPurse(allowedCpu(spec, this.limits, cpuCount), duration, cpuCount);
    this.#cost = cost;
    this.#cpuCount = cpuCount;
  }

  get state(): CaptureState {
    return this.#state;
  }

  /** Finding the processes counts with the recording; compiling and looking up names do not. */
  enter(state: CaptureState): void {
    this.#cost.sample();
    this.#usedBefore = this.recordingCpu;
    this.#recordedBefore = this.recording;
    this.#cpuBefore = this.#cost.cpu;
    this.#began = performance.now();
    this.#state = state;
  }

  get recordingCpu(): Milliseconds {
    const isCounted = this.#state === 'resolving' || this.#state === 'running';
    return this.#usedBefore + (isCounted ? this.#cost.cpu - this.#cpuBefore : 0);
  }

  get recording(): Milliseconds {
    return this.#recordedBefore + (this.#state === 'running' ? performance.now() - this.#began : 0);
  }

  /** Since names are looked up; 0 before. */
  get namesCpu(): Milliseconds {
    return this.#state === 'symbolizing' ? this.#cost.cpu - this.#cpuBefore : 0;
  }

  account(): BudgetAccount {
    return {
      limits: this.limits,
      cpuCount: this.#cpuCount,
      allowedCpu: this.purse.allowed,
      recordingCpu: Math.round(this.recordingCpu),
      recording: Math.round(this.recording),
      overBudget: this.overBudget,
    };
  }
}
