// The schedules of a store, for whoever adds, lists, pauses or runs them.
import { type FailureError, fail } from '../../proto/failure.js';
import type { Host, Job, JobRequest, RepeatableRequest } from '../api.js';
import type { ScheduleStore } from '../store/schedule-store.js';
import { openCalendar } from './calendar.js';
import { checkSchedule } from './check-schedule.js';
import type { Schedule, Schedules } from './schedule.js';
import { tickJob } from './tick-job.js';

export interface StoredSchedulesOptions {
  readonly store: ScheduleStore;
  readonly now: () => number;
  readonly hosts: (selectorText: string) => readonly Host[];
  readonly submit: (request: JobRequest, repeatable?: RepeatableRequest) => Promise<Job>;
  /** The job that a request has made before; undefined when it has not. */
  readonly submitted: (repeatable: RepeatableRequest) => Promise<Job | undefined>;
  /** @throws FailureError 'bad-request' for a job that could not be */
  readonly check: (request: JobRequest) => void;
}

const mostNext = 1000;
const mostSchedules = 10_000;

export function storedSchedules(options: StoredSchedulesOptions): Schedules {
  const { store, now, hosts, submit, submitted, check } = options;

  async function get(name: string): Promise<Schedule> {
    const schedule = await store.byName(name);
    if (schedule === undefined) throw unknown(name);
    return schedule;
  }

  return {
    async add(definition, requester) {
      const created = now();
      const calendar = checkSchedule(definition, created);
      const nextDue = calendar.nextAfter(created) ?? 0;
      const schedule: Schedule = { definition, state: 'active', requester, created, nextDue };
      check(tickJob(schedule, { hosts, due: created }));
      if ((await store.list()).length >= mostSchedules) {
        throw fail(
          'exhausted',
          `there are ${mostSchedules} schedules already`,
          'remove some: perftrawl schedule rm NAME',
        );
      }
      if (await store.add(schedule)) return schedule;
      throw fail(
        'conflict',
        `there is a schedule ${definition.name} already`,
        'choose another name, or remove that one',
      );
    },
    list: () => store.list(),
    get,
    async remove(name) {
      if (!(await store.remove(name))) throw unknown(name);
    },
    async pause(name) {
      const schedule = await get(name);
      if (schedule.state === 'ended') throw fail('conflict', `schedule ${name} has ended`);
      await store.setState(name, 'paused', 0);
      return get(name);
    },
    async resume(name) {
      const schedule = await get(name);
      const { definition, state } = schedule;
      if (state === 'active') return schedule;
      const next = definition.timing.kind === 'alert' ? 0 : openCalendar(definition).nextAfter(now());
      if (next === undefined) throw fail('conflict', `schedule ${name} is never due again`, 'add a new one');
      await store.setState(name, 'active', next);
      return get(name);
    },
    async runNow(name, requester, repeatable) {
      const schedule = await get(name);
      const cause = `asked for by ${requester}`;
      const job =
        (repeatable === undefined ? undefined : await submitted(repeatable)) ??
        (await submit(tickJob(schedule, { hosts, due: now(), requester, cause, isNow: true }), repeatable));
      // Of a job that was made before the tick is there already, unless the answer was lost before that.
      const { due = job.created } = job.request.schedule ?? {};
      const plain = { schedule: name, due, last: due, count: 1, decided: due };
      await store.addTick({ ...plain, state: 'fired', reason: cause, jobId: job.id }, []);
      return job.id;
    },
    async next(name, count) {
      const { definition, state, nextDue } = await get(name);
      if (state !== 'active') return [];
      const calendar = openCalendar(definition);
      const times: number[] = [];
      for (let time = nextDue || undefined; time !== undefined && times.length < Math.min(count, mostNext); ) {
        times.push(time);
        time = calendar.nextAfter(time);
      }
      return times;
    },
    async history(name, limit) {
      return store.ticks((await get(name)).definition.name, limit);
    },
  };
}

function unknown(name: string): FailureError {
  return fail('not-found', `there is no schedule '${name.slice(0, 80)}'`, '`perftrawl schedule ls` lists them');
}
