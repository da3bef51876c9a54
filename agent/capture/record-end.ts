// How perf record ended, and how long it really recorded.
import type { Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { isTracefsMounted } from '../host/machine.js';
import { perfFailure, perfReason } from '../perf/perf-failure.js';
import type { ResolvedTarget } from '../perf/target-args.js';
import { describeEnd, type ToolResult } from '../process.js';
import type { CaptureContext } from './capture-context.js';

/** Milliseconds that events were open for: perf 6 goes on for up to a second after the last event was closed. */
export class RecordingTime {
  readonly #start = performance.now();
  readonly #early: AbortSignal;
  readonly #duration: Milliseconds;
  #stopped = Number.POSITIVE_INFINITY;
  readonly #onStop = () => this.stop();

  constructor(context: CaptureContext, duration: Milliseconds) {
    this.#early = context.stop.early;
    this.#duration = duration;
    this.#early.addEventListener('abort', this.#onStop, { once: true });
  }

  /** perf is told to end now. */
  stop(): void {
    this.#stopped = Math.min(this.#stopped, performance.now() - this.#start);
  }

  /** After perf's end. */
  end(): Milliseconds {
    this.#early.removeEventListener('abort', this.#onStop);
    return Math.round(Math.min(performance.now() - this.#start, this.#stopped, this.#duration));
  }
}

/**
 * perf ends with the status of the `sleep` beside it, or by SIGTERM when the observed processes ended first, or by SIGINT when
 * it was stopped: in all these it has written everything.
 * @throws FailureError when perf gave nothing
 */
export function checkRecordEnd(
  context: CaptureContext,
  result: ToolResult,
  target: ResolvedTarget,
  hasData: boolean,
): void {
  const endedWithTarget = result.signal === 'SIGTERM' && target.kind !== 'system';
  if (result.passedDeadline) {
    const detail = 'perf record had to be ended: it ran a minute longer than asked';
    context.losses.push({ kind: 'out-of-budget', count: 1, detail });
    return;
  }
  if (result.code === 0 || result.wasStopped || endedWithTarget) return;
  if (hasData) {
    context.losses.push({ kind: 'truncated-input', count: 1, detail: `perf record ended by ${describeEnd(result)}` });
    return;
  }
  const { files } = context.machine;
  const end = result.signal === null ? `exit status ${result.code}` : `signal ${result.signal}`;
  if (perfReason(result.stderr) === '' && target.kind === 'pids') {
    // It may still be there to look at, on its way out.
    const message = `perf record failed with ${end} and no reason, as it does when a process ends while perf opens it`;
    throw fail('not-found', message, 'look whether the process is there, and try again');
  }
  throw perfFailure({ doing: 'perf record', stderr: result.stderr, end, isTracefsMounted: isTracefsMounted(files) });
}

export function recordHost({ machine }: CaptureContext, perf: string) {
  return { perf, isRoot: machine.privilege().isRoot, cpuCount: machine.cpuCount };
}
