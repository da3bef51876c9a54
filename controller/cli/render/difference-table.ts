// A comparison of two profiles in the terminal: what the sides are, what changed, and what of it chance explains.

import { type DifferenceWords, differenceWords } from '../../views/difference-words.js';
import { withCommas } from '../../views/number-text.js';
import type { Compared, DifferenceOptions, DifferenceSide, ProfileDifference } from '../../views/profile-difference.js';
import { CHANCE } from '../../views/sampling-noise.js';
import type { DifferenceSource } from '../difference-source.js';
import { fitTable } from './fit-table.js';
import { durationText, momentText } from './time-text.js';
import { eventLine } from './top-table.js';

/** `A  1nf0c2  2026-11-27 10:00:05  page-faults: 12,345, in 1,234 samples; 2 hosts, 60.0 s`. */
export function sideLines(a: DifferenceSource, b: DifferenceSource, difference: ProfileDifference): string[] {
  return fitTable(
    [
      { heading: '' },
      { heading: 'JOB' },
      { heading: 'CREATED (UTC)' },
      { heading: 'COUNTED' },
      { heading: 'HOSTS', align: 'right' },
      { heading: 'RECORDED', align: 'right' },
    ],
    [
      ['A', a.name, momentText(a.job.created), countedText(difference.a), withCommas(a.hosts.length), recordedText(a)],
      ['B', b.name, momentText(b.job.created), countedText(difference.b), withCommas(b.hosts.length), recordedText(b)],
    ],
    Number.POSITIVE_INFINITY,
  );
}

/** One line about a side, for the legend of a picture. */
export function sideText(source: DifferenceSource, side: DifferenceSide): string {
  const hosts = `${withCommas(source.hosts.length)} ${source.hosts.length === 1 ? 'host' : 'hosts'}`;
  return `${source.name}, ${momentText(source.job.created)}, ${countedText(side)}, ${hosts}, ${recordedText(source)}`;
}

export function differenceTable(
  difference: ProfileDifference,
  options: DifferenceOptions,
  top: number,
  width: number,
): string[] {
  const { sortBy = 'self' } = options;
  const right = { align: 'right' as const };
  const words = differenceWords(options, difference.b.type.unit);
  return fitTable(
    [
      { heading: `${sortBy.toUpperCase()} A`, ...right },
      { heading: `${sortBy.toUpperCase()} B`, ...right },
      { heading: 'CHANGE', ...right },
      { heading: 'RATIO', ...right },
      { heading: 'ERRORS', ...right },
      { heading: '' },
      { heading: 'FUNCTION', isFlexible: true },
      { heading: 'OBJECT' },
    ],
    shownFunctions(difference, options)
      .slice(0, top)
      .map(({ name, mapping, [sortBy]: compared }) => [
        ...comparedCells(compared, words),
        name,
        mapping.slice(mapping.lastIndexOf('/') + 1),
      ]),
    width,
  );
}

/** Those that have something in the figures shown. */
export function shownFunctions({ functions }: ProfileDifference, { sortBy = 'self' }: DifferenceOptions) {
  return functions.filter(({ [sortBy]: compared }) => compared.a > 0 || compared.b > 0);
}

/** What the columns mean, and of all functions together. */
export function meaningLines(
  { all, normalisation }: ProfileDifference,
  options: DifferenceOptions,
  unit: DifferenceSide['type']['unit'],
): string[] {
  const words = differenceWords(options, unit);
  const [a, b, change, ratio, errors, mark] = comparedCells(all, words);
  const together =
    normalisation === 'time'
      ? [
          `all functions: A ${a}, B ${b}, ${change}, ratio ${ratio}, ${errors} standard errors${mark === '' ? '' : ', within noise'}`,
        ]
      : [];
  return [
    ...together,
    `figures are of ${normalisation === 'shares' ? "each side's own total (--normalise time: per second and host)" : words.normalisation}`,
    `ERRORS are standard errors of sampling; ~ marks what chance explains (fewer than ${CHANCE}). Two runs of the same may differ by more.`,
  ];
}

function comparedCells({ a, b, change, ratio, deviations, isNoise }: Compared, words: DifferenceWords): string[] {
  return [
    words.value(a),
    words.value(b),
    words.change(change),
    ratioText(ratio, b),
    deviations.toFixed(1),
    isNoise ? '~' : '',
  ];
}

function ratioText(ratio: number | undefined, b: number): string {
  if (ratio === undefined) return b === 0 ? '-' : 'new';
  if (ratio === 0) return 'gone';
  return ratio >= 1000 ? withCommas(ratio) : `${ratio.toPrecision(3)}`;
}

function countedText({ event, type, weight, samples }: DifferenceSide): string {
  return eventLine(event, weight, type.unit, samples);
}

function recordedText({ recorded, hosts }: DifferenceSource): string {
  if (recorded === 0) return 'time unknown';
  return `${durationText(recorded)}${hosts.length > 1 ? ' together' : ''}`;
}
