// How a running capture is told to end early.
import type { StopRequest } from '../spool/spool.js';

export class CaptureStop {
  readonly #early = new AbortController();
  readonly #discard = new AbortController();

  /** Aborted at any stop: perf and reading end, and what there is goes on. */
  get early(): AbortSignal {
    return this.#early.signal;
  }

  /** Aborted when nothing is to be kept: everything ends. */
  get discard(): AbortSignal {
    return this.#discard.signal;
  }

  request(request: StopRequest): void {
    if (request === 'discard') this.#discard.abort();
    this.#early.abort();
  }
}
