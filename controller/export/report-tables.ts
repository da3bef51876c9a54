// The sections of a report with tables and text: hosts with their cost, parts of a kit, losses, what scripts printed.
import { quantityText } from '../views/histogram-quantity.js';
import { lossText } from '../views/loss-text.js';
import { valueText, withCommas } from '../views/number-text.js';
import { type Html, html, htmlTable } from './html-text.js';
import type { Report, ReportSection } from './report.js';

export function hostsSection({ hosts }: Report): ReportSection | undefined {
  if (hosts.length === 0) return undefined;
  const events = [...new Set(hosts.flatMap(({ counters }) => Object.keys(counters)))];
  const hasSamples = hosts.some(({ samples }) => samples !== undefined);
  const number = (heading: string) => ({ heading, isNumber: true });
  const columns = [
    { heading: 'Host' },
    { heading: 'State' },
    ...events.map(number),
    ...(hasSamples ? [number('Samples'), number('Lost')] : []),
    ...['CPU of tools', 'CPU of agent', 'Peak memory', 'Recorded', 'Wall time'].map(number),
    { heading: 'While recording' },
    { heading: '' },
  ];
  const rows = hosts.map(({ host, state, reason, counters, samples, lost, cost }) => [
    host,
    stateMark(state),
    ...events.map((event) => (Object.hasOwn(counters, event) ? valueText(counters[event]) : '-')),
    ...(hasSamples ? [samples, lost].map((count) => (count === undefined ? '-' : withCommas(count))) : []),
    ...(cost === undefined
      ? ['-', '-', '-', '-', '-', '-']
      : [
          cpuText(cost.toolCpuMs, cost.wallMs),
          cpuText(cost.agentCpuMs, cost.wallMs),
          quantityText(cost.peakMemoryBytes, 'bytes'),
          quantityText(cost.recordedBytes, 'bytes'),
          quantityText(cost.wallMs, 'ms'),
          cost.budget ?? '-',
        ]),
    reason ?? '',
  ]);
  const caption = 'What the capture cost each host: CPU time, and in brackets its share of one CPU over the wall time.';
  return { id: 'r-hosts', title: 'Hosts and cost', body: htmlTable(columns, rows, { caption }) };
}

/** How many hosts finished each part, and why the others did not. */
export function partsSection({ parts }: Report): ReportSection | undefined {
  if (parts.length === 0) return undefined;
  const unfinished = parts.filter(({ outcome }) => outcome !== 'finished');
  const kinds = [...new Set(parts.map(({ part }) => part))].map((kind) => {
    const all = parts.filter(({ part }) => part === kind);
    return `${kind} finished on ${all.filter(({ outcome }) => outcome === 'finished').length} of ${all.length} hosts`;
  });
  const rows = unfinished.map(({ host, part, outcome, reason = '', remedy = '' }) => [
    host,
    part,
    stateMark(outcome),
    reason,
    remedy === '' ? '' : html`<code>${remedy}</code>`,
  ]);
  const columns = ['Host', 'Part', 'Outcome', 'Reason', 'What to try'].map((heading) => ({ heading }));
  const table = rows.length === 0 ? html`` : htmlTable(columns, rows);
  return { id: 'r-parts', title: 'Parts', body: html`<p>${kinds.join('; ')}.</p>\n${table}` };
}

/** Always there: that nothing is missing is worth saying. */
export function lossesSection({ losses }: Report): ReportSection {
  const real = losses.filter(({ count }) => count > 0);
  const body =
    real.length === 0
      ? html`<p>Nothing is missing: no events, samples, lines or hosts were lost.</p>\n`
      : html`<ul>\n${real.map((loss) => html`<li>${lossText(loss)}</li>\n`)}</ul>\n`;
  return { id: 'r-losses', title: 'Losses', body };
}

/** Lines of one host that a page shows. */
const MOST_LINES = 500;

export function textSection({ text }: Report): ReportSection | undefined {
  const printed = text.filter(({ lines, dropped = 0 }) => lines.length > 0 || dropped > 0);
  if (printed.length === 0) return undefined;
  const blocks = printed.map(({ host, lines, dropped = 0 }): Html => {
    const shown = lines.slice(0, MOST_LINES);
    const missing = [
      lines.length > shown.length ? `${withCommas(lines.length - shown.length)} more lines are not shown` : '',
      dropped > 0 ? `${withCommas(dropped)} lines were dropped` : '',
    ].filter((words) => words !== '');
    const printedLines = shown.map(
      (line) =>
        html`<span class="number-of-line">${String(line.number).padStart(5)}${line.stream === 'stderr' ? '!' : ' '}</span> ${line.text}\n`,
    );
    const note = missing.length === 0 ? html`` : html`<p class="soft">${missing.join('; ')}.</p>`;
    return html`<h3>${host}</h3><pre>${printedLines}</pre>${note}\n`;
  });
  return { id: 'r-text', title: 'What the scripts printed', body: html`${blocks}` };
}

function stateMark(state: string): Html {
  const kinds: Readonly<Record<string, string>> = {
    succeeded: 'good',
    finished: 'good',
    failed: 'bad',
    lost: 'bad',
    stopped: 'warn',
    cancelled: 'warn',
    discarded: 'warn',
  };
  return html`<span class="mark ${Object.hasOwn(kinds, state) ? kinds[state] : ''}">${state}</span>`;
}

function cpuText(cpuMs: number, wallMs: number): string {
  const share = wallMs > 0 ? ` (${((100 * cpuMs) / wallMs).toFixed(1)} %)` : '';
  return `${quantityText(cpuMs, 'ms')}${share}`;
}
