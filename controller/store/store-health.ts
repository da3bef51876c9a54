// Whether the store can be used at present, for whoever asks all the time.
import { sql } from 'kysely';
import type { Milliseconds } from '../../proto/capture.js';
import { type Failure, toFailure } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import type { SqlDatabase } from './sql-database.js';

/** An answer is good for so long. */
const fresh: Milliseconds = 1_000;
/** A store that says nothing for so long counts as away. */
const patience: Milliseconds = 3_000;

/** Undefined when it is well. */
export function storeHealth(database: SqlDatabase, clock: Clock): () => Promise<Failure | undefined> {
  let asked: { readonly at: Milliseconds; readonly answer: Promise<Failure | undefined> } | undefined;

  async function ask(): Promise<Failure | undefined> {
    const over = new AbortController();
    const probe = database
      .guard('looking whether the store is well', () => sql`select 1`.execute(database.db))
      .then(
        () => undefined,
        (error: unknown) => toFailure(error),
      );
    const silence = clock.sleep(patience, over.signal).then((): Failure => {
      const message = `the store (${database.where}) has not answered for ${patience} ms`;
      return { code: 'unreachable', message, remedy: '' };
    });
    try {
      return await Promise.race([probe, silence]);
    } finally {
      over.abort();
    }
  }

  return () => {
    const now = clock.monotonic();
    if (asked === undefined || now - asked.at >= fresh) asked = { at: now, answer: ask() };
    return asked.answer;
  };
}
