// What the agent's bundle offers to bin/perftrawl: `agent` and `fold`, each loaded when it is asked for.

import { setFlagsFromString } from 'node:v8';
import type { FoldIo } from './fold/fold-command.js';
import type { AgentIo } from './main.js';
import { holdOptimizer } from './optimizer.js';
import type { PolicyIo } from './policy/policy-command.js';

export async function runAgent(argv: readonly string[], io: AgentIo): Promise<number> {
  if (argv[0] === 'enroll') return (await import('./enroll/enroll-command.js')).runEnroll(argv.slice(1), io);
  holdOptimizer();
  return (await import('./main.js')).runAgent(argv, io);
}

export async function runFold(argv: readonly string[], io: FoldIo): Promise<number> {
  // V8 compiles a function to machine code after it has run this many bytes of byte code (default 132 KiB). Folding runs for less than
  // a second: compiling only what is really hot saves a fifth of the CPU on recordings of 10,000 to 100,000 samples.
  setFlagsFromString('--interrupt-budget=1000000');
  // It also compiles the functions that a hot one calls into it, each time anew, which takes longer than it saves: without that, 2 to 13 %
  // less CPU on those recordings, and 5 % less on one of a million samples.
  setFlagsFromString('--no-turbo-inlining');
  return (await import('./fold/fold-command.js')).runFold(argv, io);
}

export async function runPolicy(argv: readonly string[], io: PolicyIo): Promise<number> {
  return (await import('./policy/policy-command.js')).runPolicy(argv, io);
}
