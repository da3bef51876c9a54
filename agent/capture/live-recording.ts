// perf's stream, read while it records, to one raw profile. Where the budget asks for it, perf is ended and started anew at a lower rate.
import type { Milliseconds, RecordSpec } from '../../proto/capture.js';
import { FailureError } from '../../proto/failure.js';
import type { Resolution } from '../host/resolve-target.js';
import { recordArguments } from '../perf/record-args.js';
import type { ObjectKeeper } from '../symbolize/object-keeper.js';
import { againWhenGone, stillThere } from './again-when-gone.js';
import { type CaptureContext, type Progress, TOOL_SLACK } from './capture-context.js';
import { joinRecordings } from './joined-recording.js';
import { type LowerRate, lowerRate } from './lower-rate.js';
import type { RecordingTimes } from './profile-pipeline.js';
import { type ProfileSource, perfDataSource, type RawProfile } from './profile-source.js';
import { RawRecording } from './raw-recording.js';
import { checkRecordEnd, RecordingTime, recordHost } from './record-end.js';

export const PERF_DATA = 'perf.data';
export const PERF_DATA_TYPE = 'application/x-perf-data';

/** Nothing is begun anew for less. */
const SHORTEST_PIECE: Milliseconds = 500;

export interface LiveRecording extends RecordingTimes {
  readonly raw: RawProfile;
}

/** @throws FailureError when perf gave nothing */
export async function recordPieces(
  context: CaptureContext,
  spec: RecordSpec,
  resolution: Resolution,
  perf: string,
  keeper: ObjectKeeper,
): Promise<LiveRecording> {
  const live = new Live(context, spec, resolution, perf, keeper);
  try {
    return await live.record();
  } finally {
    context.lowerRate = undefined;
  }
}

class Live {
  readonly #context: CaptureContext;
  readonly #spec: RecordSpec;
  readonly #resolution: Resolution;
  readonly #perf: string;
  readonly #keeper: ObjectKeeper;
  readonly #start = performance.now();
  readonly #pieces: RawProfile[] = [];
  #counted: Progress = { samples: 0, bytes: 0, lost: 0 };
  #recorded: Milliseconds = 0;
  /** What the next piece is to be recorded at, once this one has ended. */
  #next: (LowerRate & { readonly why: string; readonly at: Milliseconds }) | undefined;

  constructor(context: CaptureContext, spec: RecordSpec, resolution: Resolution, perf: string, keeper: ObjectKeeper) {
    this.#context = context;
    this.#spec = spec;
    this.#resolution = resolution;
    this.#perf = perf;
    this.#keeper = keeper;
  }

  async record(): Promise<LiveRecording> {
    const context = this.#context;
    const startTime = context.machine.now();
    await this.#piece(this.#spec, this.#resolution);
    for (let now = this.#spec; ; ) {
      const next = this.#next;
      if (next === undefined || context.stop.early.aborted) break;
      if (this.#left() < SHORTEST_PIECE) {
        const detail = `ended at ${(next.at / 1000).toFixed(1)} s to go on at a lower rate, which perf took too long for; ${next.why}`;
        context.losses.push({ kind: 'out-of-budget', count: 1, detail });
        break;
      }
      const lost = `${((this.#elapsed() - next.at) / 1000).toFixed(1)} s in between were not recorded`;
      const detail = `rate lowered ${next.told} at ${(next.at / 1000).toFixed(1)} s, ${next.why}; ${lost}`;
      context.losses.push({ kind: 'out-of-budget', count: 1, detail });
      this.#next = undefined;
      now = { ...now, rate: next.rate };
      if (!(await this.#furtherPiece(now))) break;
    }
    return { raw: joinRecordings(this.#pieces), startTime, duration: this.#recorded };
  }

  /** Of the processes that there are now. False when perf could not go on: what there is is not lost for that. */
  async #furtherPiece(spec: RecordSpec): Promise<boolean> {
    const context = this.#context;
    try {
      await againWhenGone(true, async () => {
        const resolution = context.resolve(stillThere(context.machine, spec.target));
        await this.#piece({ ...spec, duration: Math.max(SHORTEST_PIECE, this.#left()) }, resolution);
      });
      return true;
    } catch (error) {
      if (!(error instanceof FailureError) || context.stop.discard.aborted) throw error;
      const detail = `perf record could not be started anew: ${error.failure.message}`;
      context.losses.push({ kind: 'out-of-budget', count: 1, detail });
      return false;
    }
  }

  async #piece(spec: RecordSpec, { target, detail: found }: Resolution): Promise<void> {
    const context = this.#context;
    const source = perfDataSource(spec.detail, this.#keeper);
    context.progress = () => sumOf(this.#counted, source);
    const time = new RecordingTime(context, spec.duration);
    const argv = recordArguments(spec, target, '-', recordHost(context, this.#perf));
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
      // A recording that is kept as perf wrote it is one file.
      if (raw === undefined) {
        context.lowerRate = (factor, why) => {
          if (this.#next !== undefined || this.#left() < SHORTEST_PIECE) return false;
          const lower = lowerRate(spec, factor);
          if (lower === undefined) return false;
          this.#next = { ...lower, why, at: this.#elapsed() };
          time.stop();
          tool.stop();
          return true;
        };
      }
      if (context.state !== 'running') await context.enter('running', found);
      await tool.taken;
      const result = await tool.done;
      context.lowerRate = undefined;
      const recorded = time.end();
      checkRecordEnd(context, result, target, source.samples > 0);
      this.#recorded += recorded;
      context.stop.discard.throwIfAborted();
      await raw?.finish();
    } catch (error) {
      time.end();
      await raw?.discard();
      throw error;
    }
    const counted = sumOf(this.#counted, source);
    this.#counted = counted;
    context.progress = () => counted;
    this.#pieces.push(source.end());
  }

  #left(): Milliseconds {
    return Math.round(this.#spec.duration - this.#elapsed());
  }

  #elapsed(): Milliseconds {
    return performance.now() - this.#start;
  }
}

function sumOf(a: Progress, b: Progress | ProfileSource): Progress {
  return { samples: a.samples + b.samples, bytes: a.bytes + b.bytes, lost: a.lost + b.lost };
}
