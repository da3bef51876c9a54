// The decision on a capture that is asked for: allowed, or refused with every rule that is against it.
import type { CaptureSpec } from '../../proto/capture.js';
import { FailureError } from '../../proto/failure.js';
import type { Machine } from '../host/machine.js';
import { requesterRefusals, specRefusals } from './judge-spec.js';
import { targetRefusals } from './judge-target.js';
import type { Policy } from './policy.js';

/** @throws FailureError `refused`; the message names all rules, the remedy is that of the first */
export function requireAllowed(machine: Machine, policy: Policy, spec: CaptureSpec, requester: string): void {
  const refusals = [...requesterRefusals(policy, requester), ...specRefusals(policy, spec)];
  if (spec.kind !== 'file') refusals.push(...targetRefusals(machine, policy, spec.target));
  const [first] = refusals;
  if (first === undefined) return;
  const { failure } = first;
  const messages = refusals.slice(0, 8).map((refusal) => refusal.failure.message);
  throw new FailureError({ ...failure, message: messages.join('; ') });
}
