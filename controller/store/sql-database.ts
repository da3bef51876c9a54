// A database that the stores in SQL work on, whichever engine it is.
import type { Kysely, RawBuilder, Transaction } from 'kysely';
import type { Engine } from './migrations.js';
import type { Tables } from './tables.js';

export interface SqlDatabase {
  readonly engine: Engine;
  /** The file, or the server and the database there, for messages; never with a password. */
  readonly where: string;
  /**
   * Transactions begin with a write: SQLite then waits for the lock. A transaction that reads first fails at once when another process
   * writes in between.
   */
  readonly db: Kysely<Tables>;
  /** The database's own clock, milliseconds since 1970 UTC: what controllers on several machines judge each other by. */
  readonly clock: RawBuilder<number>;
  /** Run `work`; what the database throws comes out as a FailureError that says what was `doing`. */
  guard<T>(doing: string, work: () => Promise<T>): Promise<T>;
  /** A transaction that is on the disk, also after a power failure, when it resolves: others may be forgotten by one. */
  durably<T>(work: (change: Transaction<Tables>) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
