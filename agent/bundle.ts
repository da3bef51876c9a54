// What the agent's bundle offers to bin/perftrawl: `agent` and `fold`, each loaded when it is asked for.

import { setFlagsFromString } from 'node:v8';
import type { FoldIo } from './fold/fold-command.js';
import type { AgentIo } from './main.js';
import { holdOptimizer } from './optimizer.js';

export async function runAgent(argv: readonly string[], io: AgentIo): Promise<number> {
  holdOptimizer();
  return (await import('./main.js')).runAgent(argv, io);
}

export async function runFold(argv: readonly string[], io: FoldIo): Promise<number> {
  // V8 compiles a function to machine code after it has run this many bytes of byte code (default 132 KiB). Folding runs for less than
  // a second: compiling only what is really hot saves a fifth of the CPU on recordings of 10,000 to 100,000 samples.
  setFlagsFromString('--interrupt-budget=1000000');
  return (await import('./fold/fold-command.js')).runFold(argv, io);
}
