// Runs `perf script` over a recording: for what only perf can unwind, and for raw stacks as text.

import type { Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { perfReason } from '../perf/perf-failure.js';
import { describeEnd } from '../process.js';
import type { TakePiece } from '../process-output.js';
import type { CaptureContext } from './capture-context.js';

/** perf script can take hours on large recordings; what it has said until then is kept. */
export const SCRIPT_DEADLINE: Milliseconds = 600_000;

/** `--no-inline`: with it perf asks addr2line for each address, which turns seconds into hours. */
export function scriptArguments(perf: string, file: string, fields: readonly string[]): string[] {
  const added = fields.length === 0 ? [] : [`--fields=${fields.map((field) => `+${field}`).join(',')}`];
  return [perf, 'script', '--no-inline', `--input=${file}`, '--ns', ...added];
}

/**
 * Hand the text to `take` as it comes. A perf script that fails in the middle is a loss; one that says nothing is a failure.
 * @throws FailureError `tool-failed`
 */
export async function runPerfScript(context: CaptureContext, argv: readonly string[], take: TakePiece): Promise<void> {
  const { discard } = context.stop;
  let bytes = 0;
  const counted = (piece: Uint8Array) => {
    bytes += piece.length;
    return take(piece);
  };
  const output = { directory: context.capture.work, take: counted };
  const tool = await context.start(argv, { signal: discard, deadline: SCRIPT_DEADLINE, isBackground: true, output });
  await tool.taken;
  const result = await tool.done;
  discard.throwIfAborted();
  if (result.code === 0 && !result.passedDeadline) return;
  const { overBudget } = context.accounting;
  if (result.wasStopped && overBudget !== '') {
    if (bytes > 0) return;
    throw fail(
      'exhausted',
      `perf script was ended before it said anything, over budget: ${overBudget}`,
      'give it more with --budget',
    );
  }
  if (bytes === 0) throw fail('tool-failed', `perf script failed with ${describeEnd(result)}`);
  const why = result.passedDeadline ? 'took more than ten minutes' : perfReason(result.stderr) || describeEnd(result);
  const kind = result.passedDeadline ? 'out-of-budget' : 'truncated-input';
  context.losses.push({ kind, count: 1, detail: `perf script ended early: ${why}` });
}
