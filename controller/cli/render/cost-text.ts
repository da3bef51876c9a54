// What a capture costs a host, against what it may, in words.
import type { BudgetAccount } from '../../../proto/budget.js';
import type { Cost } from '../../../proto/capture.js';
import type { HostRun } from '../../api.js';
import { durationText } from './time-text.js';

/** `0.6 % of this host's CPU (0.4 s of 2.2 s; budget 1 %)`: of all its CPUs, while it recorded. */
export function accountText(account: BudgetAccount): string {
  return `${shareText(account)} of this host's CPU (${boundText(account)})`;
}

/** For a table: `0.4 s of 2.2 s`; `0.4 s` without a bound. */
export function purseText({ recordingCpu, allowedCpu }: BudgetAccount): string {
  const used = durationText(recordingCpu);
  return allowedCpu === 0 ? used : `${used} of ${durationText(allowedCpu)}`;
}

/** `0.6 %`; `-` before anything was recorded. */
export function shareText({ recordingCpu, recording, cpuCount }: BudgetAccount): string {
  const share = recording > 0 ? (100 * recordingCpu) / (recording * cpuCount) : undefined;
  return share === undefined ? '-' : `${share.toFixed(share < 10 ? 1 : 0)} %`;
}

function boundText(account: BudgetAccount): string {
  if (account.allowedCpu === 0) return 'no budget';
  return `${purseText(account)}; budget ${account.limits.cpuPercent} %`;
}

/** Hosts that are shown one by one. */
const MOST_HOSTS = 8;

/** One line for each host, those over budget first; [] from agents that know no budgets. */
export function costLines(runs: readonly HostRun[]): string[] {
  const known = runs.flatMap(({ host, cost }) => (cost?.budget === undefined ? [] : [{ host, account: cost.budget }]));
  const isOver = ({ account }: (typeof known)[number]) => account.overBudget !== '';
  const sorted = [...known.filter(isOver), ...known.filter((one) => !isOver(one))];
  const lines = sorted.slice(0, MOST_HOSTS).map(({ host, account }) => {
    const over = account.overBudget === '' ? '' : `; ended over budget: ${account.overBudget}`;
    return `${host}: it cost ${accountText(account)}${over}`;
  });
  const rest = sorted.length - lines.length;
  return rest > 0 ? [...lines, `… and ${rest} more hosts`] : lines;
}

/** For JSON: by host. */
export function costsOf(runs: readonly HostRun[]): Readonly<Record<string, Cost>> {
  return Object.fromEntries(runs.flatMap(({ host, cost }) => (cost === undefined ? [] : [[host, cost]])));
}
