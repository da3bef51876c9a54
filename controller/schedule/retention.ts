// What is kept of the results of schedules: old ones are merged into hours and days, the oldest are deleted.
import { toFailure } from '../../proto/failure.js';
import type { Audit } from '../audit/audit.js';
import type { Clock } from '../clock.js';
import type { ControlStore, StoredJob } from '../store/control-store.js';
import type { SampleStore } from '../store/sample-store.js';
import type { ScheduleStore } from '../store/schedule-store.js';
import { localClock } from './local-clock.js';
import type { MergeJobs } from './merged-job.js';
import type { Retention, Schedule } from './schedule.js';

export interface RetentionOptions {
  readonly store: ScheduleStore;
  readonly control: ControlStore;
  readonly samples: Pick<SampleStore, 'bytesOf'>;
  /** Several jobs into one, which is stored in their place; undefined when that is done already or cannot be. */
  readonly merge: MergeJobs;
  readonly deleteJob: (id: string) => Promise<void>;
  readonly audit: Audit;
  readonly clock: Clock;
  /** Names this server among those of one store. */
  readonly owner: string;
  readonly log: (text: string) => void;
}

const leaseTime = 10 * 60_000;
const page = 500;
const hour = 3_600_000;
const endedStates = ['succeeded', 'partial', 'failed', 'cancelled'] as const;

/** Once over all schedules that say what is to be kept. */
export async function keepWhatIsToBeKept(options: RetentionOptions, signal: AbortSignal): Promise<void> {
  const { store, clock, owner, log } = options;
  for (const schedule of await store.list()) {
    const { name, retention } = schedule.definition;
    if (signal.aborted) return;
    if (Object.keys(retention).length === 0) continue;
    const now = clock.now();
    if (!(await store.lease(`retention of ${name}`, owner, now, now + leaseTime))) continue;
    try {
      await keep(schedule, options, signal);
    } catch (error) {
      log(`results of schedule ${name}: ${toFailure(error).message}`);
    } finally {
      await store.lease(`retention of ${name}`, owner, now, 0);
    }
  }
}

async function keep(schedule: Schedule, options: RetentionOptions, signal: AbortSignal): Promise<void> {
  const { name, retention, timeZone } = schedule.definition;
  const { hoursAfter, daysAfter } = retention;
  const now = options.clock.now();
  if (hoursAfter !== undefined) {
    await mergeOld(
      await endedJobs(name, options),
      'hour',
      (job) => hourOf(job.created),
      now - hoursAfter,
      options,
      signal,
    );
  }
  if (daysAfter !== undefined) {
    const clock = localClock(timeZone);
    const day = (job: StoredJob) => clock.at(job.created).date;
    await mergeOld(await endedJobs(name, options), 'day', day, now - daysAfter, options, signal);
  }
  for (const [job, why] of await tooMuch(await endedJobs(name, options), retention, now, options)) {
    if (signal.aborted) return;
    await options.audit.append({
      who: `schedule ${name}`,
      what: 'delete-job',
      jobId: job.id,
      detail: { retention: why },
    });
    await options.deleteJob(job.id);
  }
}

/** All jobs of a bucket become one when every one of them is old enough, so that a bucket is merged once. */
async function mergeOld(
  jobs: readonly StoredJob[],
  tier: 'hour' | 'day',
  bucketOf: (job: StoredJob) => string,
  before: number,
  options: RetentionOptions,
  signal: AbortSignal,
): Promise<void> {
  const buckets = new Map<string, StoredJob[]>();
  for (const job of jobs) {
    const tierOf = job.request.merged?.tier;
    if (tierOf === 'day' || tierOf === tier) continue;
    if (job.state !== 'succeeded' && job.state !== 'partial') continue;
    // Only what was captured alike is merged: a schedule of the same name may have been another one.
    const key = `${bucketOf(job)}\0${JSON.stringify(job.request.spec)}`;
    buckets.set(key, [...(buckets.get(key) ?? []), job]);
  }
  const newest = new Map<string, number>();
  for (const job of jobs) newest.set(bucketOf(job), Math.max(newest.get(bucketOf(job)) ?? 0, job.created));
  for (const group of buckets.values()) {
    if (signal.aborted) return;
    const bucket = bucketOf(group[0]);
    if ((newest.get(bucket) ?? 0) >= before || bucketOf({ ...group[0], created: before }) === bucket) continue;
    const merged = await options.merge(tier, bucket, group);
    for (const id of merged) await options.deleteJob(id);
  }
}

/** The oldest first, with the reason. */
async function tooMuch(
  newestFirst: readonly StoredJob[],
  { count, age, bytes }: Retention,
  now: number,
  { samples }: RetentionOptions,
): Promise<[StoredJob, string][]> {
  const goes: [StoredJob, string][] = [];
  let size = 0;
  for (const [index, job] of newestFirst.entries()) {
    if (bytes !== undefined) size += await samples.bytesOf(job.id);
    if (count !== undefined && index >= count) goes.push([job, `more than ${count} jobs`]);
    else if (age !== undefined && job.ended < now - age) goes.push([job, `older than ${age} ms`]);
    else if (bytes !== undefined && size > bytes) goes.push([job, `more than ${bytes} bytes`]);
  }
  return goes.reverse();
}

/** The newest first. */
async function endedJobs(schedule: string, { control }: RetentionOptions): Promise<StoredJob[]> {
  const jobs: StoredJob[] = [];
  for (;;) {
    const after = jobs.at(-1);
    const next = await control.jobs({
      schedule,
      states: endedStates,
      limit: page,
      ...(after === undefined ? {} : { after }),
    });
    jobs.push(...next);
    if (next.length < page) return jobs;
  }
}

function hourOf(time: number): string {
  return new Date(Math.floor(time / hour) * hour).toISOString().slice(0, 13);
}
