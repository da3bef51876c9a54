// What a capture may cost the hosts, and whether it may start on busy ones.
import { Option } from '@commander-js/extra-typings';
import { parseBudget } from '../../../proto/budget-text.js';
import type { Restraint } from '../../../proto/capture.js';
import { FailureError } from '../../../proto/failure.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
export interface RestraintFlags {
  readonly budget?: string | undefined;
  readonly evenIfBusy?: true | undefined;
}

/** Options of every command that observes hosts. */
export const RESTRAINT_OPTIONS = {
  budget: new Option(
    '--budget <budget>',
    "what it may cost each host: 1%, or cpu=2%,memory=256M,spool=500M, or none (default: the host's own, as a rule 1% of its CPUs)",
  ),
  evenIfBusy: new Option('--even-if-busy', 'start also on hosts with a high load, where their policy allows it'),
};

/** @throws UsageError */
export function parseRestraint({ budget, evenIfBusy }: RestraintFlags): Restraint {
  return {
    ...(budget === undefined ? {} : { budget: budgetOf(budget) }),
    ...(evenIfBusy === true ? { evenIfBusy } : {}),
  };
}

function budgetOf(text: string) {
  try {
    return parseBudget(text);
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    const { message, remedy } = error.failure;
    throw new UsageError(`--${message}; ${remedy}`);
  }
}
