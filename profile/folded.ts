// Folded stacks: one line per distinct stack, `comm;outermost;…;innermost weight`, in the order of their bytes.
//
// Names are put into a tree of their own first, where equal paths meet whatever addresses they came from. Walking that tree with the
// children of each node in order gives the lines sorted without ever comparing two whole stacks.
import { foldedFrames, unnamedFrame } from './folded-frame.js';
import { FoldedTree } from './folded-tree.js';
import type { LabelSet, Profile } from './profile.js';
import { isTracepoint, samplesOf, weightOf } from './sample-type.js';

export interface FoldOptions {
  /** As recorded; the first event of the profile by default. */
  readonly event?: string;
  /** `comm-PID` in place of `comm`; needs a profile split by pid or tid. */
  readonly withPid?: boolean;
  /** `comm-PID/TID`; needs a profile split by tid. */
  readonly withTid?: boolean;
  /** Count samples, not what they stand for. */
  readonly countSamples?: boolean;
  /** Mark kernel frames with `_[k]`. */
  readonly marksKernel?: boolean;
  /** Mark frames of generated code with `_[j]`. */
  readonly marksJit?: boolean;
  /** Show frames without a name as `[object <address>]`; says what to print for a location's address. */
  readonly addressOf?: (location: number) => string;
}

export interface FoldedStack {
  /** Frames outermost first, joined by `;`, the process first of all. */
  readonly stack: string;
  /** Periods of the samples; for tracepoints the number of samples, as `perf script` shows no period of theirs. */
  readonly weight: number;
}

/** Names of the events of a profile, in its order. */
export function eventsOf(profile: Profile): string[] {
  const types = profile.sampleTypes.map((sampleType) => sampleType.type);
  return types.filter((type, i) => i % 2 === 1 && types[i - 1] === samplesOf(type).type);
}

/** Sorted by stack, each stack once. Empty for an event that the profile does not have. */
export function* foldedStacks(profile: Profile, options: FoldOptions = {}): Generator<FoldedStack> {
  const tree = foldedTree(profile, options);
  if (tree !== undefined) yield* tree.sortedStacks();
}

/** The tree behind `foldedStacks`, for writers that make lines of their own from it. Undefined for an event that is not there. */
export function foldedTree(profile: Profile, options: FoldOptions = {}): FoldedTree | undefined {
  const event = options.event ?? eventsOf(profile)[0];
  if (event === undefined) return undefined;
  const { samples, stacks, sampleTypes, labelSets } = profile;
  const samplesColumn = sampleTypes.findIndex((sampleType) => sampleType.type === samplesOf(event).type);
  const weightColumn = sampleTypes.findIndex((sampleType) => sampleType.type === weightOf(event).type);
  if (samplesColumn < 0 || weightColumn < 0) return undefined;
  const counts = samples.values[samplesColumn];
  const weights = options.countSamples === true || isTracepoint(event) ? counts : samples.values[weightColumn];

  const tree = new FoldedTree();
  const names = new LocationNames(profile, tree, options);
  const roots = labelSets.map((labels) => rootName(labels, options));
  const rowsByRoot = new Map<string, number[]>();
  for (let row = 0; row < samples.length; row++) {
    if (counts[row] === 0 && weights[row] === 0) continue;
    const root = roots[samples.labels[row]];
    const rows = rowsByRoot.get(root);
    if (rows === undefined) rowsByRoot.set(root, [row]);
    else rows.push(row);
  }
  // A stack row is a path of the tree below each root it was sampled under; remembered for one root at a time.
  const nodeOf = new Int32Array(stacks.length);
  const rootOf = new Int32Array(stacks.length).fill(-1);
  const path: number[] = [];
  let rootNumber = 0;
  for (const [root, rows] of rowsByRoot) {
    const isJava = root.startsWith('java');
    let rootNode = FoldedTree.ROOT;
    for (const part of root.split(';')) rootNode = tree.child(rootNode, tree.name(part));
    for (const row of rows) {
      let stack = samples.stack[row];
      while (stack >= 0 && rootOf[stack] !== rootNumber) {
        path.push(stack);
        stack = stacks.parent[stack];
      }
      let node = stack < 0 ? rootNode : nodeOf[stack];
      for (let next = path.pop(); next !== undefined; next = path.pop()) {
        for (const name of names.of(stacks.location[next], isJava)) node = tree.child(node, name);
        nodeOf[next] = node;
        rootOf[next] = rootNumber;
      }
      tree.add(node, weights[row]);
    }
    rootNumber++;
  }
  return tree;
}

/** The classic script writes blanks of a comm as `_`. */
function rootName(labels: LabelSet, { withPid = false, withTid = false }: FoldOptions): string {
  const labelOf = (key: string): string => labels.find((label) => label.key === key)?.value ?? '?';
  const comm = labels.find((label) => label.key === 'comm')?.value ?? '';
  const process = withTid ? `-${labelOf('pid')}/${labelOf('tid')}` : withPid ? `-${labelOf('pid')}` : '';
  return `${comm}${process}`.replace(/[ \r\n]/g, '_');
}

/** Names of the frames of each location, as rows of the tree's names; outermost first. */
class LocationNames {
  readonly #profile: Profile;
  readonly #tree: FoldedTree;
  readonly #options: FoldOptions;
  readonly #known: (readonly number[] | undefined)[];

  constructor(profile: Profile, tree: FoldedTree, options: FoldOptions) {
    this.#profile = profile;
    this.#tree = tree;
    this.#options = options;
    this.#known = new Array<readonly number[] | undefined>(2 * profile.locations.length);
  }

  of(location: number, isJava: boolean): readonly number[] {
    const index = 2 * location + (isJava ? 1 : 0);
    let names = this.#known[index];
    if (names === undefined) {
      names = this.#read(location, isJava).map((name) => this.#tree.name(name));
      this.#known[index] = names;
    }
    return names;
  }

  #read(location: number, isJava: boolean): string[] {
    const { strings, mappings, functions, locations, lines } = this.#profile;
    const { marksKernel = false, marksJit = false, addressOf } = this.#options;
    const mapping = locations.mapping[location];
    const object = mapping < 0 ? '' : strings[mappings.filename[mapping]];
    const style = { marksKernel, marksJit };
    const unnamed = (): string => unnamedFrame(object === '[unknown]' ? '' : object, addressOf?.(location), style);
    const from = locations.lineStart[location];
    const to = locations.lineStart[location + 1];
    const names: string[] = [];
    if (from === to) names.push(unnamed());
    for (let row = to - 1; row >= from; row--) {
      const name = strings[functions.name[lines.function[row]]];
      if (name === '[unknown]') names.push(unnamed());
      else names.push(...foldedFrames(name, object, isJava, style));
    }
    return names;
  }
}
