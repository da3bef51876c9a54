// Looks twice a second whether a capture keeps to its budget: first its rate is lowered, then it is ended, and what there is is kept.
import { LINES_ALLOWANCE } from './budget-limits.js';
import type { CaptureContext } from './capture-context.js';
import type { CpuVerdict } from './cpu-purse.js';

export class BudgetGuard {
  readonly #context: CaptureContext;
  /** Bytes of artifacts of this capture. */
  readonly #artifactBytes: () => number;

  constructor(context: CaptureContext, artifactBytes: () => number) {
    this.#context = context;
    this.#artifactBytes = artifactBytes;
  }

  /** One look. */
  look(): void {
    const { cost, accounting } = this.#context;
    cost.sample();
    if (accounting.overBudget !== '') return;
    const { state, purse, recording, recordingCpu } = accounting;
    const verdict: CpuVerdict = state === 'running' ? purse.judge(recording, recordingCpu) : { kind: 'within' };
    const why = this.#breach() || this.#cpuBreach(verdict);
    if (why !== '') this.#end(why);
    else if (verdict.kind === 'too-fast') this.#slowDown(verdict.factor, verdict.percent);
  }

  /** '' while the bound is kept. */
  #breach(): string {
    const { cost, accounting, capture } = this.#context;
    const { limits } = accounting;
    const memory = cost.memoryBytes;
    if (limits.memoryBytes > 0 && memory > limits.memoryBytes) {
      return `${mebibytes(memory)} of memory were in use, ${mebibytes(limits.memoryBytes)} are allowed`;
    }
    const spooled = capture.log.size + this.#artifactBytes();
    if (limits.spoolBytes > 0 && spooled > limits.spoolBytes) {
      return `${mebibytes(spooled)} were spooled, ${mebibytes(limits.spoolBytes)} are allowed`;
    }
    return '';
  }

  #cpuBreach(verdict: CpuVerdict): string {
    const { purse, recording, recordingCpu, namesCpu } = this.#context.accounting;
    if (verdict.kind === 'empty') {
      return `${seconds(recordingCpu)} of CPU time were used after ${seconds(recording)}, ${seconds(purse.allowed)} are allowed`;
    }
    // Plain names get less: that bound is kept by the symbolizer's own clock.
    if (purse.allowed === 0 || namesCpu <= LINES_ALLOWANCE) return '';
    return `looking up names took more than ${seconds(LINES_ALLOWANCE)} of CPU time`;
  }

  #slowDown(factor: number, percent: number): void {
    const { accounting, lowerRate } = this.#context;
    const why = `over budget: ${percent.toFixed(1)} % of this host's CPU, ${accounting.limits.cpuPercent} % is allowed`;
    if (lowerRate?.(factor, why) === true) accounting.purse.restart(accounting.recording);
  }

  #end(why: string): void {
    const { accounting, losses, stop } = this.#context;
    accounting.overBudget = why;
    losses.push({ kind: 'out-of-budget', count: 1, detail: `ended before its time, over budget: ${why}` });
    if (accounting.state === 'symbolizing') this.#context.stopTools();
    stop.request('keep');
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
