// Captures that agents may delete and have not been told so yet.
import type { Address } from '../api.js';

/** A capture on a host, as the host was reached when it was made. */
export interface HeldCapture {
  readonly jobId: string;
  readonly host: string;
  readonly address: Address;
  readonly captureId: string;
}

/** Methods reject with the failures of a ControlStore. */
export interface ReleaseStore {
  /** Once per capture, however often it is called. @param now milliseconds since 1970 UTC */
  note(capture: HeldCapture, now: number): Promise<void>;
  /** Done, or not to be done any more. */
  forget(captureId: string): Promise<void>;
  /** Noted captures of a host whose host run has ended or is no more: nobody will fetch them. The oldest first. */
  releasable(host: string, address: Address, limit: number): Promise<readonly string[]>;
}
