// The ScheduleStore in SQL: one conditional update says who decides on a tick, in one transaction with what comes of it.
import type { Selectable, Transaction } from 'kysely';
import { fail } from '../../proto/failure.js';
import type { Schedule, ScheduleDefinition, ScheduleState, Tick, TickState } from '../schedule/schedule.js';
import { insertJob, parse } from './job-rows.js';
import type { NewJob, ScheduleStore } from './schedule-store.js';
import type { SqlDatabase } from './sql-database.js';
import type { ScheduleTable, ScheduleTickTable, Tables } from './tables.js';

const states: readonly ScheduleState[] = ['active', 'paused', 'ended'];
const tickStates: readonly TickState[] = ['fired', 'skipped', 'missed', 'failed'];

export function sqlScheduleStore(database: SqlDatabase): ScheduleStore {
  const { db, guard, durably, where } = database;
  /** Whether there was none of this time. */
  async function writeTick(change: Transaction<Tables>, tick: Tick): Promise<boolean> {
    const done = await change
      .insertInto('schedule_ticks')
      .values(toTickRow(tick))
      .onConflict((conflict) => conflict.columns(['schedule', 'due']).doNothing())
      .executeTakeFirst();
    return done.numInsertedOrUpdatedRows === 1n;
  }

  async function writeJobs(change: Transaction<Tables>, jobs: readonly NewJob[]): Promise<void> {
    for (const { job, runs } of jobs) await insertJob(change, database, job, runs);
  }

  return {
    add: (schedule) =>
      guard('writing down a schedule', async () => {
        const added = await db
          .insertInto('schedules')
          .values(toRow(schedule))
          .onConflict((conflict) => conflict.column('name').doNothing())
          .executeTakeFirst();
        return added.numInsertedOrUpdatedRows === 1n;
      }),

    list: () =>
      guard('reading the schedules', async () => {
        const rows = await db.selectFrom('schedules').selectAll().orderBy('name').execute();
        return rows.map((row) => toSchedule(row, where));
      }),

    byName: (name) =>
      guard('reading a schedule', async () => {
        const row = await db.selectFrom('schedules').selectAll().where('name', '=', name).executeTakeFirst();
        return row === undefined ? undefined : toSchedule(row, where);
      }),

    remove: (name) =>
      guard('deleting a schedule', () =>
        durably(async (change) => {
          const done = await change.deleteFrom('schedules').where('name', '=', name).executeTakeFirst();
          await change.deleteFrom('schedule_ticks').where('schedule', '=', name).execute();
          return done.numDeletedRows === 1n;
        }),
      ),

    setState: (name, state, nextDue) =>
      guard('writing down a schedule', async () => {
        const done = await db
          .updateTable('schedules')
          .set({ state, next_due: nextDue })
          .where('name', '=', name)
          .executeTakeFirst();
        return done.numUpdatedRows === 1n;
      }),

    due: (now) =>
      guard('looking for schedules that are due', async () => {
        const rows = await db
          .selectFrom('schedules')
          .selectAll()
          .where('state', '=', 'active')
          .where('next_due', '>', 0)
          .where('next_due', '<=', now)
          .orderBy('next_due')
          .execute();
        return rows.map((row) => toSchedule(row, where));
      }),

    decide: ({ name, due, next, ticks, jobs }) =>
      guard('deciding on a tick', () =>
        durably(async (change) => {
          const done = await change
            .updateTable('schedules')
            .set({ next_due: next, ...(next === 0 ? { state: 'ended' } : {}) })
            .where('name', '=', name)
            .where('next_due', '=', due)
            .where('state', '=', 'active')
            .executeTakeFirst();
          if (done.numUpdatedRows !== 1n) return false;
          for (const tick of ticks) await writeTick(change, tick);
          await writeJobs(change, jobs);
          return true;
        }),
      ),

    addTick: (tick, jobs) =>
      guard('writing down a tick', () =>
        durably(async (change) => {
          if (!(await writeTick(change, tick))) return false;
          await writeJobs(change, jobs);
          return true;
        }),
      ),

    ticks: (name, limit) =>
      guard('reading the ticks of a schedule', async () => {
        const rows = await db
          .selectFrom('schedule_ticks')
          .selectAll()
          .where('schedule', '=', name)
          .orderBy('due', 'desc')
          .limit(limit)
          .execute();
        return rows.map((row) => toTick(row, where));
      }),

    forgetTicks: (name, before) =>
      guard('deleting old ticks', async () => {
        await db.deleteFrom('schedule_ticks').where('schedule', '=', name).where('due', '<', before).execute();
      }),

    lease: (what, owner, now, until) =>
      guard('taking a lease', async () => {
        const done = await db
          .insertInto('leases')
          .values({ what, owner, until })
          .onConflict((conflict) =>
            conflict
              .column('what')
              .doUpdateSet({ owner, until })
              .where((row) => row.or([row('leases.until', '<', now), row('leases.owner', '=', owner)])),
          )
          .executeTakeFirst();
        return done.numInsertedOrUpdatedRows === 1n;
      }),
  };
}

function toRow({ definition, state, requester, created, nextDue }: Schedule): ScheduleTable {
  return {
    ...{ name: definition.name, definition: JSON.stringify(definition), requester, state, created },
    next_due: nextDue,
  };
}

function toSchedule(row: Selectable<ScheduleTable>, where: string): Schedule {
  const state = states.find((known) => known === row.state);
  if (state === undefined)
    throw fail('bad-data', `${where}: schedule ${row.name} has the unknown state '${row.state}'`);
  return {
    definition: parse<ScheduleDefinition>(row.definition, `${where}: schedule ${row.name}`),
    ...{ state, requester: row.requester, created: row.created, nextDue: row.next_due },
  };
}

function toTickRow({ jobId, ...tick }: Tick): ScheduleTickTable {
  return { ...tick, job_id: jobId };
}

function toTick({ job_id: jobId, ...row }: Selectable<ScheduleTickTable>, where: string): Tick {
  const state = tickStates.find((known) => known === row.state);
  if (state === undefined) throw fail('bad-data', `${where}: a tick of ${row.schedule} is '${row.state}'`);
  return { ...row, state, jobId };
}
