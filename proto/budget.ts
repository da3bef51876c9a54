// What a capture may cost its host, as plain values. budget.proto is how these travel.
import { fail } from './failure.js';
import type { perftrawl } from './generated/perftrawl.js';

/** As asked for. A bound of 0: none. One that is left out: the host's own default. */
export interface Budget {
  /** Share of all CPUs of the host together, in percent, over the time of the capture. */
  readonly cpuPercent?: number;
  /** Resident memory of the agent and of the tools that run, together. */
  readonly memoryBytes?: number;
  /** Log and artifacts of the capture in the agent's spool. */
  readonly spoolBytes?: number;
}

/** The bounds that hold for one capture; 0: none. */
export type BudgetLimits = Required<Budget>;

/** What is measured against the budget. Times are milliseconds, of the part that records: names are looked up afterwards, under a bound of their own. */
export interface BudgetAccount {
  readonly limits: BudgetLimits;
  /** CPUs of the host, which percentages are of. */
  readonly cpuCount: number;
  /** CPU time that recording may take: the share of `limits`, and an allowance for starting; 0: no bound. */
  readonly allowedCpu: number;
  /** CPU time of agent and tools while they recorded. */
  readonly recordingCpu: number;
  /** How long they have been at it. */
  readonly recording: number;
  /** Why the capture was ended before its time; '' when it was not, or not for its cost. */
  readonly overBudget: string;
}

const KEYS = ['cpuPercent', 'memoryBytes', 'spoolBytes'] as const;

export function budgetToMessage(budget: Budget): perftrawl.v1.Budget.$Properties {
  return { ...budget };
}

/** @throws FailureError `bad-request` for a bound that is none */
export function budgetFromMessage(message: perftrawl.v1.Budget.$Properties): Budget {
  const given = KEYS.flatMap((key) => {
    const value = message[key];
    if (value === undefined || value === null) return [];
    if (!Number.isFinite(value) || value < 0) throw fail('bad-request', `a budget with ${key} ${value} is none`);
    return [[key, value] as const];
  });
  return Object.fromEntries(given);
}
