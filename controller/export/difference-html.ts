// A comparison of two profiles as one HTML page: the sides, what changed, and the differential flame graph in both frames of reference.
import { differenceWords } from '../views/difference-words.js';
import type { Compared, ComparedProfile, DifferenceOptions, ProfileDifference } from '../views/profile-difference.js';
import { CHANCE } from '../views/sampling-noise.js';
import type { ExportParts } from './exporter.js';
import { htmlPage } from './html-page.js';
import { type Html, html, htmlTable } from './html-text.js';
import type { ReportSection } from './report.js';
import { flameGraphSection } from './report-charts.js';
import { type DifferenceSvgOptions, differenceSvg } from './svg/difference-svg.js';

export interface DifferenceHtmlOptions {
  readonly difference: DifferenceOptions;
  /** Default: what is compared with what. */
  readonly title?: string;
  /** One line about each side. */
  readonly names: { readonly a: string; readonly b: string };
  /** What a reader must know first. */
  readonly notes: readonly string[];
  /** Functions in the table. */
  readonly top: number;
  readonly isNegated?: boolean;
  /** Program and version. */
  readonly generator: string;
}

/** Pixels: inside a page a flame graph cannot follow the window. */
const FLAME_GRAPH_WIDTH = 1180;

/** @param facts the difference of a and b */
export function* differenceHtml(
  a: ComparedProfile,
  b: ComparedProfile,
  facts: ProfileDifference,
  options: DifferenceHtmlOptions,
): ExportParts {
  const svgOf = (widthsOf: 'a' | 'b'): string => {
    const { difference, names, isNegated = false } = options;
    const how: DifferenceSvgOptions = { difference, names, isNegated, widthsOf, width: FLAME_GRAPH_WIDTH };
    return [...differenceSvg(a, b, facts, how)].join('');
  };
  yield* htmlPage({
    title: options.title ?? `What changed: ${facts.b.event}`,
    subtitle: `${options.names.a} (A) against ${options.names.b} (B)`,
    generator: options.generator,
    beforeLinks: html`${options.notes.map((note) => html`<p class="note" role="note">${note}</p>\n`)}`,
    afterLinks: html``,
    sections: [
      functionsSection(facts, options),
      flameGraphSection('As wide as in B', svgOf('b'), 1),
      flameGraphSection('As wide as in A: what is gone shows', svgOf('a'), 2),
    ],
  });
}

function functionsSection(facts: ProfileDifference, { difference, top }: DifferenceHtmlOptions): ReportSection {
  const { sortBy = 'self' } = difference;
  const words = differenceWords(difference, facts.b.type.unit);
  const cells = ({ a, b, change, ratio, deviations, isNoise }: Compared): string[] => [
    ...[words.value(a), words.value(b), words.change(change), ratio === undefined ? 'new' : ratio.toPrecision(3)],
    ...[deviations.toFixed(1), isNoise ? 'chance explains it' : ''],
  ];
  const shown = facts.functions.filter((row) => row[sortBy].a > 0 || row[sortBy].b > 0);
  const rows: (readonly (string | Html)[])[] = [
    ...(difference.normalisation === 'time' ? [[...cells(facts.all), 'all functions', '']] : []),
    ...shown.slice(0, top).map((row) => [...cells(row[sortBy]), row.name, row.mapping]),
  ];
  const number = (heading: string) => ({ heading, isNumber: true });
  const columns = [
    ...[number(`${sortBy} A`), number(`${sortBy} B`), number('change'), number('ratio'), number('standard errors')],
    ...[{ heading: '' }, { heading: 'function' }, { heading: 'object' }],
  ];
  const rest = shown.length - top;
  return {
    id: 'r-functions',
    title: 'Functions',
    body: html`<p class="soft">Figures are of each side's ${words.normalisation}. Chance: fewer than ${CHANCE} standard errors of sampling; two runs of the same may differ by more.</p>
${htmlTable(columns, rows)}${rest > 0 ? html`<p class="soft">… and ${rest} more functions</p>\n` : html``}`,
  };
}
