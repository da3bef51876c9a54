// Decides on the ticks of schedules when they are due. Several servers may run it on one store: each tick is decided on once.
import { type Failure, toFailure } from '../../proto/failure.js';
import type { Host, JobRequest, TriggerCause } from '../api.js';
import type { Clock } from '../clock.js';
import type { ControlStore } from '../store/control-store.js';
import type { NewJob, ScheduleStore } from '../store/schedule-store.js';
import { openCalendar } from './calendar.js';
import { dueTicks } from './due-ticks.js';
import type { Schedule, Tick } from './schedule.js';
import { tickJob } from './tick-job.js';

export interface SchedulerOptions {
  readonly store: ScheduleStore;
  readonly control: Pick<ControlStore, 'jobs'>;
  readonly hosts: (selectorText: string) => readonly Host[];
  /** A queued job that is not written down yet. @throws FailureError 'bad-request' */
  readonly newJob: (request: JobRequest) => NewJob;
  /** End a job, for the one that comes instead of it. */
  readonly cancel: (jobId: string) => void;
  /** Have the watches fire that run on these hosts. */
  readonly fireWatches: (hosts: ReadonlySet<string>, cause: TriggerCause) => void;
  /** Why somebody may not have jobs run any more; undefined when he may. */
  readonly refusalOf: (requester: string) => Promise<Failure | undefined>;
  readonly clock: Clock;
  /** What nobody asked for and somebody should know. */
  readonly log: (text: string) => void;
}

/** Ticks of a schedule that are remembered. */
const mostTicks = 5000;

/** Decide on everything that is due now. @returns how many schedules were, as far as this one decided */
export async function decideDue(options: SchedulerOptions): Promise<number> {
  const { store, clock, log } = options;
  let decided = 0;
  for (const schedule of await store.due(clock.now())) {
    try {
      if (await decide(schedule, options)) decided++;
    } catch (error) {
      // The others go on: what is wrong with this one may be wrong with it alone, and it is tried again.
      log(`schedule ${schedule.definition.name}: ${toFailure(error).message}`);
    }
  }
  return decided;
}

async function decide(schedule: Schedule, options: SchedulerOptions): Promise<boolean> {
  const { store, control, clock, cancel } = options;
  const { definition, nextDue } = schedule;
  const { name, overlap } = definition;
  const decided = clock.now();
  const { fire, missed, next } = dueTicks(definition, openCalendar(definition), nextDue, decided);
  const refusal = fire.length === 0 ? undefined : await options.refusalOf(schedule.requester);
  const before = fire.length === 0 ? [] : await openJobs(control, name);
  let open = before;
  const ticks: Tick[] = [];
  const jobs: NewJob[] = [];
  const plain = { schedule: name, jobId: '', count: 1, decided };
  if (missed !== undefined) {
    const { first, last, count } = missed;
    const reason = `no server decided on ${count === 1 ? 'it' : 'them'} in time`;
    ticks.push({ ...plain, due: first, last, count, state: 'missed', reason });
  }
  for (const due of fire) {
    const tick = { ...plain, due, last: due };
    if (refusal !== undefined) {
      ticks.push({ ...tick, state: 'failed', reason: refusal.message });
    } else if (overlap === 'skip' && open.length > 0) {
      ticks.push({ ...tick, state: 'skipped', reason: `job ${open[0]} has not ended` });
    } else {
      try {
        const made = options.newJob(tickJob(schedule, { hosts: options.hosts, due }));
        jobs.push(made);
        open = [made.job.id];
        const late = decided - due > definition.tolerance ? 'made up for' : '';
        ticks.push({ ...tick, state: 'fired', reason: late, jobId: made.job.id });
      } catch (error) {
        ticks.push({ ...tick, state: 'failed', reason: toFailure(error).message });
      }
    }
  }
  if (!(await store.decide({ name, due: nextDue, next: next ?? 0, ticks, jobs }))) return false;
  if (overlap === 'cancel' && jobs.length > 0) for (const id of before) cancel(id);
  const remembered = await store.ticks(name, mostTicks + 1);
  if (remembered.length > mostTicks) await store.forgetTicks(name, remembered[mostTicks - 1].due);
  return true;
}

/** Jobs of a schedule that have not ended, the newest first. */
export async function openJobs(control: SchedulerOptions['control'], schedule: string): Promise<string[]> {
  const states = ['awaiting-approval', 'queued', 'running'] as const;
  return (await control.jobs({ schedule, states, limit: 100 })).map(({ id }) => id);
}
