// A job as one HTML page that needs nothing else: to attach to a ticket, to print, to open in ten years.
import { countOf } from '../../profile/histogram.js';
import { quantile } from '../../profile/histogram-percentiles.js';
import { histogramTotals } from '../../profile/histogram-series.js';
import { counterTable } from '../views/counter-table.js';
import { quantileText } from '../views/histogram-quantity.js';
import { histogramName } from '../views/histogram-text.js';
import { valueText, withCommas } from '../views/number-text.js';
import type { ExportParts } from './exporter.js';
import { htmlPage } from './html-page.js';
import { type Html, html } from './html-text.js';
import type { Report } from './report.js';
import { countersSection, flameGraphsSection, histogramsSection } from './report-charts.js';
import { hostsSection, lossesSection, partsSection, textSection } from './report-tables.js';

/**
 * The page, section by section. It loads nothing, and its content security policy forbids the browser to: no network, no forms, no
 * script but the flame graph's own, known by its hash. Whatever texts say, they are texts.
 */
export function* reportHtml(report: Report): ExportParts {
  const sections = [
    countersSection(report),
    ...flameGraphsSection(report),
    ...histogramsSection(report),
    hostsSection(report),
    partsSection(report),
    lossesSection(report),
    textSection(report),
  ].filter((section) => section !== undefined);
  const notes = report.notes.map((note) => html`<p class="note" role="note">${note}</p>\n`);
  yield* htmlPage({
    ...{ title: report.title, subtitle: report.subtitle, generator: report.generator, sections },
    beforeLinks: html`${tiles(report)}${notes}`,
    afterLinks: factsOf(report),
  });
}

/** The figures that a reader looks for first. */
function tiles({ hosts, counters, histograms, losses }: Report): Html {
  const good = hosts.filter(({ state }) => state === 'succeeded').length;
  const figures: { name: string; value: string; isWarning?: boolean }[] = [
    {
      name: hosts.length === 1 ? 'host' : 'hosts with a result',
      value: `${good} of ${hosts.length}`,
      isWarning: good < hosts.length,
    },
  ];
  const totals =
    counters === undefined ? [] : counterTable(counters).filter((row) => row.scope === '' && row.sum !== undefined);
  for (const row of totals.slice(0, 3)) {
    figures.push({ name: row.unit === '' ? row.event : `${row.event}, ${row.unit}`, value: valueText(row.sum ?? 0) });
  }
  const most = histograms === undefined ? [] : histogramTotals(histograms).sort((a, b) => countOf(b) - countOf(a));
  const first = most[0];
  if (first !== undefined) {
    for (const percent of [50, 99]) {
      const found = quantile(first, percent);
      if (found !== undefined)
        figures.push({ name: `p${percent} ${histogramName(first)}`, value: quantileText(found, first.unit) });
    }
  }
  const kinds = new Set(losses.filter(({ count }) => count > 0).map(({ kind }) => kind));
  figures.push({
    name: kinds.size === 1 ? 'kind of loss' : 'kinds of losses',
    value: withCommas(kinds.size),
    isWarning: kinds.size > 0,
  });
  const shown = figures.map(
    ({ name, value, isWarning }) =>
      html`<div class="tile${isWarning === true ? ' warn' : ''}"><b>${value}</b><span>${name}</span></div>\n`,
  );
  return html`<div class="tiles">\n${shown}</div>\n`;
}

function factsOf({ facts }: Report): Html {
  if (facts.length === 0) return html``;
  const entries = facts.map(
    ({ name, value }) =>
      html`<div class="${value.length > 60 ? 'wide' : ''}"><dt>${name}</dt><dd>${value}</dd></div>\n`,
  );
  return html`<section id="r-job"><h2>Job</h2><dl class="facts">\n${entries}</dl></section>\n`;
}
