// Histograms for a terminal: bars with shares and percentiles, a table with one row per key, one line for a live view.
import { countOf, type Histogram } from '../../profile/histogram.js';
import { meanOf, PERCENTS, quantile, quantiles } from '../../profile/histogram-percentiles.js';
import { type AxisRow, axisOf, countsOn } from './histogram-axis.js';
import { boundedQuantileText, quantileText, quantityText } from './histogram-quantity.js';
import { percentText, withCommas } from './number-text.js';
import { printable } from './printable.js';
import { textTable, textWidth } from './text-table.js';

export interface TextOptions {
  /** Columns of the terminal; Infinity where there is none, then 100. Texts are never cut below what they need. */
  readonly width: number;
  /** No character outside of ASCII but those of names. Default false. */
  readonly ascii?: boolean;
  /** `256`: the colours of xterm-256color. Default `none`. */
  readonly colours?: '256' | 'none';
}

/** Rows that a terminal shows without scrolling for long; more buckets are joined, and the heading says so. */
const MOST_ROWS = 64;

/** Title, facts, bars and percentiles; every line ends in \n. Empty ranges of two rows and more are one line with a `~`. */
export function histogramBarsText(histogram: Histogram, options: TextOptions): string {
  const count = countOf(histogram);
  const heading = `${histogramName(histogram)}\n  ${factsText(histogram, options)}\n`;
  if (count === 0) return heading;
  const axis = axisOf([histogram], MOST_ROWS);
  const counts = countsOn(axis, histogram);
  const most = counts.reduce((greatest, value) => Math.max(greatest, value), 0);
  const lines: BarLine[] = [];
  let sum = 0;
  for (const [i, row] of axis.rows.entries()) {
    sum += counts[i];
    const isElided = counts[i] === 0 && (counts[i - 1] === 0 || counts[i + 1] === 0);
    if (!isElided) {
      const shares = [shareText(counts[i], count), percentText(Math.floor((1000 * sum) / count), 1000, 1)];
      lines.push({
        bounds: boundTexts(row, histogram.unit, options),
        bar: counts[i] / most,
        numbers: [withCommas(counts[i]), ...shares],
      });
    } else if (lines.at(-1)?.bounds[1] !== '~') {
      lines.push({ bounds: ['', '~'], bar: 0, numbers: ['', '', ''] });
    }
  }
  const joined = axis.bucketsPerRow === 1 ? '' : `  ${axis.bucketsPerRow} buckets in a row\n`;
  return `${heading}${joined}${indented(barTable(lines, options))}${percentileLines(histogram, options)}`;
}

interface BarLine {
  readonly bounds: readonly [from: string, to: string];
  /** 0 to 1. */
  readonly bar: number;
  readonly numbers: readonly string[];
}

const BAR_HEADINGS = ['from', 'to below', '', 'count', 'share', 'so far'];

/** The bars take what the other columns leave. */
function barTable(lines: readonly BarLine[], options: TextOptions): string {
  const rowOf = (line: BarLine, bar: string) => [...line.bounds, bar, ...line.numbers];
  const widths = BAR_HEADINGS.map((heading, i) =>
    lines.reduce((width, line) => Math.max(width, textWidth(rowOf(line, '')[i])), heading.length),
  );
  const others = widths.reduce((total, width) => total + width + 2, 0);
  const room = Math.max(10, Math.min(Number.isFinite(options.width) ? options.width : 100, 160) - others);
  const columns = BAR_HEADINGS.map((heading) => ({ heading, align: heading === '' ? 'left' : 'right' }) as const);
  return textTable(
    columns,
    lines.map((line) => rowOf(line, barText(line.bar, room, options.ascii === true).padEnd(room))),
  );
}

export interface HistogramTableOptions extends TextOptions {
  /** Further first columns, such as the host: heading and one text per histogram. */
  readonly first?: { readonly heading: string; readonly texts: readonly string[] };
}

/** By key: one row per histogram with its labels, count, mean, percentiles and greatest value. What is the same everywhere is left out. */
export function histogramTableText(histograms: readonly Histogram[], options: HistogramTableOptions): string {
  const titles = new Set(histograms.map(({ title }) => title));
  const keys = [...new Set(histograms.flatMap(({ labels }) => labels.map(({ key }) => key)))];
  const first = options.first;
  const texts = [
    ...(first === undefined
      ? []
      : [{ heading: first.heading, text: (_: Histogram, i: number) => first.texts[i] ?? '' }]),
    ...(titles.size > 1 ? [{ heading: 'title', text: ({ title }: Histogram) => title }] : []),
    ...keys.map((key) => ({
      heading: key,
      text: ({ labels }: Histogram) => labels.find((label) => label.key === key)?.value ?? '-',
    })),
  ];
  const percents = PERCENTS.map((percent) => ({
    heading: `p${percent}`,
    text: (histogram: Histogram) => {
      const found = quantile(histogram, percent);
      return found === undefined ? '-' : quantileText(found, histogram.unit, options);
    },
  }));
  const known = (value: number | undefined, unit: string) =>
    value === undefined ? '-' : quantityText(value, unit, options);
  const numbers = [
    { heading: 'count', text: (histogram: Histogram) => withCommas(countOf(histogram)) },
    { heading: 'mean', text: (histogram: Histogram) => known(meanOf(histogram), histogram.unit) },
    ...percents,
    { heading: 'max', text: (histogram: Histogram) => known(histogram.max, histogram.unit) },
  ];
  return textTable(
    [
      ...texts.map(({ heading }) => ({ heading: printable(heading), align: 'left' as const })),
      ...numbers.map(({ heading }) => ({ heading, align: 'right' as const })),
    ],
    histograms.map((histogram, i) => [
      ...texts.map(({ text }) => printable(text(histogram, i))),
      ...numbers.map(({ text }) => text(histogram)),
    ]),
  );
}

/** For live views: `page fault latency fault_type=MINOR  n 1,234  p50 1.2 µs  p99 14 µs`. */
export function histogramLine(histogram: Histogram, options: { readonly ascii?: boolean } = {}): string {
  const shown = quantiles(histogram, [50, 99]).map((q) => `p${q.percent} ${quantileText(q, histogram.unit, options)}`);
  return [histogramName(histogram), `n ${withCommas(countOf(histogram))}`, ...shown].join('  ');
}

/** `page fault latency fault_type=MINOR`; harmless on a terminal. */
export function histogramName({ title, labels }: Pick<Histogram, 'title' | 'labels'>): string {
  const words = labels.map(({ key, value }) => (key === '' ? value : `${key}=${value}`));
  return printable([title, ...words].filter((word) => word !== '').join(' ')) || 'histogram';
}

/** Lower and upper bound of a row; '' where it is open. */
export function boundTexts(
  row: AxisRow,
  unit: string,
  options: { readonly ascii?: boolean } = {},
): [from: string, to: string] {
  const text = (bound: number) => (Number.isFinite(bound) ? quantityText(bound, unit, options) : '');
  return [text(row.from), text(row.to)];
}

/** A bar of `share` (0 to 1) of `width` cells in eighths; anything above 0 shows. */
export function barText(share: number, width: number, isAscii: boolean): string {
  if (!(share > 0)) return '';
  if (isAscii) return share * width < 1 ? '.' : '@'.repeat(Math.round(share * width));
  const eighths = Math.max(1, Math.round(share * width * 8));
  return `${'█'.repeat(Math.floor(eighths / 8))}${['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]}`;
}

/** What is there is not shown as nothing. */
function shareText(part: number, total: number): string {
  return part > 0 && part / total < 0.0005 ? '<0.1%' : percentText(part, total, 1);
}

function factsText(histogram: Histogram, options: TextOptions): string {
  const { unit, min, max, sum } = histogram;
  const count = countOf(histogram);
  const facts = [
    `${withCommas(count)} ${count === 1 ? 'value' : 'values'}`,
    ...[
      ['mean', meanOf(histogram)] as const,
      ['min', min] as const,
      ['max', max] as const,
      ['sum', sum] as const,
    ].flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${quantityText(value, unit, options)}`])),
  ];
  return facts.join(options.ascii === true ? ', ' : ' · ');
}

/** As many to a line as fit. */
function percentileLines(histogram: Histogram, options: TextOptions): string {
  const lines: string[] = [];
  for (const found of quantiles(histogram)) {
    const text = `p${found.percent} ${boundedQuantileText(found, histogram.unit, options)}`;
    const before = lines.at(-1);
    const joined = `${before}   ${text}`;
    if (before !== undefined && textWidth(joined) + 2 <= Math.min(options.width, 160)) lines[lines.length - 1] = joined;
    else lines.push(text);
  }
  return indented(lines.map((line) => `${line}\n`).join(''));
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
