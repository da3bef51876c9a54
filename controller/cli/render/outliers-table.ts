// Hosts whose profile differs from the fleet's, the functions that make them so, and a picture of who has what, for the terminal.
import { shadesFor } from '../../views/heat-map-text.js';
import type { TextOptions } from '../../views/histogram-text.js';
import { percentText, withCommas } from '../../views/number-text.js';
import { printable } from '../../views/printable.js';
import type { FunctionOutlier, ProfileOutlierReport } from '../../views/profile-outliers.js';
import { textWidth } from '../../views/text-table.js';
import { fitTable, shorten } from './fit-table.js';

/** A row per host, those that differ first and marked; of the others as many as `top` leaves. */
export function hostLines({ rows }: ProfileOutlierReport, top: number, options: TextOptions): string[] {
  const right = { align: 'right' as const };
  const mark = options.ascii === true ? '!' : '▲';
  const shown = rows.slice(0, Math.max(top, rows.filter((row) => row.isOutlier).length));
  const lines = fitTable(
    [
      { heading: '' },
      { heading: 'HOST' },
      { heading: 'SAMPLES', ...right },
      { heading: 'DISTANCE', ...right },
      { heading: '', isFlexible: true },
    ],
    shown.map(({ host, samples, distance, isOutlier, why }) => [
      isOutlier ? mark : '',
      host,
      withCommas(samples),
      distance === undefined ? '-' : distance.toFixed(2),
      why,
    ]),
    options.width,
  );
  const paint = (text: string) => (options.colours === '256' ? `\x1b[38;5;208m${text}\x1b[0m` : text);
  const painted = lines.map((line, i) => (i > 0 && shown[i - 1].isOutlier ? paint(line) : line));
  const rest = rows.length - shown.length;
  return rest > 0 ? [...painted, `… and ${withCommas(rest)} more hosts; --top ${rows.length} shows them all`] : painted;
}

export function functionLines(functions: readonly FunctionOutlier[], top: number, width: number): string[] {
  const right = { align: 'right' as const };
  const points = (share: number) => (100 * share).toFixed(2);
  const lines = fitTable(
    [
      { heading: 'HOST' },
      { heading: 'SHARE', ...right },
      { heading: 'MEDIAN', ...right },
      { heading: 'SPREAD', ...right },
      { heading: 'CHANGE', ...right },
      { heading: 'FUNCTION', isFlexible: true },
      { heading: 'OBJECT' },
    ],
    functions
      .slice(0, top)
      .map(({ host, share, median, spread, change, name, mapping }) => [
        host,
        percentText(share, 1),
        percentText(median, 1),
        `${points(spread)} pp`,
        `${change < 0 ? '-' : '+'}${points(Math.abs(change))} pp`,
        name,
        mapping.slice(mapping.lastIndexOf('/') + 1),
      ]),
    width,
  );
  const rest = functions.length - top;
  return rest > 0 ? [...lines, `… and ${withCommas(rest)} more; --top ${functions.length} shows them all`] : lines;
}

/** Columns of hosts where there is no terminal, and the widest a name of a function may be. */
const MOST_COLUMNS = 100;
const NAME_WIDTH = 40;

/** A row per function, a cell per host in the order of the table, shaded by its share of the row's largest. */
export function shareMapLines(report: ProfileOutlierReport, top: number, options: TextOptions): string[] {
  const functions = report.shares.slice(0, top);
  const names = functions.map(({ name }) => shorten(printable(name), NAME_WIDTH));
  const nameWidth = names.reduce((width, name) => Math.max(width, textWidth(name)), 'FUNCTION'.length);
  const judged = report.rows.filter(({ distance }) => distance !== undefined).map(({ host }) => host);
  const room = (Number.isFinite(options.width) ? options.width : MOST_COLUMNS) - nameWidth - 'LARGEST'.length - 6;
  const hosts = judged.slice(0, Math.max(8, Math.floor(room / 2)));
  const shades = shadesFor(options, 2);
  const levels = shades.cells.length - 1;
  const lines = functions.map((row, i) => {
    const shareOf = new Map(row.hosts.map(({ host, share }) => [host, share]));
    const largest = row.hosts.reduce((most, { share }) => Math.max(most, share), 0);
    const cells = hosts.map((host) => shades.cells[Math.ceil(((shareOf.get(host) ?? 0) / largest) * levels)]);
    const fill = ' '.repeat(nameWidth - textWidth(names[i]));
    return `${names[i]}${fill}  ${percentText(largest, 1, 1).padStart('LARGEST'.length)}  ${cells.join('').trimEnd()}`;
  });
  const numbers = hosts.map((_, i) => String((i + 1) % 100).padStart(2)).join('');
  const legend = shades.legend.map((shade, i) => (i === 0 ? '' : `${shade} ${Math.round((100 * i) / levels)}%`));
  const rest = judged.length - hosts.length;
  return [
    `${'FUNCTION'.padEnd(nameWidth)}  LARGEST  ${numbers}`,
    ...lines,
    `up to so much of the largest share: ${legend.filter(Boolean).join('  ')}`,
    `hosts: ${hosts.map((host, i) => `${i + 1} ${printable(host)}`).join(', ')}${rest > 0 ? `, and ${withCommas(rest)} more that are not drawn` : ''}`,
  ];
}
