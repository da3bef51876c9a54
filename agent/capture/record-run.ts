// A capture of kind `record`: perf record, live or through a file, to a symbolized profile in the spool.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Profile } from '../../profile/profile.js';
import type { RecordSpec } from '../../proto/capture.js';
import type { Resolution } from '../host/resolve-target.js';
import { requirePerf } from '../host/tools.js';
import { needsPerfScript, recordArguments } from '../perf/record-args.js';
import { adoptArtifact } from '../spool/artifact.js';
import { hasCode } from '../spool/file-error.js';
import { ObjectKeeper } from '../symbolize/object-keeper.js';
import { againWhenGone } from './again-when-gone.js';
import { type CaptureContext, TOOL_SLACK } from './capture-context.js';
import { PERF_DATA, PERF_DATA_TYPE, recordPieces } from './live-recording.js';
import { runPerfScript, scriptArguments } from './perf-script.js';
import { spoolProfile } from './profile-pipeline.js';
import { perfScriptSource } from './profile-source.js';
import { RawRecording } from './raw-recording.js';
import { checkRecordEnd, RecordingTime, recordHost } from './record-end.js';

export const PERF_SCRIPT = 'perf-script.txt';

export async function runRecord(context: CaptureContext, spec: RecordSpec): Promise<void> {
  const { machine } = context;
  const perf = requirePerf(await machine.program('perf'), machine.distribution);
  await context.enter('resolving', '');
  await context.arm(spec.target);
  await againWhenGone(spec.target.kind === 'processes', async () => {
    const resolution = context.resolve(spec.target);
    await context.untilStart();
    await (needsPerfScript(spec)
      ? recordToFile(context, spec, resolution, perf)
      : recordLive(context, spec, resolution, perf));
  });
}

async function recordLive(
  context: CaptureContext,
  spec: RecordSpec,
  resolution: Resolution,
  perf: string,
): Promise<void> {
  const keeper = new ObjectKeeper();
  try {
    const { raw, ...times } = await recordPieces(context, spec, resolution, perf, keeper);
    await context.enter('symbolizing', `${context.progress().samples} samples`);
    await keeper.settled();
    tellReplacedEvents(context, spec, raw.profile);
    await spoolProfile(context, raw, spec.detail, times, keeper);
  } finally {
    await keeper.close();
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
  const time = new RecordingTime(context, spec.duration);
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
  const duration = time.end();
  size = await sizeOf(file);
  context.cost.recordedBytes = size;
  if (size > room && !stop.early.aborted) {
    context.accounting.overBudget = `perf.data grew to ${size} bytes, the spool has room for ${room}`;
    context.losses.push({ kind: 'out-of-budget', count: 1, detail: 'perf record was ended early: the spool is full' });
  }
  checkRecordEnd(context, result, resolution.target, size > 0 && result.signal !== null);
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
