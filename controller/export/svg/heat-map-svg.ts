// A heat map as one SVG: time to the right, values upwards, shades by the logarithm of the count, the course of p50 and p99 on top.
import { type HeatMap, leastOfShade, shadeOf } from '../../views/heat-map.js';
import type { AxisRow } from '../../views/histogram-axis.js';
import { quantityText } from '../../views/histogram-quantity.js';
import { histogramName } from '../../views/histogram-text.js';
import { withCommas } from '../../views/number-text.js';
import {
  type ChartOptions,
  chartDocument,
  chartText,
  chartWidth,
  fitted,
  fixed,
  headingHeight,
  PAD,
  timeText,
  timeTicks,
} from './chart-document.js';
import { type HeatPaletteName, SHADES } from './chart-style.js';
import { xmlText } from './xml-text.js';

export interface HeatMapSvgOptions extends ChartOptions {
  /** Default `heat`. */
  readonly palette?: HeatPaletteName;
}

const LEFT = 76;
const RIGHT = 52;
const NAME = 40;
const BELOW = 66;
const GAP = 18;

/** One panel per map, one below the other. @throws ExportError for a width that makes no picture */
export function heatMapSvg(maps: readonly HeatMap[], options: HeatMapSvgOptions = {}): string {
  const width = chartWidth(options);
  let top = headingHeight(options);
  let body = '';
  for (const map of maps) {
    body += panel(map, top, width, options.palette ?? 'heat');
    top += NAME + plotHeight(map) + BELOW + GAP;
  }
  if (maps.length === 0) {
    body = chartText('pt-soft', PAD, top + 12, 'Nothing was counted');
    top += 24;
  }
  const label = maps.map(
    (map) => `${histogramName(map)}: ${withCommas(map.total)} values in ${map.columns.length} columns of time`,
  );
  return chartDocument(
    { width, height: Math.ceil(top), label: `Heat map. ${label.join('; ')}`, body },
    { ...options, width },
  );
}

function rowHeight({ rows }: HeatMap): number {
  return Math.max(5, Math.min(18, 320 / Math.max(1, rows.length)));
}

function plotHeight(map: HeatMap): number {
  return Math.max(1, map.rows.length) * rowHeight(map);
}

interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly rowHeight: number;
  readonly start: number;
  readonly end: number;
}

function panel(map: HeatMap, top: number, width: number, palette: HeatPaletteName): string {
  const every = map.interval === 0 ? '' : `, ${timeText(map.interval * map.intervalsPerColumn)} in a column`;
  const joined = map.bucketsPerRow > 1 ? `, ${map.bucketsPerRow} buckets in a row` : '';
  const heading =
    chartText('pt-name', PAD, top + 14, fitted(histogramName(map), width - 2 * PAD, 7.2)) +
    chartText('pt-soft', PAD, top + 30, `${withCommas(map.total)} values${every}${joined}`);
  if (map.rows.length === 0 || map.columns.length === 0) return heading;
  const plot: Plot = {
    left: LEFT,
    right: width - RIGHT,
    top: top + NAME,
    bottom: top + NAME + plotHeight(map),
    rowHeight: rowHeight(map),
    start: map.columns[0].start,
    end: map.columns[map.columns.length - 1].end,
  };
  const ground = `<rect class="pt-panel" x="${plot.left}" y="${plot.top}" width="${plot.right - plot.left}" height="${fixed(plot.bottom - plot.top)}"/>\n`;
  return `${heading}${ground}${valueAxis(map, plot)}${cells(map, plot, palette)}${timeAxis(plot)}${courses(map, plot)}${legend(map, plot, palette)}`;
}

/** By time, so that columns of unlike length (no interval known) have their length. */
function xOf({ left, right, start, end }: Plot, time: number): number {
  return left + ((right - left) * (time - start)) / Math.max(1, end - start);
}

function cells(map: HeatMap, plot: Plot, palette: HeatPaletteName): string {
  const { rows, columns, counts } = map;
  let text = '';
  for (const [c, column] of columns.entries()) {
    const x = xOf(plot, column.start);
    const width = Math.max(0.5, xOf(plot, column.end) - x);
    for (const [r, row] of rows.entries()) {
      const count = counts[r * columns.length + c];
      if (count === 0) continue;
      const y = plot.bottom - (r + 1) * plot.rowHeight;
      const words = `${timeText(column.start)} to ${timeText(column.end)}, ${rangeText(row, map.unit)}: ${withCommas(count)} of ${withCommas(column.count)}`;
      text += `<rect class="pt-cell pt-${palette}-${shadeOf(count, map.most, SHADES)}" x="${fixed(x)}" y="${fixed(y)}" width="${fixed(width)}" height="${fixed(plot.rowHeight)}"><title>${xmlText(words)}</title></rect>\n`;
    }
  }
  return text;
}

function rangeText({ from, to }: AxisRow, unit: string): string {
  if (from === Number.NEGATIVE_INFINITY) return `below ${quantityText(to, unit)}`;
  if (to === Number.POSITIVE_INFINITY) return `${quantityText(from, unit)} and above`;
  return `${quantityText(from, unit)} to below ${quantityText(to, unit)}`;
}

/** Lower bounds at the lower edges of rows; every second, third, … one where rows are low. */
function valueAxis({ rows, unit }: HeatMap, plot: Plot): string {
  const every = Math.ceil(15 / plot.rowHeight);
  let text = '';
  for (let r = 0; r < rows.length; r += every) {
    const y = plot.bottom - r * plot.rowHeight;
    const { from, to } = rows[r];
    text += `<line class="pt-grid" x1="${plot.left - 5}" x2="${plot.right}" y1="${fixed(y)}" y2="${fixed(y)}"/>`;
    text += chartText(
      'pt-soft pt-end',
      plot.left - 9,
      y + 4,
      Number.isFinite(from) ? quantityText(from, unit) : `< ${quantityText(to, unit)}`,
    );
  }
  return text;
}

function timeAxis(plot: Plot): string {
  let text = `<line class="pt-axis" x1="${plot.left}" x2="${plot.right}" y1="${fixed(plot.bottom)}" y2="${fixed(plot.bottom)}"/>\n`;
  for (const time of timeTicks(plot.start, plot.end, (plot.right - plot.left) / 90)) {
    const x = fixed(xOf(plot, time));
    text += `<line class="pt-axis" x1="${x}" x2="${x}" y1="${fixed(plot.bottom)}" y2="${fixed(plot.bottom + 4)}"/>`;
    text += chartText('pt-soft pt-middle', xOf(plot, time), plot.bottom + 17, timeText(time));
  }
  return text;
}

/** Lines through the middles of columns; a column without values breaks them. */
function courses(map: HeatMap, plot: Plot): string {
  let text = '';
  let lastLabel = Number.NEGATIVE_INFINITY;
  for (const percent of ['p50', 'p99'] as const) {
    const parts: string[][] = [[]];
    let end: { x: number; y: number } | undefined;
    for (const column of map.columns) {
      const place = column[percent] === undefined ? undefined : placeOf(map.rows, column[percent]);
      if (place === undefined) {
        parts.push([]);
        continue;
      }
      end = { x: xOf(plot, (column.start + column.end) / 2), y: plot.bottom - place * plot.rowHeight };
      parts[parts.length - 1].push(`${fixed(end.x)},${fixed(end.y)}`);
    }
    if (end === undefined) continue;
    const path = parts
      .filter((part) => part.length > 0)
      .map((part) => `M${part.join('L')}`)
      .join('');
    text += `<path class="pt-halo" d="${path}" pointer-events="none"/><path class="pt-${percent} pt-course" d="${path}" pointer-events="none"/>\n`;
    const y = Math.abs(end.y - lastLabel) < 12 ? lastLabel - 12 : end.y;
    lastLabel = y;
    text += chartText('pt-mark', plot.right + 6, y + 4, percent);
  }
  return text;
}

/** In rows from the bottom. */
function placeOf(rows: readonly AxisRow[], value: number): number | undefined {
  const row = rows.findIndex(({ from, to }) => value >= from && value < to);
  if (row < 0) return undefined;
  const { from, to } = rows[row];
  return row + (Number.isFinite(from) && Number.isFinite(to) ? (value - from) / (to - from) : 0.5);
}

function legend(map: HeatMap, plot: Plot, palette: HeatPaletteName): string {
  const y = plot.bottom + 36;
  let text = chartText('pt-soft', plot.left, y + 10, 'values in a cell');
  const width = 34;
  const left = plot.left + 92;
  for (let shade = 1; shade <= SHADES; shade++) {
    const x = left + (shade - 1) * width;
    text += `<rect class="pt-${palette}-${shade}" x="${x}" y="${y}" width="${width}" height="12"/>`;
    const least = leastOfShade(shade, map.most, SHADES);
    const isNew = shade === 1 || least > leastOfShade(shade - 1, map.most, SHADES);
    if (isNew && (shade % 2 === 1 || map.most < 1000)) text += chartText('pt-soft', x, y + 25, quantityText(least, ''));
  }
  return `${text}${chartText('pt-soft', left + SHADES * width + 8, y + 10, `to ${withCommas(map.most)}`)}`;
}
