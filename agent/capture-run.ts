// Runs one registered capture from `resolving` to its done event. Whatever happens ends as an entry of its log.
import { rm } from 'node:fs/promises';
import { mergeLosses } from '../profile/loss.js';
import type { CaptureSpec, Milliseconds, Outcome } from '../proto/capture.js';
import { type Failure, toFailure } from '../proto/failure.js';
import { CaptureContext, type CaptureSettings } from './capture/capture-context.js';
import type { CaptureStop } from './capture/capture-stop.js';
import type { Machine } from './host/machine.js';
import { releaseOptimizer } from './optimizer.js';
import type { Spool, SpooledCapture } from './spool/spool.js';

const PROGRESS_INTERVAL: Milliseconds = 1000;
const STOP_POLL: Milliseconds = 200;

export interface CaptureRunOptions {
  readonly machine: Machine;
  readonly spool: Spool;
  readonly capture: SpooledCapture;
  readonly spec: CaptureSpec;
  readonly stop: CaptureStop;
  readonly settings: CaptureSettings;
}

/** Resolves when the capture is done and its log closed. @throws FailureError only when the log itself cannot be written */
export async function runCapture(options: CaptureRunOptions): Promise<void> {
  const { machine, spool, capture, spec, stop, settings } = options;
  const room = { room: () => spool.room, reserve: spool.reserve };
  const context = new CaptureContext({ machine, capture, stop, spool: room, settings });
  const timers = [startProgress(context), watchStopRequests(spool, capture.meta.captureId, stop)];
  let failure: Failure | undefined;
  try {
    await runKind(context, spec);
  } catch (error) {
    const thrown = toFailure(error);
    // Stopped before there was anything to stop.
    const wasStopped = thrown.code === 'cancelled' && stop.early.aborted;
    if (!stop.discard.aborted && !wasStopped) failure = thrown;
  } finally {
    for (const timer of timers) clearInterval(timer);
    await context.endTools();
  }
  try {
    // With it goes what keeps room for the end.
    await rm(capture.work, { recursive: true, force: true });
    await finish(context, outcomeOf(stop, failure), failure);
  } finally {
    await spool.finish(capture);
  }
}

/** Loaded when needed: an idle agent holds neither parsers nor symbolizer. */
async function runKind(context: CaptureContext, spec: CaptureSpec): Promise<void> {
  releaseOptimizer();
  switch (spec.kind) {
    case 'record':
      return (await import('./capture/record-run.js')).runRecord(context, spec);
    case 'stat':
      return (await import('./capture/stat-run.js')).runStat(context, spec);
    case 'file':
      return (await import('./capture/file-run.js')).runFile(context, spec);
    case 'stap':
      return (await import('./capture/stap-run.js')).runStap(context, spec);
    case 'kit':
      return (await import('./capture/kit-run.js')).runKit(context, spec);
  }
}

function outcomeOf(stop: CaptureStop, failure: Failure | undefined): Outcome {
  if (stop.discard.aborted) return 'discarded';
  if (failure !== undefined) return 'failed';
  return stop.early.aborted ? 'stopped' : 'finished';
}

async function finish(context: CaptureContext, outcome: Outcome, failure: Failure | undefined): Promise<void> {
  const { capture, cost, commandLines } = context;
  const { log } = capture;
  if (outcome === 'discarded') await rm(capture.artifacts, { recursive: true, force: true });
  // The last word on what was recorded; earlier ones were up to a second old.
  if (context.state === 'running' && outcome !== 'discarded') await context.tellProgress();
  const losses = mergeLosses([context.losses]);
  if (losses.length > 0 && outcome !== 'discarded') await log.append({ kind: 'losses', losses });
  await log.append({ kind: 'cost', cost: cost.cost(log.size) });
  await log.append({ kind: 'done', outcome, commandLines, ...(failure === undefined ? {} : { failure }) });
}

function startProgress(context: CaptureContext): NodeJS.Timeout {
  let isWriting = false;
  return setInterval(() => {
    context.cost.sampleMemory();
    if (context.state !== 'running' || isWriting) return;
    isWriting = true;
    void context
      .tellProgress()
      // A full disk is told by the next event that matters.
      .catch(() => context.stop.request('keep'))
      .finally(() => {
        isWriting = false;
      });
  }, PROGRESS_INTERVAL);
}

/** Another agent process of the same state directory may have been asked to stop this capture. */
function watchStopRequests(spool: Spool, captureId: string, stop: CaptureStop): NodeJS.Timeout {
  return setInterval(() => {
    void spool.stopRequest(captureId).then(
      (request) => {
        if (request !== undefined) stop.request(request);
      },
      () => stop.request('keep'),
    );
  }, STOP_POLL);
}
