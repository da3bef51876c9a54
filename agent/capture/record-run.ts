// A capture of kind `record`: perf record, live or through a file, to a symbolized profile in the spool.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Profile } from '../../profile/profile.js';
import type { RecordSpec } from '../../proto/capture.js';
import { FailureError } from '../../proto/failure.js';
import { isTracefsMounted } from '../host/machine.js';
import { type Resolution, resolveTarget } from '../host/resolve-target.js';
import { requirePerf } from '../host/tools.js';
import { perfFailure } from '../perf/perf-failure.js';
import { needsPerfScript, recordArguments } from '../perf/record-args.js';
import { describeEnd, type ToolResult } from '../process.js';
import { adoptArtifact } from '../spool/artifact.js';
import { hasCode } from '../spool/file-error.js';
import { ObjectKeeper } from '../symbolize/object-keeper.js';
import { type CaptureContext, TOOL_SLACK } from './capture-context.js';
import { runPerfScript, scriptArguments } from './perf-script.js';
import { type RecordingTimes, spoolProfile } from './profile-pipeline.js';
import { type ProfileSource, perfDataSource, perfScriptSource } from './profile-source.js';
import { RawRecording } from './raw-recording.js';

export const PERF_DATA = 'perf.data';
export const PERF_DATA_TYPE = 'application/x-perf-data';
export const PERF_SCRIPT = 'perf-script.txt';

/** Processes that a selector found may end before perf opens them. */
const MAX_ATTEMPTS = 3;

export async function runRecord(context: CaptureContext, spec: RecordSpec): Promise<void> {
  const { machine } = context;
  const perf = requirePerf(await machine.program('perf'), machine.distribution);
  await context.enter('resolving', '');
  for (let attempt = 1; ; attempt++) {
    const resolution = resolveTarget(machine, spec.target);
    try {
      return await (needsPerfScript(spec)
        ? recordToFile(context, spec, resolution, perf)
        : recordLive(context, spec, resolution, perf));
    } catch (error) {
      const isGone = error instanceof FailureError && error.failure.code === 'not-found';
      if (!isGone || spec.target.kind !== 'processes' || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function recordLive(
  context: CaptureContext,
  spec: RecordSpec,
  resolution: Resolution,
  perf: string,
): Promise<void> {
  const keeper = new ObjectKeeper();
  try {
    const source = perfDataSource(spec.detail, keeper);
    const times = await readLive(context, spec, resolution, perf, source);
    await keeper.settled();
    const recording = source.end();
    tellReplacedEvents(context, spec, recording.profile);
    await spoolProfile(context, recording, spec.detail, times, keeper);
  } finally {
    await keeper.close();
  }
}

/** perf's stream into `source`, from the start of perf to its end. */
async function readLive(
  context: CaptureContext,
  spec: RecordSpec,
  resolution: Resolution,
  perf: string,
  source: ProfileSource,
): Promise<RecordingTimes> {
  context.progress = () => source;
  const startTime = context.machine.now();
  const recorded = recordingTime(context, spec);
  const argv = recordArguments(spec, resolution.target, '-', recordHost(context, perf));
  const raw = spec.keepRaw ? await RawRecording.begin(context, PERF_DATA, PERF_DATA_TYPE) : undefined;
  try {
    const take = (piece: Uint8Array) => {
      source.push(piece);
      context.cost.recordedBytes += piece.length;
      return raw?.write(piece);
    };
    const tool = await context.start(argv, {
      signal: context.stop.early,
      deadline: spec.duration + TOOL_SLACK,
      output: { directory: context.capture.work, take },
    });
    await context.enter('running', resolution.detail);
    await tool.taken;
    const result = await tool.done;
    const duration = recorded();
    checkEnd(context, result, spec, source.samples > 0);
    context.stop.discard.throwIfAborted();
    await context.enter('symbolizing', `${source.samples} samples`);
    await raw?.finish();
    return { startTime, duration };
  } catch (error) {
    await raw?.discard();
    throw error;
  }
}

/** Stacks that only perf can unwind: perf.data on disk, then its text. */
async function recordToFile(
  context: CaptureContext,
  spec: RecordSpec,
  resolution: Resolution,
  perf: string,
): Promise<void> {
  const { stop, capture, spool } = context;
  const file = join(capture.work, PERF_DATA);
  const startTime = context.machine.now();
  const recorded = recordingTime(context, spec);
  const argv = recordArguments(spec, resolution.target, file, recordHost(context, perf));
  const tool = await context.start(argv, { signal: stop.early, deadline: spec.duration + TOOL_SLACK });
  await context.enter('running', resolution.detail);
  const room = spool.room();
  let size = 0;
  context.progress = () => ({ samples: 0, bytes: size, lost: 0 });
  const watch = setInterval(() => {
    void sizeOf(file).then((bytes) => {
      size = bytes;
      if (bytes > room) tool.stop();
    });
  }, 500);
  tool.stdout.resume();
  const result = await tool.done.finally(() => clearInterval(watch));
  const duration = recorded();
  size = await sizeOf(file);
  context.cost.recordedBytes = size;
  if (size > room && !stop.early.aborted) {
    context.losses.push({ kind: 'out-of-budget', count: 1, detail: 'perf record was ended early: the spool is full' });
  }
  checkEnd(context, result, spec, size > 0 && result.signal !== null);
  stop.discard.throwIfAborted();
  await context.enter('symbolizing', `${size} bytes of perf.data: perf script unwinds the stacks`);
  const text = spec.keepRaw ? await RawRecording.begin(context, PERF_SCRIPT, 'text/plain') : undefined;
  const source = perfScriptSource(spec.detail);
  const fields = spec.detail.keepTimestamps ? ['pid', 'cpu'] : ['pid'];
  try {
    await runPerfScript(context, scriptArguments(perf, file, fields), (piece) => {
      source.push(piece);
      return text?.write(piece);
    });
  } catch (error) {
    await text?.discard();
    throw error;
  }
  if (spec.keepRaw) {
    const artifact = await adoptArtifact(capture.artifacts, PERF_DATA, PERF_DATA_TYPE, file);
    await capture.log.append({ kind: 'artifact', artifact });
  }
  await text?.finish();
  const recording = source.end();
  tellReplacedEvents(context, spec, recording.profile);
  await spoolProfile(context, recording, spec.detail, { startTime, duration });
}

/**
 * Milliseconds that events were open for, told after perf's end: perf 6 goes on for up to a second after the last event was closed.
 */
function recordingTime(context: CaptureContext, spec: RecordSpec): () => number {
  const start = performance.now();
  const { early } = context.stop;
  let stopped = Number.POSITIVE_INFINITY;
  const stop = () => {
    stopped = performance.now() - start;
  };
  early.addEventListener('abort', stop, { once: true });
  return () => {
    early.removeEventListener('abort', stop);
    return Math.round(Math.min(performance.now() - start, stopped, spec.duration));
  };
}

function recordHost(context: CaptureContext, perf: string) {
  const { machine } = context;
  return { perf, isRoot: machine.privilege().isRoot, cpuCount: machine.cpuCount };
}

/**
 * perf ends with the status of the `sleep` beside it, or by SIGTERM when the observed processes ended first, or by SIGINT when
 * it was stopped: in all these it has written everything.
 * @throws FailureError when perf gave nothing
 */
function checkEnd(context: CaptureContext, result: ToolResult, spec: RecordSpec, hasData: boolean): void {
  const endedWithTarget = result.signal === 'SIGTERM' && spec.target.kind !== 'system';
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
  throw perfFailure({ doing: 'perf record', stderr: result.stderr, end, isTracefsMounted: isTracefsMounted(files) });
}

/** Without a counter for cycles perf record takes a clock, exits with 0 and says nothing. */
function tellReplacedEvents(context: CaptureContext, spec: RecordSpec, { sampleTypes }: Profile): void {
  const asked = spec.events.find(({ name }) => /^(cpu-)?cycles(:|$)/.test(name));
  if (asked === undefined || sampleTypes.some(({ type }) => type.includes('cycles'))) return;
  const clock = sampleTypes.find(({ type }) => /^(cpu|task)-clock/.test(type));
  if (clock === undefined) return;
  const detail = `this host has no counter for ${asked.name}: perf recorded ${clock.type} in its place`;
  context.losses.push({ kind: 'not-supported', count: 1, detail });
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}
