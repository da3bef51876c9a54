// What scripts and kits brought, for the report of a job: histograms by key, the first lines of text, parts that are missing.
import type { HistogramSeries } from '../../profile/histogram-series.js';
import { histogramTotals } from '../../profile/histogram-series.js';
import type { App, HostRun, PartOutcome } from '../api.js';
import { histogramTableText } from '../views/histogram-text.js';
import { withCommas } from '../views/number-text.js';
import { printable } from '../views/printable.js';
import type { CommandContext } from './context.js';
import { failureText } from './render/failure-text.js';
import { textOptions } from './render/text-options.js';

/** More of them fill the screen: `perftrawl hist` and `perftrawl text` show all. */
const MOST_KEYS = 40;
const MOST_LINES = 20;

/** By key, the one with the most values first; nothing when there are none. */
export function histogramLines(context: CommandContext, series: HistogramSeries | undefined): string[] {
  const totals = series === undefined ? [] : histogramTotals(series);
  if (totals.length === 0) return [];
  const titles = [...new Set(totals.map(({ title }) => title))];
  const heading = titles.length === 1 && titles[0] !== '' ? titles[0] : 'histograms';
  const more = totals.length > MOST_KEYS ? [`… and ${withCommas(totals.length - MOST_KEYS)} more histograms`] : [];
  return [
    context.colours.bold(printable(heading)),
    ...histogramTableText(totals.slice(0, MOST_KEYS), textOptions(context)).trimEnd().split('\n'),
    ...more,
    '',
  ];
}

/** The first lines that scripts printed, host by host; each host is named where there are several. */
export async function textLines(context: CommandContext, app: App, runs: readonly HostRun[]): Promise<string[]> {
  const lines: string[] = [];
  let left = 0;
  for (const { jobId, host } of runs) {
    const all = await app.text(jobId, host);
    const shown = all.slice(0, Math.max(0, MOST_LINES - lines.length));
    left += all.length - shown.length;
    lines.push(...shown.map(({ text }) => printable(runs.length === 1 ? text : `${host}: ${text}`)));
  }
  if (lines.length === 0) return [];
  const more = left === 0 ? [] : [`… and ${withCommas(left)} more lines`];
  return [context.colours.bold('printed'), ...lines, ...more, ''];
}

/** Parts of a kit without a result, and why: hosts with the same reason in one line. */
export function missingPartLines(context: CommandContext, runs: readonly HostRun[]): string[] {
  return missingParts(runs).map(({ part, hosts, outcome }) => {
    const why = outcome.failure === undefined ? outcome.outcome : failureText(outcome.failure);
    return `${context.colours.yellow(`no ${part}`)} of ${printable(hosts.join(', '))}: ${why}`;
  });
}

export interface MissingPart {
  readonly part: PartOutcome['part'];
  readonly hosts: readonly string[];
  readonly outcome: PartOutcome;
}

export function missingParts(runs: readonly HostRun[]): MissingPart[] {
  const byReason = new Map<string, MissingPart>();
  for (const { host, parts } of runs) {
    for (const outcome of parts) {
      if (outcome.outcome !== 'failed') continue;
      const key = JSON.stringify([outcome.part, outcome.failure]);
      const known = byReason.get(key);
      byReason.set(key, { part: outcome.part, outcome, hosts: [...(known?.hosts ?? []), host] });
    }
  }
  return [...byReason.values()];
}
