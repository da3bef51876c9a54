// Which cage a host has for a tool, and its bounds, from the budget.
import type { BudgetLimits } from '../../proto/budget.js';
import type { Machine } from '../host/machine.js';
import type { Cage, CageLimits } from './cage.js';
import { openOwnCage } from './own-cage.js';
import { openSystemdCage } from './systemd-cage.js';

/** Four times the share that is allowed in the long run, and never less than one CPU: a start must not be slowed down. */
const QUOTA_FACTOR = 4;

export function cageLimits(
  { cpuPercent, memoryBytes }: BudgetLimits,
  cpuCount: number,
  isBackground: boolean,
): CageLimits {
  const wanted = Math.max(100, Math.ceil(QUOTA_FACTOR * cpuPercent * cpuCount));
  const isBound = cpuPercent > 0 && wanted < 100 * cpuCount;
  return { cpuQuotaPercent: isBound ? wanted : 0, memoryBytes, isBackground };
}

/** undefined where there is nothing to bound, or the host has no means: then the budget's own looks are all there is. */
export async function openCage(machine: Machine, limits: CageLimits): Promise<Cage | undefined> {
  if (limits.cpuQuotaPercent === 0 && limits.memoryBytes === 0) return undefined;
  if (!machine.privilege().isRoot) return undefined;
  if (machine.files.exists('/run/systemd/system')) return openSystemdCage(machine, limits);
  return openOwnCage(machine.cgroups, machine.ownPid, limits);
}
