// A profile as one SVG flame graph.
import { eventsOf } from '../../../profile/folded.js';
import type { Profile } from '../../../profile/profile.js';
import { type CallTree, type CallTreeOptions, callTree } from '../../views/call-tree.js';
import { lossSummary } from '../../views/loss-text.js';
import { withCommas } from '../../views/number-text.js';
import { ExportError } from '../exporter.js';
import { type FlameDrawing, flameDocument } from './flame-graph-document.js';
import type { FlameGraphOptions } from './flame-graph-options.js';

/** The whole document. @throws ExportError for sizes that make no picture, UnknownEventError for an event the profile has not */
export function flameGraphSvg(profile: Profile, options: FlameGraphOptions = {}): string {
  return [...flameGraphParts(profile, options)].join('');
}

/** The document in parts of some kilobytes, for large graphs. Throws as flameGraphSvg does, at the first part. */
export function* flameGraphParts(profile: Profile, options: FlameGraphOptions = {}): Generator<string> {
  yield* flameDocument(drawingOf(profile, options), options);
}

function drawingOf(profile: Profile, options: FlameGraphOptions): FlameDrawing {
  const event = options.event ?? eventsOf(profile)[0] ?? '';
  const tree = callTree(profile, treeOptions(options));
  const subtitle = [options.subtitle ?? '', tree.total[0] === 0 ? 'Nothing was counted' : '']
    .filter(Boolean)
    .join(': ');
  return {
    tree,
    lines: [
      { id: 'subtitle', text: subtitle },
      { id: 'losses', text: lossesLine(profile, tree) },
    ],
    title: titleOf(tree.event, options.inverted === true),
    // Memory has its own colour, as readers of classic flame graphs expect.
    palette: Object.hasOwn(FAULTS, bareEvent(event)) ? 'mem' : 'hot',
  };
}

/** What of a profile the options would have drawn. @throws ExportError */
export function treeOptions(options: FlameGraphOptions): CallTreeOptions {
  const { maxDepth = 1000 } = options;
  if (!(maxDepth >= 1 && maxDepth <= 100_000)) {
    throw new ExportError(`the greatest depth of a flame graph must be 1 to 100000, not ${maxDepth}`);
  }
  return {
    ...(options.event === undefined ? {} : { event: options.event }),
    countSamples: options.countSamples === true,
    rootLabel: options.byProcess === false ? '' : 'comm',
    inverted: options.reversed === true,
    maxDepth,
  };
}

const FAULTS: Record<string, string> = {
  'page-faults': 'Page Fault',
  faults: 'Page Fault',
  'minor-faults': 'Minor Page Fault',
  'major-faults': 'Major Page Fault',
};

/** `page-faults:u` is counted like `page-faults`. */
function bareEvent(event: string): string {
  return event.replace(/:[a-zA-Z]*$/, '');
}

function titleOf(event: string, isInverted: boolean): string {
  const graph = isInverted ? 'Icicle Graph' : 'Flame Graph';
  const fault = FAULTS[bareEvent(event)];
  if (fault !== undefined) return `${fault} ${graph}`;
  return [graph, event].filter(Boolean).join(': ');
}

function lossesLine(profile: Profile, tree: CallTree): string {
  const cut = tree.cutStacks === 0 ? '' : `${withCommas(tree.cutStacks)} paths cut at the greatest depth`;
  return [lossSummary(profile.losses), cut].filter(Boolean).join(', ');
}
