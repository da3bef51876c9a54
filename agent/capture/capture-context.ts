// What every kind of capture works with while it runs.
import type { Loss } from '../../profile/loss.js';
import type { CaptureState, Milliseconds } from '../../proto/capture.js';
import type { Machine } from '../host/machine.js';
import { commandLine } from '../perf/target-args.js';
import type { Policy } from '../policy/policy.js';
import { type RunningTool, startTool, type ToolOptions, type ToolResult } from '../process.js';
import type { SpooledCapture } from '../spool/spool.js';
import type { CaptureStop } from './capture-stop.js';
import { CostMeter } from './cost-meter.js';

export interface SpoolRoom {
  /** Bytes that may still be spooled. */
  room(): number;
  /** @throws FailureError `exhausted` */
  reserve(bytes: number): void;
}

/** What is counted while perf runs. */
export interface Progress {
  readonly samples: number;
  readonly bytes: number;
  readonly lost: number;
}

/** perf ends by itself after the duration; this much later it is ended. */
export const TOOL_SLACK: Milliseconds = 60_000;

/** What the agent was set up with. */
export interface CaptureSettings {
  readonly policy: Policy;
  readonly stateDirectory: string;
}

export interface CaptureContextOptions {
  readonly machine: Machine;
  readonly capture: SpooledCapture;
  readonly stop: CaptureStop;
  readonly spool: SpoolRoom;
  readonly settings: CaptureSettings;
  /** False for a part of a kit of which another part gives the one profile of the capture. True when left out. */
  readonly hasProfile?: boolean;
  /** Told of each state in place of the log: parts of a kit have no log of their own. */
  readonly onState?: (state: CaptureState, detail: string) => Promise<void>;
}

export class CaptureContext {
  readonly machine: Machine;
  readonly capture: SpooledCapture;
  readonly stop: CaptureStop;
  readonly spool: SpoolRoom;
  readonly cost = new CostMeter();
  readonly commandLines: string[] = [];
  readonly losses: Loss[] = [];
  /** Replaced by the run of each kind. */
  progress: () => Progress = () => ({ samples: 0, bytes: 0, lost: 0 });
  readonly settings: CaptureSettings;
  readonly hasProfile: boolean;
  readonly #onState: (state: CaptureState, detail: string) => Promise<void>;
  readonly #running = new Set<RunningTool>();
  /** Of a kit, which tells the progress of all its parts. */
  readonly #isPart: boolean;
  #state: CaptureState = 'resolving';

  constructor(options: CaptureContextOptions) {
    const { machine, capture, stop, spool, settings } = options;
    this.machine = machine;
    this.capture = capture;
    this.stop = stop;
    this.spool = spool;
    this.settings = settings;
    this.hasProfile = options.hasProfile ?? true;
    this.#isPart = options.onState !== undefined;
    this.#onState = options.onState ?? ((state, detail) => capture.log.append({ kind: 'state', state, detail }));
  }

  get state(): CaptureState {
    return this.#state;
  }

  async enter(state: CaptureState, detail: string): Promise<void> {
    const hasRecorded = this.#state === 'running' && state !== 'running';
    this.#state = state;
    if (hasRecorded && !this.#isPart) await this.tellProgress();
    await this.#onState(state, detail);
  }

  async tellProgress(): Promise<void> {
    const { samples, bytes, lost } = this.progress();
    await this.capture.log.append({ kind: 'progress', elapsed: Math.round(this.cost.elapsed), samples, bytes, lost });
  }

  /** Count a tool that was run to its end elsewhere. */
  addTool(argv: readonly string[], result: ToolResult): void {
    this.commandLines.push(commandLine(argv));
    this.cost.addTool(result);
  }

  /** Start a tool whose command line and cost are written into the result. */
  async start(argv: readonly string[], options: ToolOptions): Promise<RunningTool> {
    const tool = await startTool(argv, options);
    this.commandLines.push(commandLine(argv));
    this.#running.add(tool);
    const done = tool.done.then((result: ToolResult) => {
      this.#running.delete(tool);
      this.cost.addTool(result);
      return result;
    });
    return { ...tool, done };
  }

  /** Whatever still runs when the capture ends (it failed half-way) ends with it. */
  async endTools(): Promise<void> {
    for (const tool of this.#running) {
      tool.stop();
      tool.stdout.destroy();
      tool.log?.destroy();
      await tool.done;
    }
  }
}
