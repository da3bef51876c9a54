// The JobQueueStore in SQL: one row is the turn, and whoever has written it is the only one who chooses.
import type { Kysely } from 'kysely';
import { PRIORITIES } from '../api.js';
import type { JobQueueStore, QueueState, TeamAccount } from './job-queue-store.js';
import type { SqlDatabase } from './sql-database.js';
import type { Tables } from './tables.js';

export function sqlJobQueue({ db, guard, durably, clock }: SqlDatabase): JobQueueStore {
  return {
    state: () => guard('reading the queue', () => readState(db)),

    take: (owner, now, choose) =>
      guard('taking a job from the queue', async () => {
        // Mostly nothing waits: then nothing is written.
        const waiting = await db.selectFrom('jobs').select('id').where('state', '=', 'queued').limit(1).execute();
        if (waiting.length === 0) return undefined;
        return durably(async (change) => {
          await change
            .updateTable('queue_turn')
            .set((row) => ({ taken: row('taken', '+', 1) }))
            .execute();
          const state = await readState(change);
          const turn = choose(state);
          if (turn === undefined) return undefined;
          const done = await change
            .updateTable('jobs')
            .set({ state: 'running', owner, owner_seen: clock, started: now })
            .where('id', '=', turn.id)
            .where('state', '=', 'queued')
            .executeTakeFirst();
          if (done.numUpdatedRows !== 1n) return undefined;
          await change
            .insertInto('teams')
            .values({ name: turn.team, weight: 1, most_jobs: 0, most_hosts: 0, pass: turn.pass })
            .onConflict((conflict) => conflict.column('name').doUpdateSet({ pass: turn.pass }))
            .execute();
          await change.updateTable('queue_turn').set({ virtual: turn.virtual }).execute();
          return turn.id;
        });
      }),

    teams: () => guard('reading the teams', async () => (await readTeams(db)).map(({ pass: _own, ...team }) => team)),

    setTeam: (team) =>
      guard('writing down a team', async () => {
        const { name, weight, mostJobs: most_jobs, mostHosts: most_hosts } = team;
        const quota = { weight, most_jobs, most_hosts };
        await db
          .insertInto('teams')
          .values({ name, ...quota, pass: 0 })
          .onConflict((conflict) => conflict.column('name').doUpdateSet(quota))
          .execute();
      }),

    resetTeam: (name) =>
      guard('writing down a team', async () => {
        const done = await db
          .updateTable('teams')
          .set({ weight: 1, most_jobs: 0, most_hosts: 0 })
          .where('name', '=', name)
          .where((row) => row.or([row('weight', '<>', 1), row('most_jobs', '<>', 0), row('most_hosts', '<>', 0)]))
          .executeTakeFirst();
        return done.numUpdatedRows === 1n;
      }),
  };
}

async function readState(db: Kysely<Tables>): Promise<QueueState> {
  const queued = await db
    .selectFrom('jobs')
    .select(['id', 'team', 'priority', 'created', 'not_before', 'hosts', 'serial', 'cancel_requested'])
    .where('state', '=', 'queued')
    .execute();
  const running = await db
    .selectFrom('jobs')
    .select(['team', 'hosts', 'serial'])
    .where('state', '=', 'running')
    .execute();
  const turn = await db.selectFrom('queue_turn').select('virtual').executeTakeFirst();
  return {
    queued: queued.map((row) => ({
      ...{ id: row.id, team: row.team, priority: PRIORITIES[row.priority] ?? 'normal', created: row.created },
      ...{ notBefore: row.not_before, hosts: row.hosts, serial: row.serial },
      isCancelRequested: row.cancel_requested === 1,
    })),
    running,
    teams: await readTeams(db),
    virtual: turn?.virtual ?? 0,
  };
}

async function readTeams(db: Kysely<Tables>): Promise<TeamAccount[]> {
  const rows = await db.selectFrom('teams').selectAll().orderBy('name').execute();
  return rows.map(({ name, weight, most_jobs, most_hosts, pass }) => {
    return { name, weight, mostJobs: most_jobs, mostHosts: most_hosts, pass };
  });
}
