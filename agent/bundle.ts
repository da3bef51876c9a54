// What the agent's bundle offers to bin/perftrawl: `agent` and `fold`, each loaded when it is asked for.

import type { FoldIo } from './fold/fold-command.js';
import type { AgentIo } from './main.js';
import { holdOptimizer } from './optimizer.js';

export async function runAgent(argv: readonly string[], io: AgentIo): Promise<number> {
  holdOptimizer();
  return (await import('./main.js')).runAgent(argv, io);
}

export async function runFold(argv: readonly string[], io: FoldIo): Promise<number> {
  return (await import('./fold/fold-command.js')).runFold(argv, io);
}
