// The process that takes the blows: runs inputs of one target, and notes the number of each in a file before it begins with it.
//
//   argv: JSON of WorkerOrder                      a message to the parent for each find, and one at the end
import { openSync, writeSync } from 'node:fs';
import { inputOf } from './mutate.js';
import { outcomeOf } from './outcome.js';
import { TARGETS } from './targets.js';

export interface WorkerOrder {
  readonly target: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  readonly progress: string;
  /** Of processor time for one input, milliseconds. */
  readonly slowAfter: number;
  /** Of memory, mebibytes, in all: that much means that some input took far more than its size. */
  readonly mostMemory: number;
}

export type WorkerMessage =
  | { readonly kind: 'find'; readonly index: number; readonly what: string }
  | { readonly kind: 'end'; readonly next: number; readonly taken: number; readonly refused: number };

async function work(order: WorkerOrder): Promise<void> {
  const target = TARGETS.find(({ name }) => name === order.target);
  if (target === undefined) throw new Error(`no target ${order.target}`);
  const seeds = target.seeds();
  const progress = openSync(order.progress, 'w');
  const note = Buffer.alloc(8);
  const counts = { taken: 0, refused: 0 };
  let index = order.from;
  for (let isTired = false; index < order.to && !isTired; index++) {
    note.writeDoubleLE(index);
    writeSync(progress, note, 0, 8, 0);
    const input = inputOf(target, seeds, order.seed, index);
    const before = process.cpuUsage();
    const outcome = await outcomeOf(target, input);
    if (outcome.kind === 'find') tell({ kind: 'find', index, what: outcome.what });
    else counts[outcome.kind]++;
    const { user, system } = process.cpuUsage(before);
    const slow = (user + system) / 1000;
    if (slow > order.slowAfter) tell({ kind: 'find', index, what: `slow: more than ${order.slowAfter / 1000} s` });
    const peak = Math.round(process.resourceUsage().maxRSS / 1024);
    if (peak > order.mostMemory) {
      tell({ kind: 'find', index, what: `memory: the process reached ${peak} MiB` });
      isTired = true;
    }
  }
  tell({ kind: 'end', next: index, ...counts });
}

function tell(message: WorkerMessage): void {
  process.send?.(message);
}

await work(JSON.parse(process.argv[2] ?? ''));
process.disconnect();
