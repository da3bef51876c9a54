// A capture of kind `stat`: perf stat, interval by interval, to counter points in the spool as they come.
import type { CounterPoint } from '../../profile/counter-series.js';
import type { StatSpec } from '../../proto/capture.js';
import type { FailureError } from '../../proto/failure.js';
import { isTracefsMounted } from '../host/machine.js';
import type { Resolution } from '../host/resolve-target.js';
import { requirePerf } from '../host/tools.js';
import { cgroupArgument } from '../perf/event-name.js';
import { perfFailure } from '../perf/perf-failure.js';
import { STAT_SEPARATOR, statArguments } from '../perf/stat-args.js';
import { StatParser } from '../perf/stat-parser.js';
import type { ToolResult } from '../process.js';
import { againWhenGone } from './again-when-gone.js';
import { type CaptureContext, TOOL_SLACK } from './capture-context.js';

/** Points per event of the log. */
const MAX_BATCH = 2000;

export async function runStat(context: CaptureContext, spec: StatSpec): Promise<void> {
  const { machine } = context;
  const perf = requirePerf(await machine.program('perf'), machine.distribution);
  await context.enter('resolving', '');
  await context.arm(spec.target);
  await againWhenGone(spec.target.kind === 'processes', () => count(context, spec, context.resolve(spec.target), perf));
}

async function count(context: CaptureContext, spec: StatSpec, resolution: Resolution, perf: string): Promise<void> {
  const { stop, cost, capture } = context;
  const { target } = resolution;
  const parser = new StatParser({
    separator: STAT_SEPARATOR,
    events: spec.events.map((event) => event.name),
    perCpu: spec.perCpu,
    cgroup: target.kind === 'cgroup' ? cgroupArgument(target.path) : undefined,
  });
  let points = 0;
  context.progress = () => ({ samples: points, bytes: cost.recordedBytes, lost: 0 });
  const append = async (batch: readonly CounterPoint[]) => {
    points += batch.length;
    for (let from = 0; from < batch.length; from += MAX_BATCH) {
      const part = batch.slice(from, from + MAX_BATCH);
      await capture.log.append({ kind: 'counters', interval: spec.interval, points: part });
    }
  };
  const argv = statArguments(spec, target, perf);
  await context.untilStart();
  const tool = await context.start(argv, { signal: stop.early, deadline: spec.duration + TOOL_SLACK, hasLog: true });
  await context.enter('running', resolution.detail);
  tool.stdout.resume();
  for await (const chunk of tool.log ?? []) {
    if (!Buffer.isBuffer(chunk)) continue;
    cost.recordedBytes += chunk.length;
    await append(parser.push(chunk));
  }
  const result = await tool.done;
  stop.discard.throwIfAborted();
  const { points: last, losses } = parser.end();
  await append(last);
  context.losses.push(...losses);
  if (result.passedDeadline) {
    const detail = 'perf stat had to be ended: it ran a minute longer than asked';
    context.losses.push({ kind: 'out-of-budget', count: 1, detail });
  } else if (result.code !== 0 && !result.wasStopped) {
    throw statFailure(context, result);
  }
}

/** Of a perf stat that ended by itself, and not well. */
export function statFailure({ machine }: CaptureContext, result: ToolResult): FailureError {
  const end = result.signal === null ? `exit status ${result.code}` : `signal ${result.signal}`;
  const { stderr } = result;
  return perfFailure({ doing: 'perf stat', stderr, end, isTracefsMounted: isTracefsMounted(machine.files) });
}
