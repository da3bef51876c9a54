// Two profiles as one flame graph: as wide as one of them, red where there is more in B, blue where there is less, grey where chance explains it.
import { callTree } from '../../views/call-tree.js';
import { differenceTree, sideOf } from '../../views/difference-tree.js';
import { type DifferenceWords, differenceWords } from '../../views/difference-words.js';
import { withCommas } from '../../views/number-text.js';
import {
  type Compared,
  type ComparedProfile,
  comparing,
  type DifferenceOptions,
  type DifferenceSide,
} from '../../views/profile-difference.js';
import { type FlameDrawing, flameDocument } from './flame-graph-document.js';
import type { FlameGraphOptions } from './flame-graph-options.js';
import { treeOptions } from './flame-graph-svg.js';

export interface DifferenceSvgOptions extends Omit<FlameGraphOptions, 'event' | 'palette' | 'countSamples'> {
  readonly difference: DifferenceOptions;
  /** Whose weights the frames are as wide as. What only the other side has does not show. Default `b`. */
  readonly widthsOf?: 'a' | 'b';
  /** Blue for more, red for less. Default false. */
  readonly isNegated?: boolean;
  /** One line about each side. */
  readonly names: { readonly a: string; readonly b: string };
}

type Rgb = readonly [red: number, green: number, blue: number];

/** The strongest change. Light enough for black letters, also on a dark page. */
const MORE: Rgb = [255, 84, 72];
const LESS: Rgb = [104, 132, 255];
/** What chance explains. */
const SAME: Rgb = [232, 232, 228];
/** The weakest change that it does not explain: still seen to be one. */
const FAINT = 0.18;
const BACKGROUND = ['#ffffff', '#f6f6f6'] as const;

/** @param facts of the two sides, as in the difference that the tables show @throws ExportError for sizes that make no picture */
export function* differenceSvg(
  a: ComparedProfile,
  b: ComparedProfile,
  facts: { readonly a: DifferenceSide; readonly b: DifferenceSide },
  options: DifferenceSvgOptions,
): Generator<string> {
  yield* flameDocument(drawingOf(a, b, facts, options), options);
}

function drawingOf(
  a: ComparedProfile,
  b: ComparedProfile,
  facts: { readonly a: DifferenceSide; readonly b: DifferenceSide },
  options: DifferenceSvgOptions,
): FlameDrawing {
  const { difference, widthsOf = 'b', isNegated = false, names } = options;
  const treeOf = (side: ComparedProfile, event: string) =>
    callTree(side.profile, treeOptions({ ...options, event, countSamples: difference.countSamples === true }));
  const both = differenceTree(treeOf(a, facts.a.event), treeOf(b, facts.b.event));
  const compare = comparing(facts.a, facts.b, difference.normalisation);
  const selfOf = (node: number) => compare(both.a.self[node], both.b.self[node]);
  let greatest = 0;
  for (let node = 0; node < both.length; node++) {
    // What is not drawn does not make pale what is.
    if (both[widthsOf].total[node] === 0) continue;
    const { change, isNoise } = selfOf(node);
    if (!isNoise) greatest = Math.max(greatest, Math.abs(change));
  }
  const words = differenceWords(difference, facts.b.type.unit);
  const [more, less] = isNegated ? [LESS, MORE] : [MORE, LESS];
  const side = widthsOf === 'a' ? facts.a : facts.b;
  const other = widthsOf === 'a' ? 'b' : 'a';
  const absent = both[widthsOf].total.reduce((count, total) => count + (total === 0 ? 1 : 0), 0);
  const legend = [
    { text: '\u25a0 more in B', color: hex(more) },
    { text: '   ' },
    { text: '\u25a0 less in B', color: hex(less) },
    {
      text: `   of the frame's own ${words.normalisation}; grey: chance explains it; strongest: ${words.change(greatest).replace(/^\+/, '±')}`,
    },
  ];
  return {
    tree: sideOf(both, widthsOf, side),
    title: `Differential Flame Graph: ${side.event}`,
    palette: 'hot',
    background: BACKGROUND,
    absent: {
      nodes: absent,
      text: `${withCommas(absent)} ${absent === 1 ? 'frame is' : 'frames are'} in ${other.toUpperCase()} alone: --widths ${other} draws ${absent === 1 ? 'it' : 'them'}`,
    },
    lines: [
      { id: 'subtitle', text: options.subtitle ?? '' },
      { id: 'side-a', text: `A: ${names.a}${widthsOf === 'a' ? ' (widths)' : ''}` },
      { id: 'side-b', text: `B: ${names.b}${widthsOf === 'b' ? ' (widths)' : ''}` },
      { id: 'legend', text: legend.map(({ text }) => text).join(''), pieces: legend },
    ],
    colorOf(node) {
      const self = selfOf(node);
      return self.isNoise ? hex(SAME) : shade(self.change > 0 ? more : less, Math.abs(self.change) / greatest);
    },
    noteOf(node) {
      const total = compare(both.a.total[node], both.b.total[node]);
      const self = selfOf(node);
      return `A ${words.value(total.a)}, B ${words.value(total.b)}; own: ${ownText(self, words)}`;
    },
  };
}

function ownText({ change, isNoise }: Compared, words: DifferenceWords): string {
  if (change === 0) return 'the same';
  return `${words.change(change)}${isNoise ? ', within noise' : ''}`;
}

function shade(hue: Rgb, strength: number): string {
  const part = FAINT + (1 - FAINT) * strength;
  return hex([mixed(hue, 0, part), mixed(hue, 1, part), mixed(hue, 2, part)]);
}

function mixed(hue: Rgb, channel: 0 | 1 | 2, part: number): number {
  return Math.round(SAME[channel] + (hue[channel] - SAME[channel]) * part);
}

function hex(channels: Rgb): string {
  return `#${channels.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}
