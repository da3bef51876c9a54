// Whoever lost a job to another controller writes nothing of it any more, although it may not know yet.
import type { Transaction } from 'kysely';
import { fail } from '../../proto/failure.js';
import type { Engine } from './migrations.js';
import type { Tables } from './tables.js';

/**
 * After the change that it guards, which SQLite needs first. The job keeps its owner until the transaction has ended: whoever claims it waits,
 * and then sees the change.
 * @throws FailureError 'conflict', which undoes the change
 */
export async function checkOwner(
  change: Transaction<Tables>,
  engine: Engine,
  jobId: string,
  owner: string,
): Promise<void> {
  const query = change.selectFrom('jobs').select('owner').where('id', '=', jobId);
  const row = await (engine === 'postgres' ? query.forShare() : query).executeTakeFirst();
  if (row?.owner !== owner) throw takenOver(jobId);
}

export function takenOver(jobId: string) {
  return fail('conflict', `job ${jobId} is run by another process now`);
}
