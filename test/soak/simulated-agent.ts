// An agent whose captures are simulated and whose words are real: it starts each id once, tells its log, and writes down what it was asked.
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentApi } from '../../proto/agent-api.js';
import type { CaptureEvent, CaptureEventBody, CaptureInfo, CaptureState, Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { encodeProfile } from '../../proto/profile-codec.js';
import { drawProfile } from '../profile/draw-profile.js';

/** What was asked of a host about one capture id, by all controllers together. */
export interface CaptureRecord {
  readonly host: string;
  readonly captureId: string;
  /** How often it began: asking again for one that is there does not count. */
  readonly begun: number;
  /** How often it was asked for again while it was there. */
  readonly repeated: number;
  /** How often it was deleted. */
  readonly released: number;
  readonly stopped: number;
  readonly isLeft: boolean;
}

/** Weight of the one stack of each host, which has its name: in a merged result each host is counted by itself. */
export const HOST_WEIGHT = 3;

interface Counts {
  begun: number;
  repeated: number;
  released: number;
  stopped: number;
}

interface Capture {
  readonly started: number;
  /** Of the monotonic clock. */
  readonly ends: number;
  readonly log: readonly CaptureEvent[];
}

export class SimulatedAgent {
  readonly name: string;
  readonly api: AgentApi;
  readonly #captures = new Map<string, Capture>();
  readonly #counts = new Map<string, Counts>();

  constructor(name: string) {
    this.name = name;
    this.api = {
      ...{ describe: unasked, listProcesses: unasked, preflight: unasked, triggerCapture: unasked },
      ...{ listScripts: unasked, putModule: unasked, readHealth: unasked },
      ...{ fetchArtifact: untold, buildModule: untold, readAudit: untold },
      startCapture: async ({ captureId, spec }) => ({
        isNew: this.#start(captureId, 'duration' in spec ? spec.duration : 0),
      }),
      followCapture: (captureId, from, signal) => this.#follow(captureId, from, signal),
      stopCapture: async (captureId) => this.#stop(captureId),
      listCaptures: async () => [...this.#captures].map(([captureId, capture]) => infoOf(captureId, capture)),
      releaseCapture: async (captureId) => this.#release(captureId),
    };
  }

  get records(): readonly CaptureRecord[] {
    return [...this.#counts].map(([captureId, counts]) => ({
      ...{ host: this.name, captureId, ...counts },
      isLeft: this.#captures.has(captureId),
    }));
  }

  #countsOf(captureId: string): Counts {
    const counts = this.#counts.get(captureId) ?? { begun: 0, repeated: 0, released: 0, stopped: 0 };
    this.#counts.set(captureId, counts);
    return counts;
  }

  #start(captureId: string, duration: Milliseconds): boolean {
    const counts = this.#countsOf(captureId);
    if (this.#captures.has(captureId)) {
      counts.repeated++;
      return false;
    }
    counts.begun++;
    const started = Date.now();
    this.#captures.set(captureId, { started, ends: performance.now() + duration, log: logOf(this.name, started) });
    return true;
  }

  /** The first entry is there at once, the others when the capture has ended. */
  async *#follow(captureId: string, from: number, signal: AbortSignal): AsyncGenerator<CaptureEvent> {
    const { log, ends } = this.#get(captureId);
    if (from <= 1) yield log[0];
    await sleep(Math.max(0, ends - performance.now()), undefined, { signal });
    yield* log.slice(Math.max(from, 2) - 1);
  }

  #stop(captureId: string): CaptureState {
    this.#countsOf(captureId).stopped++;
    return infoOf(captureId, this.#get(captureId)).state;
  }

  #release(captureId: string): boolean {
    const capture = this.#captures.get(captureId);
    if (capture === undefined) return false;
    if (isRunning(capture)) throw fail('refused', `capture ${captureId} is running`);
    this.#captures.delete(captureId);
    this.#countsOf(captureId).released++;
    return true;
  }

  #get(captureId: string): Capture {
    const capture = this.#captures.get(captureId);
    if (capture === undefined) throw fail('not-found', `there is no capture ${captureId}`);
    return capture;
  }
}

function logOf(host: string, started: number): CaptureEvent[] {
  const profile = drawProfile(`main;${host} ${HOST_WEIGHT}`, { startTime: started });
  const cost = { toolCpu: 10, agentCpu: 20, peakMemoryBytes: 1e6, recordedBytes: 500, spooledBytes: 100, wall: 110 };
  const bodies: CaptureEventBody[] = [
    { kind: 'state', state: 'running', detail: '' },
    { kind: 'state', state: 'symbolizing', detail: '' },
    ...[...encodeProfile(profile)].map((chunk) => ({ kind: 'profile-chunk', chunk }) as const),
    { kind: 'losses', losses: [] },
    { kind: 'cost', cost },
    { kind: 'done', outcome: 'finished', commandLines: ['perf record'] },
  ];
  return bodies.map((body, at) => ({ sequence: at + 1, time: started, body }));
}

function infoOf(captureId: string, capture: Capture): CaptureInfo {
  const { started, log } = capture;
  const state = isRunning(capture) ? 'running' : 'done';
  return { captureId, kind: 'record', state, started, lastSequence: log.length, spooledBytes: 100 };
}

function isRunning({ ends }: Capture): boolean {
  return performance.now() < ends;
}

function unasked(): Promise<never> {
  return Promise.reject(fail('bad-request', 'simulated agents only capture'));
}

function untold(): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: unasked }) };
}
