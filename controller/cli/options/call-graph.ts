// `-g` and `--call-graph` in perf's spelling.
import type { CallGraph } from '../../../proto/capture.js';
import { UsageError } from '../usage-error.js';
import { parseWhole } from './numbers.js';

/** perf's default size of a copied user stack. */
const STACK_BYTES = 8192;

/** `fp` unless said otherwise: a profile without stacks makes no flame graph. */
export function parseCallGraph(text: string | undefined): CallGraph {
  const [mode, size, ...rest] = (text ?? 'fp').split(',');
  if (mode === 'dwarf' && rest.length === 0) {
    const stackBytes = size === undefined ? STACK_BYTES : parseWhole('--call-graph dwarf', size, 8, 65_528);
    if (stackBytes % 8 !== 0) throw new UsageError(`--call-graph: ${stackBytes} is not a multiple of 8`);
    return { mode, stackBytes };
  }
  if ((mode === 'fp' || mode === 'lbr' || mode === 'none') && size === undefined) return { mode };
  throw new UsageError(`--call-graph: '${text}' is not one of fp, dwarf, dwarf,SIZE, lbr, none`);
}
