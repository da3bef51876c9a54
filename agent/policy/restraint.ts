// What holds of budget and admission: what the agent was started with goes before the policy's, but nothing passes the policy's most.
import { type BudgetPolicy, DEFAULT_BUDGET } from '../capture/budget-limits.js';
import { type Admission, DEFAULT_ADMISSION } from '../host/admission.js';
import type { Policy } from './policy.js';

/** undefined: not said when the agent was started. */
export interface StartedWith {
  readonly budget: BudgetPolicy | undefined;
  readonly admission: Admission | undefined;
}

export function budgetPolicy({ budget }: StartedWith, policy: Policy): BudgetPolicy {
  const given = policy.budget ?? DEFAULT_BUDGET;
  return { standard: (budget ?? given).standard, most: policy.budget?.most ?? (budget ?? DEFAULT_BUDGET).most };
}

export function admissionOf({ admission }: StartedWith, policy: Policy): Admission {
  return admission ?? policy.admission ?? DEFAULT_ADMISSION;
}
