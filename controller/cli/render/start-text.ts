// How close to each other the hosts of a job began, for people.
import type { HostRun } from '../../api.js';
import { type CommonStart, commonStarts } from '../../jobs/agreed-start.js';
import { printable } from '../../views/printable.js';

/** Hosts that are named; `--json` has all. */
const MOST_NAMES = 10;

/** Nothing for a job whose hosts began each by itself. */
export function startLines(runs: readonly HostRun[]): string[] {
  const alone = runs.flatMap(({ host, start }) => (start?.kind === 'alone' ? [{ host, why: start.why }] : []));
  const lines = commonStarts(runs).flatMap((start) => [togetherText(start), ...apartLines(start.apart)]);
  return [...lines, ...apartLines(alone)].map(printable);
}

/** `started within 12.0 ms of each other (± 3.0 ms), 3 hosts, at most 14.0 ms after the agreed 12:30:05.250 UTC (web1)`. */
function togetherText({ moment, hosts, spread, uncertainty, last }: CommonStart): string {
  const agreed = `the agreed ${new Date(moment).toISOString().slice(11, 23)} UTC`;
  if (hosts === 0) return `no host is known to have started at ${agreed}`;
  const late = `at most ${last.late.toFixed(1)} ms after ${agreed} (${last.host})`;
  if (hosts === 1) return `started ${late}`;
  return `started within ${spread.toFixed(1)} ms of each other (± ${uncertainty.toFixed(1)} ms), ${hosts} hosts, ${late}`;
}

function apartLines(apart: CommonStart['apart']): string[] {
  const shown = apart.slice(0, MOST_NAMES).map(({ host, why }) => `not started together: ${host}: ${why}`);
  return apart.length > MOST_NAMES ? [...shown, `… and ${apart.length - MOST_NAMES} more`] : shown;
}
