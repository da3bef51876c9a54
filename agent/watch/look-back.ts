// What a watch keeps of the time before it fires: a recording into rings, written out at each firing.
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Milliseconds, RecordSpec } from '../../proto/capture.js';
import { fail, toFailure } from '../../proto/failure.js';
import { type CaptureContext, TOOL_SLACK } from '../capture/capture-context.js';
import { recordHost } from '../capture/record-end.js';
import type { Resolution } from '../host/resolve-target.js';
import { ringArguments, ringPages } from '../perf/ring-args.js';
import { describeEnd, type RunningTool } from '../process.js';
import { makePrivateDirectory } from '../spool/private-directory.js';

/** What perf wrote of its rings. */
export interface RingDump {
  readonly file: string;
  /** What is asked for begins then: nanoseconds of CLOCK_MONOTONIC. */
  readonly since: number;
  /** The firing; nanoseconds of CLOCK_MONOTONIC, and milliseconds since 1970 UTC. */
  readonly until: number;
  readonly time: number;
}

/** Share of the memory that the capture may use, or of what it may by default. */
const MEMORY_SHARE = 0.25;
const DEFAULT_MEMORY = 512 * 1024 ** 2;
/** How long perf may take to write its rings. */
const PATIENCE: Milliseconds = 15_000;
const LOOK: Milliseconds = 50;
const NAME = 'ring.data';

export class LookBack {
  readonly #context: CaptureContext;
  readonly #lookBack: Milliseconds;
  readonly #directory: string;
  readonly #tool: RunningTool;
  #said = '';
  #hasEnded = false;
  #dumps = 0;

  /** @param spec `duration` is how long the rings have to hold @param watched how long it goes on */
  static async begin(
    context: CaptureContext,
    spec: RecordSpec,
    resolution: Resolution,
    watched: Milliseconds,
    perf: string,
    signal: AbortSignal,
  ): Promise<LookBack> {
    const directory = join(context.capture.work, 'ring');
    await makePrivateDirectory(directory);
    const host = recordHost(context, perf);
    const memory = (context.accounting.limits.memoryBytes || DEFAULT_MEMORY) * MEMORY_SHARE;
    const pages = ringPages(spec, memory, host);
    const argv = ringArguments({ ...spec, duration: watched }, resolution.target, join(directory, NAME), pages, host);
    let look: LookBack | undefined;
    const tool = await context.start(argv, {
      ...{ signal, deadline: watched + TOOL_SLACK, isTethered: true, cwd: directory },
      onStderr: (chunk) => look?.hear(chunk),
    });
    look = new LookBack(context, spec.duration, directory, tool);
    tool.stdout.resume();
    return look;
  }

  private constructor(context: CaptureContext, lookBack: Milliseconds, directory: string, tool: RunningTool) {
    this.#context = context;
    this.#lookBack = lookBack;
    this.#directory = directory;
    this.#tool = tool;
    void tool.done.then((result) => {
      this.#hasEnded = true;
      if (result.wasStopped || result.code === 0 || result.code === 124) return;
      const detail = `nothing is kept of the time before firings any more: perf record ended by ${describeEnd(result)}`;
      context.losses.push({ kind: 'out-of-budget', count: 1, detail });
    });
  }

  /** What perf says. */
  hear(chunk: Uint8Array): void {
    this.#said = (this.#said + Buffer.from(chunk).toString('latin1')).slice(-4096);
  }

  /** What the rings hold now; undefined, and a loss, when there is nothing to be had. */
  async dump(): Promise<RingDump | undefined> {
    const until = Number(process.hrtime.bigint());
    const time = this.#context.machine.now();
    try {
      const file = await this.#written();
      return { file, since: until - this.#lookBack * 1e6, until, time };
    } catch (error) {
      const detail = `nothing was kept of the time before a firing: ${toFailure(error).message}`;
      this.#context.losses.push({ kind: 'out-of-budget', count: 1, detail });
      return undefined;
    }
  }

  async #written(): Promise<string> {
    this.#said = '';
    if (this.#hasEnded) throw fail('tool-failed', 'perf record has ended');
    process.kill(this.#tool.pid, 'SIGUSR2');
    for (const until = performance.now() + PATIENCE; ; await sleep(LOOK)) {
      // Said when the file is complete.
      const name = /Dump (?:\S*\/)?(ring\.data\.\d+) \]/.exec(this.#said)?.[1];
      if (name !== undefined) {
        const file = join(this.#directory, `dump-${++this.#dumps}`);
        await rename(join(this.#directory, name), file);
        return file;
      }
      if (this.#hasEnded) throw fail('tool-failed', 'perf record has ended');
      if (performance.now() > until)
        throw fail('deadline', `perf record did not write its rings in ${PATIENCE / 1000} s`);
    }
  }

  /** Its last dump, which perf writes when it ends, is not wanted. */
  async end(): Promise<void> {
    this.#tool.stop();
    await this.#tool.done;
    for (const name of await readdir(this.#directory)) {
      if (name.startsWith(NAME)) await rm(join(this.#directory, name), { force: true });
    }
  }
}
