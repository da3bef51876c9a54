// Counters over time as one SVG: a small chart per event, all on one axis of time. What was not counted is a gap, never a zero.
import { type CounterPoint, type CounterSeries, joinShortRest } from '../../../profile/counter-series.js';
import { type CounterRow, counterTable } from '../../views/counter-table.js';
import { quantityText } from '../../views/histogram-quantity.js';
import { valueText } from '../../views/number-text.js';
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
  timeText,
  timeTicks,
} from './chart-document.js';
import { xmlText } from './xml-text.js';

const LEFT = 76;
const PANEL = { name: 44, plot: 92, gap: 16 };
/** A counter that has no values needs no plot. */
const EMPTY_HEIGHT = 40;
const AXIS = 26;
/** More events and scopes are not drawn, and the picture says how many. */
const MOST_PANELS = 40;
/** More intervals than pixels can tell apart are drawn as means of neighbours. */
const MOST_COLUMNS = 600;

/** In the order of counterTable, what was never counted at the end. @throws ExportError for a width that makes no picture */
export function counterChartSvg(series: CounterSeries, options: ChartOptions = {}): string {
  const width = chartWidth(options);
  const rows = counterTable(series);
  const shown = rows.slice(0, MOST_PANELS);
  const points = joinShortRest(series).points;
  const times = [...new Set(points.map((point) => point.time))].sort((a, b) => a - b);
  const valuesOf = valuesByTime(points);
  const top = headingHeight(options);
  const plot = { left: LEFT, right: width - PAD, end: times.at(-1) ?? 1 };
  let end = top;
  let body = '';
  const counted = shown.filter((row) => row.status === 'counted');
  for (const row of counted) {
    body += panel(row, joined(valuesOf(row), times, series.interval), { ...plot, top: end });
    end += PANEL.name + PANEL.plot + PANEL.gap;
  }
  if (counted.length > 0) {
    body += timeAxis(plot, end - PANEL.gap + 4);
    end += AXIS;
  }
  for (const row of shown.filter(({ status }) => status !== 'counted')) {
    body += panel(row, [], { ...plot, top: end });
    end += EMPTY_HEIGHT;
  }
  const hidden = rows.length - shown.length;
  const note = rows.length === 0 ? 'Nothing was counted' : hidden > 0 ? `${hidden} more counters are not drawn` : '';
  return chartDocument(
    {
      width,
      height: end + (note === '' ? 0 : 20),
      label: `Counters over ${timeText(plot.end)}: ${shown.map((row) => `${nameOf(row)} ${totalText(row)}`).join('; ')}`,
      body: body + (note === '' ? '' : chartText('pt-soft', PAD, end + 12, note)),
    },
    { ...options, width },
  );
}

interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  /** Milliseconds at the right edge; 0 is at the left one. */
  readonly end: number;
}

function nameOf({ event, scope }: CounterRow): string {
  return scope === '' ? event : `${event} ${scope}`;
}

function totalText(row: CounterRow): string {
  if (row.status !== 'counted') return row.status.replace('-', ' ');
  const unit = row.unit === '' ? '' : ` ${row.unit}`;
  return `${valueText(row.sum ?? 0)}${unit} in all, ${valueText(row.min ?? 0)} to ${valueText(row.max ?? 0)}${unit} per interval`;
}

/** Values that were counted, by the end of their interval. */
function valuesByTime(points: readonly CounterPoint[]): (row: CounterRow) => ReadonlyMap<number, number> {
  const keyOf = (of: { readonly event: string; readonly scope: string }) => `${of.event}\0${of.scope}`;
  const byKey = new Map<string, Map<number, number>>();
  for (const point of points) {
    const values = byKey.get(keyOf(point)) ?? new Map<number, number>();
    byKey.set(keyOf(point), values);
    if (point.status === 'counted') values.set(point.time, point.value);
  }
  return (row) => byKey.get(keyOf(row)) ?? new Map();
}

function panel(row: CounterRow, columns: readonly Column[], plot: Plot): string {
  const { left, right, top } = plot;
  const bottom = top + PANEL.name + PANEL.plot;
  const missing = [
    row.notCounted > 0 ? `${row.notCounted} ${row.notCounted === 1 ? 'interval' : 'intervals'} not counted` : '',
    row.runningPercent < 100 ? `ran ${Math.floor(row.runningPercent)} % of the time, scaled` : '',
  ].filter((text) => text !== '');
  const name = chartText('pt-name', PAD, top + 14, fitted(nameOf(row), right - PAD, 7.2));
  if (row.status !== 'counted') return name + chartText('pt-warn', PAD, top + 29, totalText(row));
  const warning =
    missing.length === 0 ? '' : `<tspan class="pt-warn">${xmlText(`  ·  ${missing.join('  ·  ')}`)}</tspan>`;
  const heading = `${name}<text class="pt-soft" x="${PAD}" y="${top + 29}">${xmlText(totalText(row))}${warning}</text>\n`;
  const frame = `<line class="pt-axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>\n`;
  const steps = ticks(
    columns.reduce((most, { value }) => Math.max(most, value ?? 0), 0),
    3,
  );
  const greatest = steps[steps.length - 1];
  const yOf = (value: number) => bottom - (PANEL.plot * Math.max(0, value)) / greatest;
  const xOf = (time: number) => left + ((right - left) * time) / plot.end;
  let text = '';
  for (const step of steps) {
    text += `<line class="pt-grid" x1="${left}" x2="${right}" y1="${fixed(yOf(step))}" y2="${fixed(yOf(step))}"/>`;
    text += chartText('pt-soft pt-end', left - 8, yOf(step) + 4, quantityText(step, ''));
  }
  let hits = '';
  // Runs of counted intervals as steps: a count belongs to its whole interval.
  const runs: string[][] = [];
  let isOpen = false;
  for (const { start, end, value } of columns) {
    const [x1, x2] = [fixed(xOf(start)), fixed(xOf(end))];
    const words = `${timeText(start)} to ${timeText(end)}: ${value === undefined ? 'not counted' : `${valueText(value)} ${row.unit}`.trimEnd()}`;
    hits += `<rect class="pt-hit" x="${x1}" y="${top + PANEL.name}" width="${fixed(xOf(end) - xOf(start))}" height="${PANEL.plot}"><title>${xmlText(words)}</title></rect>`;
    if (value !== undefined) {
      if (!isOpen) runs.push([]);
      runs[runs.length - 1].push(`${x1},${fixed(yOf(value))}`, `${x2},${fixed(yOf(value))}`);
    }
    isOpen = value !== undefined;
  }
  const area = runs
    .map((run) => `M${xAt(run[0])},${bottom}L${run.join('L')}L${xAt(run[run.length - 1])},${bottom}Z`)
    .join('');
  const line = runs.map((run) => `M${run.join('L')}`).join('');
  return `${heading}${text}<path class="pt-area" d="${area}"/><path class="pt-course-line" d="${line}"/>\n${frame}${hits}\n`;
}

function xAt(point: string): string {
  return point.slice(0, point.indexOf(','));
}

interface Column {
  readonly start: number;
  readonly end: number;
  readonly value: number | undefined;
}

function joined(values: ReadonlyMap<number, number>, times: readonly number[], interval: number): Column[] {
  const perColumn = Math.ceil(times.length / MOST_COLUMNS);
  return Array.from({ length: Math.ceil(times.length / Math.max(1, perColumn)) }, (_, i) => {
    const first = i * perColumn;
    const within = times.slice(first, first + perColumn);
    const known = within.map((time) => values.get(time)).filter((value) => value !== undefined);
    return {
      start: times[first - 1] ?? Math.max(0, within[0] - interval),
      end: within[within.length - 1],
      value: known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length,
    };
  });
}

function timeAxis({ left, right, end }: Omit<Plot, 'top'>, y: number): string {
  return timeTicks(0, end, (right - left) / 90)
    .map((time) => {
      const x = left + ((right - left) * time) / Math.max(1, end);
      const isLast = x > right - 20;
      const tick = `<line class="pt-axis" x1="${fixed(x)}" x2="${fixed(x)}" y1="${y}" y2="${y + 4}"/>`;
      return tick + chartText(`pt-soft ${isLast ? 'pt-end' : 'pt-middle'}`, isLast ? right : x, y + 18, timeText(time));
    })
    .join('');
}
