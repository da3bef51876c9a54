// Which job a request has made, for a client that asks again because the answer was lost: a lease of the job on the key, for a day.
import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import { type FailureError, fail } from '../../proto/failure.js';
import type { RepeatableRequest } from '../job-request.js';
import type { Tables } from './tables.js';

type Clock = RawBuilder<number>;

/** Milliseconds. */
const keptFor = 24 * 3_600_000;
/** In `leases.what` before the key; in `leases.owner` the job's id is before the hash of what was asked for, after a space. */
const prefix = 'request ';

/** The job that this request has made or asked for; undefined when there is none. @throws FailureError 'conflict' for another request */
export async function findRequest(
  db: Kysely<Tables>,
  clock: Clock,
  request: RepeatableRequest,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('leases')
    .select('owner')
    .where('what', '=', prefix + request.key)
    .where('until', '>=', clock)
    .executeTakeFirst();
  return row === undefined ? undefined : jobIn(row.owner, request);
}

/**
 * Write down that a request is for a job, unless it was for one before. Whoever claims the same one in another transaction waits for the
 * end of this one. The first write of its transaction.
 * @returns the id of the job that it is for: `jobId`, or that of the first time
 * @throws FailureError 'conflict' when the key was used for another request
 */
export async function claimRequest(
  change: Transaction<Tables>,
  clock: Clock,
  request: RepeatableRequest,
  jobId: string,
): Promise<string> {
  const what = prefix + request.key;
  const mine = { owner: `${jobId} ${request.sha256}`, until: sql<number>`${clock} + ${keptFor}` };
  const done = await change
    .insertInto('leases')
    .values({ what, ...mine })
    .onConflict((conflict) => conflict.column('what').doUpdateSet(mine).where('leases.until', '<', clock))
    .executeTakeFirst();
  if (done.numInsertedOrUpdatedRows === 1n) return jobId;
  // The row is locked, though nothing was written: it is still there.
  const row = await change.selectFrom('leases').select('owner').where('what', '=', what).executeTakeFirstOrThrow();
  return jobIn(row.owner, request);
}

/** Keys of a job go with it. */
export async function forgetRequestsOf(change: Transaction<Tables>, jobId: string): Promise<void> {
  await keys(change).where('owner', '>=', `${jobId} `).where('owner', '<', `${jobId}!`).execute();
}

export async function forgetOldRequests(db: Kysely<Tables>, clock: Clock): Promise<void> {
  await keys(db).where('until', '<', clock).execute();
}

/** `!` comes after the space of the prefix. */
function keys(db: Kysely<Tables>) {
  return db.deleteFrom('leases').where('what', '>=', prefix).where('what', '<', `${prefix.trimEnd()}!`);
}

function jobIn(owner: string, { sha256 }: RepeatableRequest): string {
  const [jobId, asked] = owner.split(' ');
  if (asked === sha256) return jobId;
  throw otherRequest(jobId);
}

function otherRequest(jobId: string): FailureError {
  return fail(
    'conflict',
    `this Idempotency-Key belongs to another request, which was for job ${jobId}`,
    'give each request a new key, and the same one only to what is sent again unchanged',
  );
}
