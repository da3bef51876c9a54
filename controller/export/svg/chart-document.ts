// What charts have in common: the document around them, ticks of axes, texts that fit.
import { quantityText } from '../../views/histogram-quantity.js';
import { ExportError } from '../exporter.js';
import { CHART_STYLE } from './chart-style.js';
import { xmlText } from './xml-text.js';

export interface ChartOptions {
  /** Of the whole picture. */
  readonly title?: string;
  /** A second line; '' for none. */
  readonly subtitle?: string;
  /** Pixels, 300 to 10000. Default 960. */
  readonly width?: number;
  /** Part of an HTML page that has CHART_STYLE already: no XML declaration, no style. Default false. */
  readonly isInline?: boolean;
}

export interface Chart {
  readonly width: number;
  readonly height: number;
  /** For people and for screen readers; a sentence. */
  readonly label: string;
  readonly body: string;
}

export const PAD = 16;

/** The document; body texts are escaped already. */
export function chartDocument(chart: Chart, options: ChartOptions): string {
  const { width, height } = chart;
  const title = options.title ?? '';
  const head = options.isInline === true ? '' : '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n';
  const style = options.isInline === true ? '' : `<style>${CHART_STYLE}</style>\n`;
  const name = xmlText(title || chart.label);
  return `${head}<svg xmlns="http://www.w3.org/2000/svg" class="pt-chart" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${name}">
<title>${name}</title><desc>${xmlText(chart.label)}</desc>
${style}<rect class="pt-ground" width="100%" height="100%"/>
${headingText(options)}${chart.body}</svg>
`;
}

/** Height that title and subtitle take. */
export function headingHeight({ title = '', subtitle = '' }: ChartOptions): number {
  return (title === '' ? 0 : 30) + (subtitle === '' ? 0 : 18) + 8;
}

function headingText({ title = '', subtitle = '', width = DEFAULT_WIDTH }: ChartOptions): string {
  const lines = [
    title === '' ? '' : chartText('pt-title', PAD, 28, fitted(title, width - 2 * PAD, 8.5)),
    subtitle === '' ? '' : chartText('pt-soft', PAD, title === '' ? 18 : 46, fitted(subtitle, width - 2 * PAD, 6)),
  ];
  return lines.join('');
}

const DEFAULT_WIDTH = 960;

/** @throws ExportError for a width that makes no picture */
export function chartWidth({ width = DEFAULT_WIDTH }: ChartOptions): number {
  if (width >= 300 && width <= 10_000) return width;
  throw new ExportError(`the width of a chart must be 300 to 10000 pixels, not ${width}`);
}

/** A line of text; escaped here. */
export function chartText(classes: string, x: number, y: number, text: string): string {
  return `<text class="${classes}" x="${fixed(x)}" y="${fixed(y)}">${xmlText(text)}</text>\n`;
}

/** Cut at the end with an ellipsis; `letter`: mean width of a letter in pixels. */
export function fitted(text: string, pixels: number, letter: number): string {
  const room = Math.max(1, Math.floor(pixels / letter));
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}

/** Round numbers from 0 to at least `greatest`: 1, 2 or 5 times a power of ten apart, about `count` of them. */
export function ticks(greatest: number, count: number): number[] {
  if (!(greatest > 0)) return [0, 1];
  const rough = greatest / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999) ?? rough;
  return Array.from({ length: Math.ceil((greatest / step) * 0.999999) + 1 }, (_, i) => i * step);
}

const TIME_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400].map((s) => s * 1000),
);

/** Round times in milliseconds from `start` to `end`, at most `count` apart evenly. */
export function timeTicks(start: number, end: number, count: number): number[] {
  const rough = (end - start) / Math.max(1, count);
  const step = TIME_STEPS.find((size) => size >= rough) ?? Math.ceil(rough / 86_400_000) * 86_400_000;
  const first = Math.ceil(start / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((end - first) / step) + 1) }, (_, i) => first + i * step);
}

/** Since the capture began: `0`, `450 ms`, `30 s`, `2 min 30 s`, `1 h 5 min`. */
export function timeText(milliseconds: number): string {
  if (milliseconds < 120_000) return milliseconds === 0 ? '0' : quantityText(milliseconds, 'ms');
  const seconds = Math.round(milliseconds / 1000);
  const [large, small, units] = seconds < 3600 ? [60, 1, ['min', 's']] : [3600, 60, ['h', 'min']];
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${units[0]}${rest === 0 ? '' : ` ${rest} ${units[1]}`}`;
}

/** At most two decimals. */
export function fixed(value: number): string {
  return String(Math.round(value * 100) / 100);
}
