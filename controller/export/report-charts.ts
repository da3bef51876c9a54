// The sections of a report with pictures: counters, flame graphs, histograms with heat map and comparison of hosts.
import { countOf, type Histogram } from '../../profile/histogram.js';
import { meanOf, PERCENTS, type Quantile, quantile } from '../../profile/histogram-percentiles.js';
import { histogramTotals } from '../../profile/histogram-series.js';
import { heatMaps } from '../views/heat-map.js';
import { boundedQuantileText, quantileText, quantityText } from '../views/histogram-quantity.js';
import { histogramName } from '../views/histogram-text.js';
import { withCommas } from '../views/number-text.js';
import { type OutlierReport, outliersByKey } from '../views/outliers.js';
import { type Html, html, htmlTable } from './html-text.js';
import type { Report, ReportSection } from './report.js';
import { counterChartSvg } from './svg/counter-chart-svg.js';
import { heatMapSvg } from './svg/heat-map-svg.js';
import { histogramSvg } from './svg/histogram-svg.js';

/** Pixels; the page makes it smaller where there is less room. */
const WIDTH = 1180;

export function countersSection({ counters }: Report): ReportSection | undefined {
  if (counters === undefined || counters.points.length === 0) return undefined;
  const svg = counterChartSvg(counters, { width: WIDTH, isInline: true });
  const body = html`<p class="soft">Sums over all hosts, every ${quantityText(counters.interval, 'ms')}.</p><figure>${{ html: svg }}</figure>\n`;
  return { id: 'r-counters', title: 'Counters over time', body };
}

export function flameGraphsSection({ flameGraphs }: Report): ReportSection[] {
  return flameGraphs.map(({ title, svg }, i) => flameGraphSection(title, svg, i + 1));
}

/** @param svg a whole document as flameGraphSvg makes it @param number of it on its page, from 1 on */
export function flameGraphSection(title: string, svg: string, number: number): ReportSection {
  return {
    id: `r-flame-graph-${number}`,
    title,
    body: html`<p class="soft">Click a frame to zoom, hover to read, Ctrl-F to search.</p><figure>${{ html: withoutDeclaration(svg) }}</figure>\n`,
  };
}

export function histogramsSection({ histograms, hostHistograms }: Report): ReportSection[] {
  if (histograms === undefined || histograms.points.length === 0) return [];
  const totals = histogramTotals(histograms);
  const sections: ReportSection[] = [
    {
      id: 'r-histograms',
      title: 'Histograms',
      body: html`${keyTable(totals)}<figure>${{ html: histogramSvg(totals, { width: WIDTH, isInline: true }) }}</figure>\n`,
    },
  ];
  const maps = heatMaps(histograms, { maxColumns: 240 }).filter((map) => map.columns.length > 1);
  if (maps.length > 0) {
    const svg = heatMapSvg(maps, { width: WIDTH, isInline: true });
    const body = html`<p class="soft">Each cell: how many values of that size in that time. The lines are p50 and p99.</p><figure>${{ html: svg }}</figure>\n`;
    sections.push({ id: 'r-heat-map', title: 'Histograms over time', body });
  }
  const reports = hostHistograms.length > 1 ? outliersByKey(hostHistograms) : [];
  if (reports.length > 0) {
    sections.push({ id: 'r-outliers', title: 'Histograms by host', body: html`${reports.map(hostTable)}` });
  }
  return sections;
}

function keyTable(histograms: readonly Histogram[]): Html {
  const rows = histograms.map((histogram) => {
    const { unit, max } = histogram;
    const known = (value: number | undefined) => (value === undefined ? '-' : quantityText(value, unit));
    const percentiles = PERCENTS.map((percent) => quantileCell(quantile(histogram, percent), unit));
    return [
      histogramName(histogram),
      withCommas(countOf(histogram)),
      known(meanOf(histogram)),
      ...percentiles,
      known(max),
    ];
  });
  return htmlTable(
    [
      { heading: 'Histogram' },
      ...['Count', 'Mean', ...PERCENTS.map((percent) => `p${percent}`), 'Max'].map((heading) => ({
        heading,
        isNumber: true,
      })),
    ],
    rows,
    {
      caption:
        'A percentile is exact to its bucket: in brackets the bounds it lies between for certain. Counts are exact.',
    },
  );
}

function quantileCell(found: Quantile | undefined, unit: string): Html | string {
  if (found === undefined) return '-';
  const whole = boundedQuantileText(found, unit);
  const short = quantileText(found, unit);
  return html`${short}<br><span class="soft">${whole.slice(short.length).trim()}</span>`;
}

/** Hosts like the others beyond these are counted, not listed. */
const MOST_HOSTS = 50;

function hostTable(report: OutlierReport): Html {
  const { unit } = report.merged;
  const outliers = report.rows.filter((row) => row.isOutlier).length;
  const shown = report.rows.slice(0, outliers + MOST_HOSTS);
  const hidden = report.rows.length - shown.length;
  const rows = shown.map((row) => [
    row.isOutlier ? html`${row.host} <span class="mark warn">differs</span>` : row.host,
    withCommas(row.count),
    row.p50 === undefined ? '-' : quantileText(row.p50, unit),
    row.p99 === undefined ? '-' : quantileText(row.p99, unit),
    row.histogram.max === undefined ? '-' : quantityText(row.histogram.max, unit),
    row.distance === undefined ? '-' : `${(row.shift ?? 0) < 0 ? '−' : '+'}${row.distance.toFixed(2)}`,
    row.why,
  ]);
  const more = hidden === 0 ? '' : ` ${withCommas(hidden)} more hosts are not listed; none of them differs.`;
  const table = htmlTable(
    [
      { heading: 'Host' },
      ...['Count', 'p50', 'p99', 'Max', 'Distance'].map((heading) => ({ heading, isNumber: true })),
      { heading: 'Judgement' },
    ],
    rows,
    { caption: `${report.measure}${more}`, rowClass: (row) => (shown[row].isOutlier ? 'outlier' : '') },
  );
  return html`<h3>${histogramName(report.merged)}</h3>${table}`;
}

function withoutDeclaration(svg: string): string {
  return svg.replace(/^\s*<\?xml[^>]*\?>\s*/, '');
}
