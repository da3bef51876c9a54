// The target of a capture as far as the policy allows it: whatever it names must be allowed; what a selector finds and may not be
// observed is left out, and told.
import type { Loss } from '../../profile/loss.js';
import type { ProcessInfo, Target } from '../../proto/capture.js';
import type { FailureError } from '../../proto/failure.js';
import type { Machine } from '../host/machine.js';
import { describeProcesses, type Resolution, resolveTarget } from '../host/resolve-target.js';
import { processRefusal, targetRefusals } from './judge-target.js';
import type { Policy } from './policy.js';

export interface PermittedResolution extends Resolution {
  /** Processes that a selector found and that are left out. */
  readonly losses: readonly Loss[];
}

/** @throws FailureError as resolveTarget, and `refused` when nothing is left that may be observed */
export function resolvePermitted(machine: Machine, policy: Policy, target: Target): PermittedResolution {
  const [refusal] = targetRefusals(machine, policy, target);
  if (refusal !== undefined) throw refusal;
  const resolution = resolveTarget(machine, target);
  if (target.kind !== 'processes') return { ...resolution, losses: [] };
  const permitted: ProcessInfo[] = [];
  const refusals: FailureError[] = [];
  for (const process of resolution.processes) {
    const refused = processRefusal(machine, policy, process);
    if (refused === undefined) permitted.push(process);
    else refusals.push(refused);
  }
  const [first] = refusals;
  if (first === undefined) return { ...resolution, losses: [] };
  if (permitted.length === 0) throw first;
  const detail = `processes that the selector matches and this host does not let be observed: ${first.failure.message}`;
  return {
    target: { kind: 'pids', pids: permitted.map(({ pid }) => pid) },
    processes: permitted,
    detail: `${describeProcesses(permitted)}; ${refusals.length} left out by the policy`,
    losses: [{ kind: 'refused-processes', count: refusals.length, detail }],
  };
}
