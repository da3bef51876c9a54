// Histograms as one SVG: a panel each, on a common axis where they have one, with percentiles and exact counts on hover.
import { countOf, type Histogram } from '../../../profile/histogram.js';
import { meanOf, type Quantile, quantiles } from '../../../profile/histogram-percentiles.js';
import { gridOf, scaleText } from '../../../profile/histogram-scale.js';
import { type Axis, axisOf, countsOn } from '../../views/histogram-axis.js';
import { BYTES, boundedQuantileText, NANOSECONDS, quantityText } from '../../views/histogram-quantity.js';
import { histogramName } from '../../views/histogram-text.js';
import { percentText, withCommas } from '../../views/number-text.js';
import {
  type ChartOptions,
  chartDocument,
  chartText,
  chartWidth,
  fitted,
  fixed,
  headingHeight,
  PAD,
  ticks,
} from './chart-document.js';
import { xmlText } from './xml-text.js';

export type HistogramSvgOptions = ChartOptions;

const PANEL = { name: 18, facts: 31, marks: 34, plot: 150, axis: 34, gap: 14 };
const PANEL_HEIGHT = PANEL.name + PANEL.facts + PANEL.marks + PANEL.plot + PANEL.axis + PANEL.gap;
const LEFT = 64;
/** More are not drawn, and the picture says how many. */
const MOST_PANELS = 60;

/** One panel per histogram, in the order given. @throws ExportError for a width that makes no picture */
export function histogramSvg(histograms: readonly Histogram[], options: HistogramSvgOptions = {}): string {
  const width = chartWidth(options);
  const shown = histograms.slice(0, MOST_PANELS);
  const axes = sharedAxes(shown);
  const top = headingHeight(options);
  const panels = shown.map((histogram, i) => panelText(histogram, axes[i], top + i * PANEL_HEIGHT, width));
  const hidden = histograms.length - shown.length;
  const note =
    histograms.length === 0 ? 'Nothing was counted' : hidden > 0 ? `${hidden} more histograms are not drawn` : '';
  const end = top + shown.length * PANEL_HEIGHT;
  return chartDocument(
    {
      width,
      height: end + (note === '' ? 0 : 24),
      label: `${histograms.length} histograms: ${shown.slice(0, 8).map(labelOf).join('; ')}`,
      body: panels.join('') + (note === '' ? '' : chartText('pt-soft', PAD, end + 12, note)),
    },
    { ...options, width },
  );
}

/** Histograms of one unit and grid are comparable by eye: they get the same rows. Where values lie outside, the range must be the same, too. */
function sharedAxes(histograms: readonly Histogram[]): Axis[] {
  const groups = new Map<string, Histogram[]>();
  const keyOf = ({ unit, scale, underflow, overflow }: Histogram) =>
    `${unit} ${underflow + overflow > 0 ? scaleText(scale) : gridOf(scale)}`;
  for (const histogram of histograms) {
    const group = groups.get(keyOf(histogram));
    if (group === undefined) groups.set(keyOf(histogram), [histogram]);
    else group.push(histogram);
  }
  const axes = new Map([...groups].map(([key, group]) => [key, axisOf(group, 96)]));
  return histograms.map((histogram) => axes.get(keyOf(histogram)) ?? axisOf([histogram], 96));
}

function labelOf(histogram: Histogram): string {
  const found = quantiles(histogram).map((q) => `p${q.percent} ${boundedQuantileText(q, histogram.unit)}`);
  return `${histogramName(histogram)}, ${withCommas(countOf(histogram))} values, ${found.join(', ')}`;
}

function panelText(histogram: Histogram, axis: Axis, top: number, width: number): string {
  const { unit, min, max } = histogram;
  const count = countOf(histogram);
  const facts = [
    `${withCommas(count)} ${count === 1 ? 'value' : 'values'}`,
    ...[['mean', meanOf(histogram)] as const, ['min', min] as const, ['max', max] as const].flatMap(([name, value]) =>
      value === undefined ? [] : [`${name} ${quantityText(value, unit)}`],
    ),
  ];
  const percentiles = quantiles(histogram).map((q) => `p${q.percent} ${boundedQuantileText(q, unit)}`);
  const name = `${histogramName(histogram)}${isPlain(unit) && unit !== '' ? ` (${unit})` : ''}`;
  const lines = [facts, percentiles].map((words) => words.join('  ·  '));
  const heading =
    chartText('pt-name', PAD, top + 14, fitted(name, width - 2 * PAD, 7.2)) +
    lines.map((line, i) => factLine(line, top + PANEL.name + 13 + 15 * i, width)).join('');
  if (count === 0 || axis.rows.length === 0) return heading;
  const plot: Plot = {
    left: LEFT,
    right: width - PAD,
    top: top + PANEL.name + PANEL.facts + PANEL.marks,
    bottom: top + PANEL.name + PANEL.facts + PANEL.marks + PANEL.plot,
    rows: axis.rows.length,
  };
  return heading + bars(histogram, axis, plot) + boundsText(axis, unit, plot) + marks(histogram, axis, plot);
}

/** Cut where it is too long; whole on hover. */
function factLine(line: string, y: number, width: number): string {
  return `<g><title>${xmlText(line)}</title>${chartText('pt-soft', PAD, y, fitted(line, width - 2 * PAD, 5.7))}</g>\n`;
}

/** A unit that numbers are not scaled in: it stands once, beside the name. */
function isPlain(unit: string): boolean {
  return NANOSECONDS[unit] === undefined && BYTES[unit] === undefined;
}

interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly rows: number;
}

/** Left edge of a row; fractions lie inside of it. */
function xOf({ left, right, rows }: Plot, place: number): number {
  return left + ((right - left) * place) / rows;
}

function bars(histogram: Histogram, axis: Axis, plot: Plot): string {
  const counts = countsOn(axis, histogram);
  const total = countOf(histogram);
  const steps = ticks(
    counts.reduce((most, count) => Math.max(most, count), 0),
    4,
  );
  const greatest = steps[steps.length - 1];
  const yOf = (count: number) => plot.bottom - ((plot.bottom - plot.top) * count) / greatest;
  let text = '';
  for (const step of steps.filter(Number.isInteger)) {
    const y = fixed(yOf(step));
    text += `<line class="pt-grid" x1="${plot.left}" x2="${plot.right}" y1="${y}" y2="${y}"/>`;
    text += chartText('pt-soft pt-end', plot.left - 8, yOf(step) + 4, quantityText(step, ''));
  }
  let sum = 0;
  const gap = Math.min(2, (0.12 * (plot.right - plot.left)) / plot.rows);
  for (const [i, row] of axis.rows.entries()) {
    sum += counts[i];
    const [x, right] = [xOf(plot, i), xOf(plot, i + 1)];
    const words = `${rowText(row, histogram.unit)}: ${withCommas(counts[i])} (${percentText(counts[i], total)}), ${percentText(sum, total)} up to here`;
    // What is there shows, however little it is.
    const height = counts[i] === 0 ? 0 : Math.max(1.5, plot.bottom - yOf(counts[i]));
    const bar =
      height === 0
        ? ''
        : `<rect class="pt-bar" x="${fixed(x + gap / 2)}" y="${fixed(plot.bottom - height)}" width="${fixed(right - x - gap)}" height="${fixed(height)}" rx="1"/>`;
    text += `<g><title>${xmlText(words)}</title><rect class="pt-hit" x="${fixed(x)}" y="${plot.top}" width="${fixed(right - x)}" height="${plot.bottom - plot.top}"/>${bar}</g>\n`;
  }
  return `${text}<line class="pt-axis" x1="${plot.left}" x2="${plot.right}" y1="${plot.bottom}" y2="${plot.bottom}"/>\n`;
}

function rowText({ from, to }: { readonly from: number; readonly to: number }, unit: string): string {
  if (from === Number.NEGATIVE_INFINITY) return `below ${quantityText(to, unit)}`;
  if (to === Number.POSITIVE_INFINITY) return `${quantityText(from, unit)} and above`;
  return `${quantityText(from, unit)} to below ${quantityText(to, unit)}`;
}

/** Bounds under the edges between rows, as many as there is room for. */
function boundsText(axis: Axis, unit: string, plot: Plot): string {
  const bounds = axis.rows.flatMap((row, i) => (Number.isFinite(row.from) ? [{ place: i, value: row.from }] : []));
  const last = axis.rows[axis.rows.length - 1];
  if (Number.isFinite(last.to)) bounds.push({ place: axis.rows.length, value: last.to });
  const every = Math.max(1, Math.ceil((58 * bounds.length) / (plot.right - plot.left)));
  return bounds
    .filter((_, i) => i % every === 0)
    .map(({ place, value }) => {
      const x = xOf(plot, place);
      const isLast = x > plot.right - 24;
      const tick = `<line class="pt-axis" x1="${fixed(x)}" x2="${fixed(x)}" y1="${plot.bottom}" y2="${plot.bottom + 4}"/>`;
      return (
        tick +
        chartText(
          `pt-soft ${isLast ? 'pt-end' : 'pt-middle'}`,
          isLast ? plot.right : x,
          plot.bottom + 18,
          quantityText(value, isPlain(unit) ? '' : unit),
        )
      );
    })
    .join('');
}

/** Lines at the percentiles with their names above; names that would touch stand one line higher. */
function marks(histogram: Histogram, axis: Axis, plot: Plot): string {
  let text = '';
  const ends = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const found of quantiles(histogram)) {
    const x = xOf(plot, placeOf(axis, found));
    const level = ends[0] + 4 <= x ? 0 : ends[1] + 4 <= x ? 1 : -1;
    const y = plot.top - 8 - 13 * Math.max(0, level);
    text += `<g><title>${xmlText(`p${found.percent} ${boundedQuantileText(found, histogram.unit)}`)}</title>`;
    text += `<line class="pt-p${String(found.percent).replace('.', '')}" x1="${fixed(x)}" x2="${fixed(x)}" y1="${level < 0 ? plot.top : y + 2}" y2="${plot.bottom}"/>`;
    if (level >= 0) {
      const words = `p${found.percent}`;
      const isLast = x + words.length * 8 > plot.right;
      text += chartText(`pt-mark${isLast ? ' pt-end' : ''}`, x + (isLast ? -3 : 3), y + 9, words);
      ends[level] = x + words.length * 8;
    }
    text += '</g>\n';
  }
  return text;
}

/** Where a percentile lies on the axis, in rows. Inside of a bucket by its own scale: a doubling is as wide as the next. */
function placeOf(axis: Axis, { value, low, high }: Quantile): number {
  const rank = Number.isFinite(low) ? (Number.isFinite(high) ? value : low) : high;
  const row = axis.rows.findIndex(({ from, to }) => rank >= from && rank < to);
  if (row < 0) return 0;
  const { from, to } = axis.rows[row];
  if (!Number.isFinite(from) || !Number.isFinite(to)) return row + 0.5;
  return row + (rank - from) / (to - from);
}
