// Runs one registered capture from `resolving` to its done event. Whatever happens ends as an entry of its log.
import { rm } from 'node:fs/promises';
import { mergeLosses } from '../profile/loss.js';
import type { CaptureSpec, Cost, Milliseconds, Outcome } from '../proto/capture.js';
import { type Failure, toFailure } from '../proto/failure.js';
import { BudgetAccounting } from './capture/budget-accounting.js';
import { BudgetGuard } from './capture/budget-guard.js';
import { CaptureContext, type CaptureSettings } from './capture/capture-context.js';
import type { CaptureStop } from './capture/capture-stop.js';
import { CostMeter } from './capture/cost-meter.js';
import { SpoolRoom } from './capture/spool-room.js';
import type { StartGate } from './capture/start-gate.js';
import type { Machine } from './host/machine.js';
import { releaseOptimizer } from './optimizer.js';
import type { Spool, SpooledCapture } from './spool/spool.js';
import type { RingDump } from './watch/look-back.js';
import { periodOf } from './watch/thinned-counters.js';
import type { StartCapture } from './watch/watch-run.js';

/** How often it is looked whether the capture keeps to its budget; its progress is told every second time, or more rarely. */
const LOOK_INTERVAL: Milliseconds = 500;
const STOP_POLL: Milliseconds = 200;

export interface CaptureRunOptions {
  readonly machine: Machine;
  readonly spool: Spool;
  readonly capture: SpooledCapture;
  readonly spec: CaptureSpec;
  readonly stop: CaptureStop;
  readonly settings: CaptureSettings;
  /** Until when it waits; absent: it begins at once. */
  readonly gate?: StartGate | undefined;
  /** For a watch. */
  readonly start: StartCapture;
  /** What was recorded already, by a watch; absent: it records. */
  readonly dump?: RingDump | undefined;
}

/** How a capture ended, for the audit log. */
export interface CaptureEnd {
  readonly outcome: Outcome;
  readonly failure?: Failure;
  readonly commandLines: readonly string[];
  readonly cost: Cost;
}

/** Resolves when the capture is done and its log closed. @throws FailureError only when the log itself cannot be written */
export async function runCapture(options: CaptureRunOptions): Promise<CaptureEnd> {
  const { machine, spool, capture, spec, stop, settings, gate } = options;
  const cost = new CostMeter();
  const accounting = new BudgetAccounting(spec, settings.budget, cost, machine.cpuCount);
  const room = new SpoolRoom(spool, capture.log, accounting.limits.spoolBytes);
  const context = new CaptureContext({ machine, capture, stop, spool: room, settings, cost, accounting, gate });
  const guard = new BudgetGuard(context, () => room.artifactBytes);
  cost.open();
  const looks = spec.kind === 'watch' ? Math.ceil(periodOf(spec) / LOOK_INTERVAL) : 2;
  const timers = [
    startLooking(context, guard, Math.max(2, looks)),
    watchStopRequests(spool, capture.meta.captureId, stop),
  ];
  let failure: Failure | undefined;
  try {
    if (options.dump !== undefined && spec.kind === 'record') {
      await (await import('./capture/dump-run.js')).runDump(context, spec, options.dump);
    } else await runKind(context, spec, options.start);
  } catch (error) {
    const thrown = toFailure(error);
    // Stopped before there was anything to stop.
    const wasStopped = thrown.code === 'cancelled' && stop.early.aborted;
    if (!stop.discard.aborted && !wasStopped) failure = thrown;
  } finally {
    for (const timer of timers) clearInterval(timer);
    await context.endTools();
  }
  const { overBudget } = accounting;
  // What was done to it explains how it failed.
  if (failure !== undefined && overBudget !== '') {
    const remedy = 'give it more with --budget';
    failure = { code: 'exhausted', message: `over budget: ${overBudget} (${failure.message})`, remedy };
  }
  try {
    // With it goes what keeps room for the end.
    await rm(capture.work, { recursive: true, force: true });
    const outcome = outcomeOf(stop, failure);
    const told = await finish(context, outcome, failure);
    const { commandLines } = context;
    return { outcome, commandLines, cost: told, ...(failure === undefined ? {} : { failure }) };
  } finally {
    cost.close();
    await spool.finish(capture);
  }
}

/** Loaded when needed: an idle agent holds neither parsers nor symbolizer. */
async function runKind(context: CaptureContext, spec: CaptureSpec, start: StartCapture): Promise<void> {
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
    case 'watch':
      return (await import('./watch/watch-run.js')).runWatch(context, spec, start);
  }
}

function outcomeOf(stop: CaptureStop, failure: Failure | undefined): Outcome {
  if (stop.discard.aborted) return 'discarded';
  if (failure !== undefined) return 'failed';
  return stop.early.aborted ? 'stopped' : 'finished';
}

/** @returns the cost that the log tells */
async function finish(context: CaptureContext, outcome: Outcome, failure: Failure | undefined): Promise<Cost> {
  const { capture, commandLines } = context;
  const { log } = capture;
  if (outcome === 'discarded') await rm(capture.artifacts, { recursive: true, force: true });
  // The last word on what was recorded; earlier ones were up to a second old.
  if (context.state === 'running' && outcome !== 'discarded') await context.tellProgress();
  const losses = mergeLosses([context.losses]);
  if (losses.length > 0 && outcome !== 'discarded') await log.append({ kind: 'losses', losses });
  const cost = context.costSoFar();
  await log.append({ kind: 'cost', cost });
  await log.append({ kind: 'done', outcome, commandLines, ...(failure === undefined ? {} : { failure }) });
  return cost;
}

/** @param every so many looks progress is told: a watch of a day tells it once a minute */
function startLooking(context: CaptureContext, guard: BudgetGuard, every: number): NodeJS.Timeout {
  let isWriting = false;
  let looks = 0;
  return setInterval(() => {
    guard.look();
    looks++;
    if (context.state !== 'running' || isWriting || looks % every > 0) return;
    isWriting = true;
    void context
      .tellProgress()
      // A full disk is told by the next event that matters.
      .catch(() => context.stop.request('keep'))
      .finally(() => {
        isWriting = false;
      });
  }, LOOK_INTERVAL);
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
