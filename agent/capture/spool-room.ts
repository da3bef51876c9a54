// How much one capture may still spool: what the spool of all captures has left, and what its own budget has.
import { fail } from '../../proto/failure.js';

/** Of all captures. */
interface SharedRoom {
  readonly room: number;
  reserve(bytes: number): void;
}

export class SpoolRoom {
  readonly #shared: SharedRoom;
  readonly #log: { readonly size: number };
  readonly #limit: number;
  /** Bytes of this capture's artifacts. */
  artifactBytes = 0;

  /** @param limit bytes of log and artifacts; 0: as many as the spool takes */
  constructor(shared: SharedRoom, log: { readonly size: number }, limit: number) {
    this.#shared = shared;
    this.#log = log;
    this.#limit = limit;
  }

  /** Bytes that may still be spooled. */
  room(): number {
    const own = this.#limit === 0 ? Number.POSITIVE_INFINITY : this.#limit - this.#log.size - this.artifactBytes;
    return Math.max(0, Math.min(own, this.#shared.room));
  }

  /** Room for a part of an artifact. @throws FailureError `exhausted` */
  readonly reserve = (bytes: number): void => {
    if (this.#limit > 0 && this.#log.size + this.artifactBytes + bytes > this.#limit) {
      throw fail(
        'exhausted',
        `the capture has reached the ${this.#limit} bytes that it may spool`,
        'give it more with --budget spool=…, or keep no raw data',
      );
    }
    this.#shared.reserve(bytes);
    this.artifactBytes += bytes;
  };
}
