// perf stat for as long as a watch lasts, interval by interval. Begun anew when the processes that a selector means are others.
import { type Loss, mergeLosses } from '../../profile/loss.js';
import type { Milliseconds, StatSpec } from '../../proto/capture.js';
import { FailureError, fail } from '../../proto/failure.js';
import { type CaptureContext, TOOL_SLACK } from '../capture/capture-context.js';
import { statFailure } from '../capture/stat-run.js';
import type { Resolution } from '../host/resolve-target.js';
import { cgroupArgument } from '../perf/event-name.js';
import { STAT_SEPARATOR, statArguments } from '../perf/stat-args.js';
import { StatParser } from '../perf/stat-parser.js';
import { TIME_IS_OVER, tethered } from '../perf/target-args.js';
import type { RunningTool } from '../process.js';
import { type CountedInterval, IntervalJoiner } from './counted-interval.js';

/** How often it is looked which processes a selector means. */
const LOOK_FOR_PROCESSES: Milliseconds = 10_000;
/** Of the log: the first and the latest. */
const MOST_COMMAND_LINES = 16;
/** Processes that a selector found may end before perf opens them. */
const MAX_ATTEMPTS = 3;

export class WatchCounters {
  readonly #context: CaptureContext;
  readonly #spec: StatSpec;
  readonly #perf: string;
  readonly #take: (interval: CountedInterval) => Promise<void>;
  #losses: readonly Loss[] = [];
  #resolution: Resolution;

  /** @param take given each interval, its end in milliseconds of `performance.now()` */
  constructor(
    context: CaptureContext,
    spec: StatSpec,
    perf: string,
    resolution: Resolution,
    take: (interval: CountedInterval) => Promise<void>,
  ) {
    this.#context = context;
    this.#spec = spec;
    this.#perf = perf;
    this.#resolution = resolution;
    this.#take = take;
  }

  /** Until `until` (of `performance.now()`) or `signal`. @throws FailureError when perf cannot count */
  async run(until: Milliseconds, signal: AbortSignal): Promise<void> {
    try {
      for (let attempt = 1; !signal.aborted; ) {
        const began = performance.now();
        const duration = Math.round(until - began);
        if (duration < this.#spec.interval) return;
        try {
          await this.#count({ ...this.#spec, duration }, signal);
        } catch (error) {
          const isGone = error instanceof FailureError && error.failure.code === 'not-found';
          if (!isGone || this.#spec.target.kind !== 'processes' || attempt === MAX_ATTEMPTS) throw error;
          this.#resolution = this.#context.resolve(this.#spec.target);
        }
        attempt = performance.now() - began < LOOK_FOR_PROCESSES ? attempt + 1 : 1;
        if (attempt > MAX_ATTEMPTS && !signal.aborted && until - performance.now() > this.#spec.interval) {
          throw fail(
            'tool-failed',
            'perf stat ends before its time, again and again',
            'see whether something kills it',
          );
        }
      }
    } finally {
      this.#context.losses.push(...this.#losses);
    }
  }

  async #count(spec: StatSpec, signal: AbortSignal): Promise<void> {
    const { cost } = this.#context;
    const { target } = this.#resolution;
    const events = spec.events.map(({ name }) => name);
    const cgroup = target.kind === 'cgroup' ? cgroupArgument(target.path) : undefined;
    const parser = new StatParser({ separator: STAT_SEPARATOR, events, perCpu: false, cgroup });
    const argv = tethered(statArguments(spec, target, this.#perf));
    const bounds = { signal, deadline: spec.duration + TOOL_SLACK };
    const tool = await this.#context.start(argv, { ...bounds, hasLog: true, isTethered: true });
    const { commandLines } = this.#context;
    // However often it is begun anew.
    if (commandLines.length > MOST_COMMAND_LINES) commandLines.splice(MOST_COMMAND_LINES / 2, 1);
    const joiner = new IntervalJoiner(events, () => performance.now());
    const looking = this.#lookForOthers(tool);
    try {
      tool.stdout.resume();
      for await (const chunk of tool.log ?? []) {
        if (!Buffer.isBuffer(chunk)) continue;
        cost.recordedBytes += chunk.length;
        for (const interval of joiner.push(parser.push(chunk))) await this.#take(interval);
      }
      const result = await tool.done;
      const { points, losses } = parser.end();
      for (const interval of [...joiner.push(points), ...joiner.end()]) await this.#take(interval);
      this.#losses = mergeLosses([this.#losses, losses]);
      if (result.passedDeadline)
        throw fail('tool-failed', 'perf stat had to be ended: it ran a minute longer than asked');
      if (result.code !== 0 && result.code !== TIME_IS_OVER && !result.wasStopped)
        throw statFailure(this.#context, result);
    } finally {
      clearInterval(looking);
    }
  }

  /** perf counts what the processes start by themselves; others that match now are found here. */
  #lookForOthers(tool: RunningTool): NodeJS.Timeout | undefined {
    const { target } = this.#spec;
    if (target.kind !== 'processes') return undefined;
    return setInterval(() => {
      const now = this.#resolved();
      if (now === undefined || isCovered(now, this.#resolution)) return;
      this.#resolution = now;
      tool.stop();
    }, LOOK_FOR_PROCESSES);
  }

  /** undefined when nothing matches at present: what is counted stays as it is until something does. */
  #resolved(): Resolution | undefined {
    try {
      return this.#context.resolve(this.#spec.target);
    } catch (error) {
      if (error instanceof FailureError) return undefined;
      throw error;
    }
  }
}

/** Whether all processes of `now` are counted already. */
function isCovered(now: Resolution, counted: Resolution): boolean {
  if (now.target.kind !== 'pids' || counted.target.kind !== 'pids') return true;
  const { pids } = counted.target;
  return now.target.pids.every((pid) => pids.includes(pid));
}
