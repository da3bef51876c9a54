// SystemTap modules for the hosts of a job: compiled once per kernel on the build host, cached, and put on each host.
import { createHash } from 'node:crypto';
import type { AgentApi } from '../../proto/agent-api.js';
import type { Milliseconds, ModulePart, ModuleRef, StapPlan, StapSpec } from '../../proto/capture.js';
import { type FailureError, fail, toFailure } from '../../proto/failure.js';
import { MAX_MODULE_BYTES, MAX_MODULE_PART_BYTES } from '../../proto/stap-codec.js';
import type { Host } from '../api.js';
import type { Clock } from '../clock.js';
import type { Agents } from '../fleet/host-pool.js';
import { askingRetries } from '../transport/retry.js';
import { withDeadline } from './deadline.js';
import { type TaskQueue, taskQueue } from './fan-out.js';
import { type BuiltModule, type ModuleCache, sha256Of } from './module-cache.js';
import { runnablePlan } from './stap-fit.js';

export interface ModuleSupplyOptions {
  readonly buildHost: Host;
  readonly cache: ModuleCache;
  readonly agents: Agents;
  readonly clock: Clock;
  /** Ends builds that are under way: of the job, not of one host, for other hosts may wait for the same module. */
  readonly signal: AbortSignal;
}

/** stap with debuginfo takes seconds to minutes; on an emulated machine more. */
const buildTimeout: Milliseconds = 15 * 60_000;
/** For one part, and for short questions. */
const askTimeout: Milliseconds = 30_000;
const buildsAtOnce = 2;

/** Changes whenever modules made before shall not be used any more. */
const keyVersion = 1;

export class ModuleSupply {
  readonly #options: ModuleSupplyOptions;
  readonly #queue: TaskQueue = taskQueue(buildsAtOnce);
  /** Failed ones too: what cannot be compiled for one host is not tried again for the next. */
  readonly #modules = new Map<string, Promise<BuiltModule>>();
  #stapVersion: Promise<string> | undefined;

  constructor(options: ModuleSupplyOptions) {
    this.#options = options;
  }

  /**
   * Have the module of `spec` on `host`. The build host compiles for itself.
   * @throws FailureError why this host gets none
   */
  async supply(host: Host, spec: StapSpec, signal: AbortSignal): Promise<ModuleRef | undefined> {
    const { buildHost } = this.#options;
    const plan = runnablePlan(
      spec,
      await this.#ask(host, 'checking the capture on', signal, (api, limited) => api.preflight(spec, limited)),
    );
    if (host.name === buildHost.name) return undefined;
    const module = await unlessAborted(
      () => this.#module(spec, plan),
      signal,
      `waiting for the module for ${host.name}`,
    );
    await this.#put(host, module, signal);
    return { sha256: module.sha256, size: module.bytes.length, variant: plan.variant };
  }

  async #module(spec: StapSpec, plan: StapPlan): Promise<BuiltModule> {
    const key = moduleKey(spec, plan, await this.#buildHostVersion());
    const known = this.#modules.get(key);
    if (known !== undefined) return known;
    const building = this.#find(key, spec, plan);
    this.#modules.set(key, building);
    return building;
  }

  async #find(key: string, spec: StapSpec, plan: StapPlan): Promise<BuiltModule> {
    const { cache, buildHost, signal } = this.#options;
    const cached = await cache.find(key);
    if (cached !== undefined) return cached;
    const about = `${plan.script}${plan.variant === '' ? '' : ` (${plan.variant})`} for ${plan.kernelRelease} ${plan.machine}`;
    const module = await this.#queue.add(async () => {
      signal.throwIfAborted();
      try {
        return await this.#build(spec, plan);
      } catch (error) {
        const { code, message, remedy } = toFailure(error);
        throw fail(code, `${about} cannot be compiled on ${buildHost.name}: ${message}`, remedy, error);
      }
    });
    await cache.put(key, module, about);
    return module;
  }

  async #build(spec: StapSpec, plan: StapPlan): Promise<BuiltModule> {
    const { agents, clock, buildHost, signal } = this.#options;
    const request = { spec: forAnyHost(spec), plan };
    return withDeadline(clock, buildTimeout, signal, `compiling on ${buildHost.name}`, (limited) =>
      agents.ask(buildHost, askingRetries, limited, (api, attempt) => collect(api.buildModule(request, attempt))),
    );
  }

  /** Part by part; what is there already is not sent again. */
  async #put(host: Host, { bytes, sha256 }: BuiltModule, signal: AbortSignal): Promise<void> {
    const put = (offset: number, data: Uint8Array): Promise<number> =>
      this.#ask(host, 'sending the module to', signal, (api, limited) =>
        api.putModule({ sha256, size: bytes.length, offset, data }, limited),
      );
    let there = await put(0, new Uint8Array());
    while (there !== bytes.length) {
      if (!Number.isSafeInteger(there) || there < 0 || there > bytes.length) throw unruly(host, there, bytes.length);
      const after = await put(there, bytes.subarray(there, there + MAX_MODULE_PART_BYTES));
      if (after <= there) throw unruly(host, after, bytes.length);
      there = after;
    }
  }

  /** Another stap makes other modules. */
  #buildHostVersion(): Promise<string> {
    const { buildHost, signal } = this.#options;
    this.#stapVersion ??= this.#ask(buildHost, 'asking the build host', signal, (api, limited) =>
      api.describe(limited),
    ).then(
      ({ tools }) => tools.find(({ name }) => name === 'stap')?.version ?? '',
      (error: unknown) => {
        const { code, message, remedy } = toFailure(error);
        throw fail(code, `the build host ${buildHost.name} does not answer: ${message}`, remedy, error);
      },
    );
    return this.#stapVersion;
  }

  #ask<T>(
    host: Host,
    doing: string,
    signal: AbortSignal,
    question: (api: AgentApi, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { agents, clock } = this.#options;
    return withDeadline(clock, askTimeout, signal, `${doing} ${host.name}`, (limited) =>
      agents.ask(host, askingRetries, limited, question),
    );
  }
}

/**
 * Lower-case hex. Parameters of catalogue scripts are given when the module is started; the arguments of a script
 * of the request are compiled in.
 */
export function moduleKey(spec: StapSpec, plan: StapPlan, stapVersion: string): string {
  const { script, overheadPercent } = spec;
  const parts = [
    ...[keyVersion, stapVersion, plan.kernelBuildId, plan.kernelRelease, plan.machine],
    ...[plan.scriptSha256, plan.variant, overheadPercent],
    script.from === 'catalogue' ? [] : [script.arguments, script.isGuru],
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Which processes of a host are watched is not compiled in. */
function forAnyHost(spec: StapSpec): StapSpec {
  const { module: _, ...rest } = spec;
  return { ...rest, target: { kind: 'system' } };
}

/** @throws FailureError 'bad-data' when it is damaged, 'exhausted' when it is too large */
async function collect(parts: AsyncIterable<ModulePart>): Promise<BuiltModule> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const { data, end } of parts) {
    size += data.length;
    if (size > MAX_MODULE_BYTES) {
      throw fail('exhausted', `the module has more than ${MAX_MODULE_BYTES} bytes`, 'probe less in one script');
    }
    pieces.push(data);
    if (end === undefined) continue;
    const bytes = Buffer.concat(pieces);
    const sha256 = sha256Of(bytes);
    if (end.size === size && end.sha256 === sha256) return { bytes, sha256 };
    throw fail('bad-data', `the module arrived damaged: its SHA-256 is ${sha256}, not ${end.sha256}`, 'try again');
  }
  throw fail('unreachable', `the module ended at byte ${size} without its SHA-256`, 'try again');
}

function unruly(host: Host, there: number, size: number): FailureError {
  return fail(
    'bad-data',
    `the agent on ${host.name} says that it has ${there} of the ${size} bytes of a module`,
    'update perftrawl on that host',
  );
}

/** The work goes on for others. */
async function unlessAborted<T>(work: () => Promise<T>, signal: AbortSignal, doing: string): Promise<T> {
  signal.throwIfAborted();
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(fail('cancelled', `${doing}: cancelled`));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
