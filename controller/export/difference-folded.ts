// Two profiles as one folded text: `comm;outer;inner A B`, as difffolded.pl prints it and flamegraph.pl draws it.
import { type FoldedStack, type FoldOptions, foldedStacks } from '../../profile/folded.js';
import type { Profile } from '../../profile/profile.js';
import type { ExportParts } from './exporter.js';

export interface FoldedSide {
  readonly profile: Profile;
  readonly event: string;
}

export interface DifferenceFoldedOptions extends Omit<FoldOptions, 'event'> {
  /** What the counts of A are multiplied by, so that they compare with those of B; rounded to whole numbers, half up. Default 1. */
  readonly scaleA?: number;
}

/** One line per stack that is in either, sorted; both are read side by side, so that memory holds one line. */
export function* differenceFolded(a: FoldedSide, b: FoldedSide, options: DifferenceFoldedOptions = {}): ExportParts {
  const { scaleA = 1, ...fold } = options;
  let text = '';
  for (const [stack, inA, inB] of paired(
    foldedStacks(a.profile, { ...fold, event: a.event }),
    foldedStacks(b.profile, { ...fold, event: b.event }),
  )) {
    text += `${stack} ${Math.round(inA * scaleA)} ${inB}\n`;
    if (text.length > 1 << 16) {
      yield text;
      text = '';
    }
  }
  yield text;
}

/** Two sorted lists as one. */
function* paired(
  a: Generator<FoldedStack>,
  b: Generator<FoldedStack>,
): Generator<readonly [stack: string, inA: number, inB: number]> {
  let [nextA, nextB] = [a.next(), b.next()];
  while (nextA.done !== true || nextB.done !== true) {
    const [stackA, stackB] = [nextA.value?.stack, nextB.value?.stack];
    const isA = stackA !== undefined && (stackB === undefined || stackA <= stackB);
    const isB = stackB !== undefined && (stackA === undefined || stackB <= stackA);
    const stack = (isA ? stackA : stackB) ?? '';
    yield [stack, isA ? (nextA.value?.weight ?? 0) : 0, isB ? (nextB.value?.weight ?? 0) : 0];
    if (isA) nextA = a.next();
    if (isB) nextB = b.next();
  }
}
