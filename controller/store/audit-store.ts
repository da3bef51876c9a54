// The lines of the controller's audit log as they are kept: appended by several processes, never changed, never deleted.
import type { ChainEnd } from '../../proto/audit-chain.js';

export interface StoredAuditLine {
  readonly sequence: number;
  readonly line: string;
}

/** Makes the line that follows `end`, and the end that it makes. */
export type NextLine = (end: ChainEnd) => { readonly line: string; readonly end: ChainEnd };

/** Methods reject with the failures of a ControlStore. */
export interface AuditStore {
  /** On disk, once, when it resolves, however often it had to be tried; one at a time over all processes. */
  append(next: NextLine): Promise<void>;
  /** At most `limit` after `after`, in order. */
  lines(after: number, limit: number): Promise<readonly StoredAuditLine[]>;
  /** Where the chain ends, as written down with each line. */
  head(): Promise<ChainEnd>;
}
