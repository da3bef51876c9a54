// The hosts of one histogram as a table: what each saw, and which of them differs from the fleet.
import { quantileText, quantityText } from './histogram-quantity.js';
import { histogramName, type TextOptions } from './histogram-text.js';
import { withCommas } from './number-text.js';
import type { OutlierReport, OutlierRow } from './outliers.js';
import { printable } from './printable.js';
import { textTable } from './text-table.js';

/** Name of the histogram, a row per host, outliers first and marked, and the measure in words; every line ends in \n. */
export function hostTableText(report: OutlierReport, options: TextOptions): string {
  const { unit } = report.merged;
  const mark = options.ascii === true ? '!' : '▲';
  const paint = (text: string) => (options.colours === '256' ? `\x1b[38;5;208m${text}\x1b[0m` : text);
  const cells = (row: OutlierRow): string[] => [
    row.isOutlier ? mark : '',
    printable(row.host),
    withCommas(row.count),
    row.p50 === undefined ? '-' : quantileText(row.p50, unit, options),
    row.p99 === undefined ? '-' : quantileText(row.p99, unit, options),
    row.histogram.max === undefined ? '-' : quantityText(row.histogram.max, unit, options),
    row.distance === undefined ? '-' : `${(row.shift ?? 0) < 0 ? '-' : '+'}${row.distance.toFixed(2)}`,
    printable(row.why),
  ];
  const table = textTable(
    [
      { heading: '', align: 'left' },
      { heading: 'host', align: 'left' },
      { heading: 'count', align: 'right' },
      { heading: 'p50', align: 'right' },
      { heading: 'p99', align: 'right' },
      { heading: 'max', align: 'right' },
      { heading: 'distance', align: 'right' },
      { heading: '', align: 'left' },
    ],
    report.rows.map(cells),
  );
  const lines = table.trimEnd().split('\n');
  // Outliers come first, right under the headings; colours after alignment, for they have no width.
  const painted = lines.map((line, i) => (i > 0 && report.rows[i - 1]?.isOutlier === true ? paint(line) : line));
  return `${histogramName(report.merged)}\n${painted.join('\n')}\n${wrapped(report.measure, options.width)}`;
}

/** Lines of at most 120 columns, and as many as there are; each ends in \n. */
export function wrapped(text: string, width: number): string {
  const room = Math.max(40, Math.min(width, 120));
  const lines: string[] = [];
  for (const word of printable(text).split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `${line}\n`).join('');
}
