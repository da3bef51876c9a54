// A heat map for a terminal: high values at the top, time to the right, shades by the logarithm of the count.
import { type HeatMap, leastOfShade, shadeOf } from './heat-map.js';
import { quantityText } from './histogram-quantity.js';
import { histogramName, type TextOptions } from './histogram-text.js';
import { withCommas } from './number-text.js';
import { textWidth } from './text-table.js';

/** From nothing to the most; cells of a width, and one of each for a legend. */
export interface Shades {
  readonly cells: readonly string[];
  readonly legend: readonly string[];
}

/** Title, grid, time axis and legend; every line ends in \n. Runs of empty rows are one line with a `~`. */
export function heatMapText(map: HeatMap, options: TextOptions): string {
  const isAscii = options.ascii === true;
  const separator = isAscii ? ', ' : ' · ';
  const facts = [`${withCommas(map.total)} values`];
  if (map.bucketsPerRow > 1) facts.push(`${map.bucketsPerRow} buckets in a row`);
  if (map.rows.length === 0 || map.columns.length === 0) return `${histogramName(map)}\n  ${facts.join(separator)}\n`;
  const labels = map.rows.map((row) =>
    Number.isFinite(row.from)
      ? `${Number.isFinite(row.to) ? '' : isAscii ? '>=' : '≥ '}${quantityText(row.from, map.unit, options)}`
      : `< ${quantityText(row.to, map.unit, options)}`,
  );
  const labelWidth = labels.reduce((width, label) => Math.max(width, textWidth(label)), 0);
  const width = Number.isFinite(options.width) ? options.width : 100;
  const room = Math.max(8, width - labelWidth - 6);
  const joined = Math.ceil(map.columns.length / room);
  const columns = Math.ceil(map.columns.length / joined);
  const cellWidth = Math.max(1, Math.min(6, Math.floor(room / columns)));
  facts.push(columnsText(map, joined, columns));
  const head = `${histogramName(map)}\n  ${facts.join(separator)}\n`;
  const grid = joinedCounts(map, joined, columns);
  const most = grid.reduce((greatest, row) => row.reduce((a, b) => Math.max(a, b), greatest), 0);
  const shades = shadesFor(options, cellWidth);
  const lines: string[] = [];
  for (let row = map.rows.length - 1; row >= 0; row--) {
    const isEmpty = (at: number) => grid[at]?.every((count) => count === 0) === true;
    if (isEmpty(row) && (isEmpty(row - 1) || isEmpty(row + 1))) {
      if (lines.at(-1)?.endsWith('~') !== true) lines.push(`${' '.repeat(labelWidth)} ~`);
      continue;
    }
    const cells = grid[row].map((count) => shades.cells[shadeOf(count, most, shades.cells.length - 1)]).join('');
    lines.push(
      `${' '.repeat(labelWidth - textWidth(labels[row]))}${labels[row]} ${isAscii ? '|' : '┤'}${cells.trimEnd()}`,
    );
  }
  const axis = timeAxis(map, columns * cellWidth);
  const line = isAscii ? `+${'-'.repeat(columns * cellWidth)}` : `└${'─'.repeat(columns * cellWidth)}`;
  const pad = ' '.repeat(labelWidth + 1);
  const legend = `values in a cell: ${legendText(shades, most)}`;
  return `${head}${lines.map((text) => `  ${text}\n`).join('')}  ${pad}${line}\n  ${pad} ${axis}\n  ${legend}\n`;
}

function columnsText({ interval, intervalsPerColumn }: HeatMap, joined: number, columns: number): string {
  const count = `${withCommas(columns)} ${columns === 1 ? 'column' : 'columns'}`;
  if (interval > 0) return `${count} of ${quantityText(interval * intervalsPerColumn * joined, 'ms')}`;
  return joined * intervalsPerColumn > 1 ? `${count} of ${joined * intervalsPerColumn} times each` : count;
}

function joinedCounts(map: HeatMap, joined: number, columns: number): number[][] {
  return map.rows.map((_, row) => {
    const counts = new Array<number>(columns).fill(0);
    for (let column = 0; column < map.columns.length; column++) {
      counts[Math.floor(column / joined)] += map.counts[row * map.columns.length + column];
    }
    return counts;
  });
}

/** From dark to bright; each differs from its neighbours in brightness too, for those who see no hues. */
const XTERM_COLOURS = [53, 89, 125, 161, 197, 203, 209, 215, 221, 228, 231];
const BLOCKS = [' ', '·', '░', '▒', '▓', '█'];
const LETTERS = [' ', '.', ':', '+', '*', '#', '@'];

export function shadesFor(options: TextOptions, width: number): Shades {
  if (options.colours === '256') {
    const paint = (colour: number) => `\x1b[48;5;${colour}m${' '.repeat(width)}\x1b[0m`;
    const cells = [' '.repeat(width), ...XTERM_COLOURS.map(paint)];
    return { cells, legend: ['', ...XTERM_COLOURS.map((colour) => `\x1b[48;5;${colour}m  \x1b[0m`)] };
  }
  const letters = options.ascii === true ? LETTERS : BLOCKS;
  return { cells: letters.map((letter) => letter.repeat(width)), legend: letters };
}

/** Shades that occur with the least count of each; of many, every second one. */
function legendText({ legend }: Shades, most: number): string {
  const levels = legend.length - 1;
  const parts: string[] = [];
  let before = 0;
  for (let shade = 1; shade <= levels; shade++) {
    const least = leastOfShade(shade, most, levels);
    const isReached = least <= most && least > before && shadeOf(least, most, levels) === shade;
    if (!isReached) continue;
    before = least;
    parts.push(`${legend[shade]} ${withCommas(least)}`);
  }
  return levels > 8 ? parts.filter((_, i) => i % 2 === 0 || i === parts.length - 1).join('  ') : parts.join('  ');
}

function timeAxis({ columns }: HeatMap, width: number): string {
  const [first, last] = [columns[0].start, columns[columns.length - 1].end].map((time) =>
    time === 0 ? '0 s' : quantityText(time, 'ms'),
  );
  return `${first}${' '.repeat(Math.max(1, width - first.length - last.length))}${last}`;
}
