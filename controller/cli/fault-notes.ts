// What the page-fault kit says in sentences: where latency by type is missing, why, and what the counters tell instead.
import type { CounterSeries } from '../../profile/counter-series.js';
import type { HostRun } from '../api.js';
import { counterTable } from '../views/counter-table.js';
import { percentText, withCommas } from '../views/number-text.js';
import { failureText } from './render/failure-text.js';
import { missingParts } from './script-report.js';

export const FAULT_EVENTS = ['page-faults', 'minor-faults', 'major-faults'] as const;
export const LATENCY_SCRIPT = 'pagefault-latency';

/** Nothing where every host has its latencies. */
export function faultNotes(runs: readonly HostRun[], series: CounterSeries | undefined): string[] {
  const missing = missingParts(runs).filter(({ part }) => part === 'stap');
  const hosts = missing.flatMap((part) => part.hosts);
  if (hosts.length === 0) return [];
  const why = missing.map(({ outcome: { failure, outcome } }) =>
    failure === undefined ? outcome : failureText(failure),
  );
  return [`Latency by fault type is missing on ${hosts.join(', ')}: ${why.join('; ')}.`, ...splitNotes(series)];
}

/** Minor faults take microseconds, major ones wait for a disk: the split alone says which kind of trouble it is. */
function splitNotes(series: CounterSeries | undefined): string[] {
  const sums = new Map((series === undefined ? [] : counterTable(series)).map(({ event, sum }) => [event, sum]));
  const minor = sums.get('minor-faults');
  const major = sums.get('major-faults');
  if (minor === undefined || major === undefined) return [];
  const share = (part: number): string => `${withCommas(part)} (${percentText(part, minor + major, 2)})`;
  return [
    `What perf alone tells: ${share(minor)} minor faults, served from memory, and ${share(major)} major faults, which waited for a disk.`,
  ];
}
