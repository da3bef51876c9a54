// Tells agents which captures they may delete. What a host could not be told is noted in the store, and told when it is next reached.
import type { AgentApi } from '../../proto/agent-api.js';
import type { Milliseconds } from '../../proto/capture.js';
import { FailureError, toFailure } from '../../proto/failure.js';
import type { Host, HostRun } from '../api.js';
import type { Clock } from '../clock.js';
import type { Agents, DeliveryListener } from '../fleet/host-pool.js';
import type { ReleaseStore } from '../store/release-store.js';
import type { RetryTable } from '../transport/retry.js';
import { withDeadline } from './deadline.js';

export interface PendingReleasesOptions {
  readonly agents: Agents;
  readonly store: ReleaseStore;
  readonly clock: Clock;
}

const releaseTimeout: Milliseconds = 10_000;
/** Of one host, at one connection. */
const mostAtOnce = 200;

/** Nothing in here ever fails a job: what is not released now is released later, and at last by the agent itself. */
export class PendingReleases implements Agents {
  readonly #options: PendingReleasesOptions;
  /** Connections over which everything was told. */
  readonly #told = new WeakSet<AgentApi>();
  readonly #telling = new Set<Promise<void>>();

  constructor(options: PendingReleasesOptions) {
    this.#options = options;
  }

  /**
   * Before the end of its host run is written down: a controller that is killed in between leaves nothing at the host for long.
   * Artifacts stay at the agent until the job is deleted.
   */
  async note(host: Host, run: HostRun): Promise<void> {
    const { store, clock } = this.#options;
    const { jobId, captureId } = run;
    await store.note({ jobId, host: host.name, address: host.address, captureId }, clock.now());
  }

  /** Now. What cannot be told stays noted. */
  async release(host: Host, captureId: string): Promise<'released' | 'running' | 'untold'> {
    const told = await this.#askToRelease(host, captureId);
    if (told === 'released') await this.#options.store.forget(captureId);
    return told;
  }

  /** Now, or when the host is next reached. */
  async drop(host: Host, run: HostRun): Promise<void> {
    await this.note(host, run);
    await this.release(host, run.captureId);
  }

  /** As of the agents below; then the host is told what it was not told before, once per connection. */
  async ask<T>(
    host: Host,
    retries: RetryTable,
    signal: AbortSignal,
    ask: (api: AgentApi, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.#options.agents.ask(host, retries, signal, async (api, attempt) => {
      const answer = await ask(api, attempt);
      if (!this.#told.has(api)) {
        this.#told.add(api);
        const telling = this.#tell(host, api).finally(() => this.#telling.delete(telling));
        this.#telling.add(telling);
      }
      return answer;
    });
  }

  api(host: Host): Promise<AgentApi> {
    return this.#options.agents.api(host);
  }

  watchDelivery(host: Host, listener: DeliveryListener): () => void {
    return this.#options.agents.watchDelivery(host, listener);
  }

  discard(host: Host, api: AgentApi): Promise<void> {
    return this.#options.agents.discard(host, api);
  }

  /** What is being told is told; each host has seconds for it. */
  async settle(): Promise<void> {
    await Promise.all(this.#telling);
  }

  async #tell(host: Host, api: AgentApi): Promise<void> {
    try {
      for (const captureId of await this.#options.store.releasable(host.name, host.address, mostAtOnce)) {
        const told = await this.release(host, captureId);
        // Asked again over the same connection, when it has ended.
        if (told === 'running') this.#told.delete(api);
        if (told === 'untold') return;
      }
    } catch (error) {
      // The store is full or locked: it is still noted, and told another time.
      if (!(error instanceof FailureError)) throw error;
    }
  }

  async #askToRelease(host: Host, captureId: string): Promise<'released' | 'running' | 'untold'> {
    const { agents, clock } = this.#options;
    const never = new AbortController().signal;
    try {
      return await withDeadline(clock, releaseTimeout, never, `releasing a capture on ${host.name}`, (limited) =>
        agents.ask(host, {}, limited, async (api, signal) => {
          try {
            // False when it is not there any more, which is as good.
            await api.releaseCapture(captureId, signal);
            return 'released';
          } catch (error) {
            if (toFailure(error).code !== 'refused') throw error;
            // It still runs, and nobody will fetch it.
            await api.stopCapture(captureId, true, signal);
            return 'running';
          }
        }),
      );
    } catch (error) {
      if (error instanceof FailureError) return 'untold';
      throw error;
    }
  }
}
