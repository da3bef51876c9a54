// Two histograms side by side for a terminal: shares per bucket, percentiles, and how far the values moved.
import type { HistogramDifference, HistogramSetDifference } from '../../profile/histogram-difference.js';
import { quantileText } from './histogram-quantity.js';
import { barText, boundTexts, histogramName, type TextOptions } from './histogram-text.js';
import { withCommas } from './number-text.js';
import { printable } from './printable.js';
import { textTable } from './text-table.js';

/** All pairs, then what has no partner and what could not be compared; every line ends in \n. */
export function differencesText(set: HistogramSetDifference, options: TextOptions): string {
  const rest = [
    ...set.onlyBefore.map((histogram) => `only before: ${histogramName(histogram)}`),
    ...set.onlyAfter.map((histogram) => `only after: ${histogramName(histogram)}`),
    ...set.refused.map((pair) => `not compared: ${histogramName(pair)}: ${printable(pair.reason)}`),
  ];
  const blocks = set.pairs.map((pair) => differenceText(pair, options));
  if (rest.length > 0) blocks.push(rest.map((line) => `${line}\n`).join(''));
  return blocks.join('\n');
}

/** One pair; every line ends in \n. */
export function differenceText(difference: HistogramDifference, options: TextOptions): string {
  const { unit, rows, before, after } = difference;
  const most = rows.reduce((greatest, row) => Math.max(greatest, row.beforeShare, row.afterShare), 0);
  const width = Math.max(
    8,
    Math.min(24, Math.floor(((Number.isFinite(options.width) ? options.width : 100) - 66) / 2)),
  );
  const bar = (share: number) => barText(share / most, width, options.ascii === true).padEnd(width);
  const table = textTable(
    [
      { heading: 'from', align: 'right' },
      { heading: 'to below', align: 'right' },
      { heading: 'before', align: 'right' },
      { heading: '', align: 'left' },
      { heading: 'after', align: 'right' },
      { heading: '', align: 'left' },
      { heading: 'change', align: 'right' },
      { heading: 'in values', align: 'right' },
    ],
    rows.map((row) => [
      ...boundTexts(row, unit, options),
      points(row.beforeShare),
      bar(row.beforeShare),
      points(row.afterShare),
      bar(row.afterShare),
      signed(100 * row.shareChange, (value) => `${value.toFixed(1)} pp`),
      signed(row.change, withCommas),
    ]),
  );
  const percentiles = before.quantiles.map((quantile, i) => {
    const [from, to] = [quantile, after.quantiles[i]].map((found) => quantileText(found, unit, options));
    return `p${quantile.percent} ${from} -> ${to}`;
  });
  const facts = `${withCommas(before.count)} values before, ${withCommas(after.count)} after`;
  const lines = [shiftText(difference), percentiles.join('   ')];
  return `${histogramName(difference)}\n  ${facts}\n${`${table}${lines.map((line) => `${line}\n`).join('')}`.replace(/^(?=.)/gm, '  ')}`;
}

/** `moved up by 1.02 doublings in the mean (earth mover's distance 1.05, …)`. */
export function shiftText({ distance, scale, unit, isOpen }: HistogramDifference): string {
  const { steps, shift, greatest } = distance;
  const stepName = scale.kind === 'log2' ? 'doublings' : `steps of ${scale.step} ${printable(unit)}`.trimEnd();
  const direction =
    steps < 0.005 ? 'did not move' : shift > 0 ? 'moved up' : shift < 0 ? 'moved down' : 'moved both ways';
  const least = isOpen ? ' at least' : '';
  const amount =
    steps < 0.005 || shift === 0 ? '' : `${least} by ${Math.abs(shift).toFixed(2)} ${stepName} in the mean`;
  return `${direction}${amount} (earth mover's distance${least} ${steps.toFixed(2)} ${stepName}; greatest difference of cumulative shares ${(100 * greatest).toFixed(1)} pp)`;
}

function points(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

function signed(value: number, text: (value: number) => string): string {
  return `${value < 0 ? '-' : '+'}${text(Math.abs(value))}`;
}
