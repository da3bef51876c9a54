// A server whose store has no room left on its disk: nothing is lost, doubled or half done, and all goes on once there is room.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, expect, it, vi } from 'vitest';
import type { App, Job } from '../../../controller/api.js';
import { type Clock, systemClock } from '../../../controller/clock.js';
import { toFailure } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { profileLog, type Script } from '../fake-agent.js';
import { RECORD } from '../specs.js';
import { type PostgresServer, postgresServer } from '../store/postgres-server.js';
import { type SmallDisk, smallDisk } from '../store/small-disk.js';
import { type ServedApp, servedApp } from './served-app.js';

const minute = 60_000;
/** How much faster time passes for the server: it loses patience with a request after half a second, with a job after six. */
const speed = 20;
const fast: Clock = {
  now: () => systemClock.now(),
  monotonic: () => speed * systemClock.monotonic(),
  sleep: (time, signal) => systemClock.sleep(time / speed, signal),
};

/** Of some MiB, also packed: more than any page that happens to be free has room for. */
const profile = drawProfile(
  Array.from(
    { length: 40_000 },
    (_, i) => `main;f${((i + 1) * 2_654_435_761) % 2 ** 32};g${(i * 40_503) % 65_536} ${i + 1}`,
  ).join('\n'),
);

interface FullStore {
  /** As `--store` takes it. */
  readonly name: string;
  readonly disk: SmallDisk;
  /** Takes all room, also what a log that is written again from its beginning would have. */
  fill(): Promise<void>;
  close(): Promise<void>;
}

async function onSqlite(): Promise<FullStore> {
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-full-'));
  const disk = await smallDisk(directory, 40 * 1024 ** 2);
  const file = join(directory, 'perftrawl.db');
  return {
    ...{ name: `sqlite:${file}`, disk },
    async fill() {
      const database = new Database(file, { timeout: 0 });
      const cut = () =>
        expect(database.pragma('wal_checkpoint(TRUNCATE)')).toEqual([{ busy: 0, log: 0, checkpointed: 0 }]);
      try {
        await vi.waitFor(cut, minute);
      } finally {
        database.close();
      }
      await disk.fill();
    },
    async close() {
      await disk.unmount();
      await rm(directory, { recursive: true });
    },
  };
}

async function onPostgres(hasLog = false): Promise<FullStore & { readonly postgres: PostgresServer }> {
  const postgres = await postgresServer([], { bytes: 120 * 1024 ** 2, hasLog });
  const { disk } = postgres;
  if (disk === undefined) throw new Error('it has no disk of its own');
  const fill = () => disk.fill();
  return { name: await postgres.newStore(), disk, fill, postgres, close: () => postgres.close() };
}

let store: FullStore;
let served: ServedApp;
let remote: App;
/** What the captures of a host wait for. */
let gates: Record<string, { readonly opened: Promise<void>; open: () => void }>;

function gated(name: string): Script {
  let open: () => void = () => undefined;
  gates[name] = { opened: new Promise((resolve) => (open = resolve)), open: () => open() };
  return async ({ emit }) => {
    const [first, ...rest] = profileLog(profile);
    emit(first);
    await gates[name].opened;
    emit({ kind: 'progress', elapsed: 1, samples: 1, bytes: 1, lost: 0 }, ...rest);
  };
}

/** A server with these hosts, on a store with a disk of its own. */
async function serve(hosts: readonly string[], make: () => Promise<FullStore>): Promise<void> {
  gates = {};
  store = await make();
  const scripts = Object.fromEntries(hosts.map((name) => [name, gated(name)]));
  served = await servedApp(scripts, { store: store.name, clock: fast });
  remote = await served.remote(await served.token('ada', 'admin'));
}
afterEach(async () => {
  await served.close();
  await store.close();
});

async function submitted(): Promise<Job> {
  const job = await remote.submit({
    ...{ spec: RECORD, hosts: remote.hosts(''), selectorText: '', requester: 'me', maxParallel: 8, note: '' },
    grace: 10 * minute,
  });
  await vi.waitFor(
    async () => expect(new Set(Object.values(await statesOf(job)))).toEqual(new Set(['running'])),
    minute,
  );
  return job;
}

/** Each host captured once, to its end; its result is there, and so are the entries of the audit log, once. */
async function isWhole({ id }: Job): Promise<void> {
  await vi.waitFor(async () => expect((await served.app.job(id)).state).toBe('succeeded'), minute);
  const agents = Object.entries(served.agents);
  for (const [host, agent] of agents) {
    expect((await served.app.profile(id, host))?.samples).toEqual(profile.samples);
    expect(agent.calls.filter((call) => /^(start|stop|discard)/.test(call))).toEqual([`start ${id}.${host}`]);
  }
  const entries = await served.app.auditLogs.entries({ since: 0, who: '', jobId: id, host: '', limit: 100 });
  const ends = agents.map(() => 'host-run-ended');
  expect(entries.map(({ what }) => what).sort()).toEqual([...ends, 'job-ended', 'submit-job']);
  expect((await served.app.auditLogs.verify()).problems).toEqual([]);
  expect(served.log.filter(({ event }) => event === 'defect')).toEqual([]);
}

const statesOf = async ({ id }: Job) =>
  Object.fromEntries((await served.app.hostRuns(id)).map(({ host, state }) => [host, state]));

const engines = [
  ['SQLite', onSqlite],
  ['PostgreSQL', onPostgres],
] as const;

it.each(engines)(
  'finishes a job whose results found no room: at once, and when the server had let go of it, on %s',
  async (_engine, make) => {
    await serve(['first', 'second', 'third'], () => make());
    const job = await submitted();
    const arrives = async (host: string) =>
      vi.waitFor(async () => expect((await statesOf(job))[host]).toBe('succeeded'), minute);
    gates.first.open();
    await arrives('first');

    await store.fill();
    gates.second.open();
    await vi.waitFor(
      () => expect(served.told).toContainEqual(expect.stringMatching(/^waiting for the store: .*make room/s)),
      minute,
    );
    expect((await statesOf(job)).second).toMatch(/^(running|fetching)$/);
    await store.disk.makeRoom();
    await arrives('second');
    expect(served.log.filter(({ event }) => event === 'job-failed')).toEqual([]);

    await store.fill();
    gates.third.open();
    const failure = expect.objectContaining({ code: 'exhausted', remedy: expect.stringContaining('make room') });
    await vi.waitFor(
      () => expect(served.log).toContainEqual(expect.objectContaining({ event: 'job-failed', failure })),
      minute,
    );
    await vi.waitFor(
      () => expect(served.log.some(({ event }) => event === 'job-taken-over' || event === 'jobs-not-read')).toBe(true),
      minute,
    );
    expect((await served.app.job(job.id)).state).toMatch(/^(running|interrupted)$/);
    await store.disk.makeRoom();
    await isWhole(job);
  },
  5 * minute,
);

it(
  'finishes a job although PostgreSQL stopped, because its log found no room, and is started again',
  async () => {
    const own = await onPostgres(true);
    const { postgres } = own;
    await serve(['only'], async () => own);
    const job = await submitted();
    await store.fill();
    const useLog = async (): Promise<void> => {
      for (;;) await postgres.query('begin; select pg_current_xact_id(); commit; select pg_switch_wal()');
    };
    await expect(useLog()).rejects.toThrow();
    expect(postgres.said('PANIC')).toBeGreaterThan(0);
    gates.only.open();
    await vi.waitFor(async () => expect(await served.app.health()).toMatchObject({ code: 'unreachable' }), minute);
    await store.disk.makeRoom();
    await postgres.start();
    await isWhole(job);
  },
  5 * minute,
);

it.each(engines)(
  'does a request and writes it down, or refuses it and does neither, on %s',
  async (_engine, make) => {
    await serve(['idle'], () => make());
    await store.fill();
    const done: string[] = [];
    let refused: string | undefined;
    // Some still find room on a page that is there already.
    for (let i = 0; i < 500 && refused === undefined; i++) {
      const name = `team${i}`;
      const outcome = await remote.teams.set({ name, weight: 1, mostJobs: i, mostHosts: 0 }).catch(toFailure);
      if ('code' in outcome) {
        refused = name;
        expect(outcome).toMatchObject({
          code: 'exhausted',
          message: expect.stringMatching(/no space|full/i),
          remedy: expect.stringContaining('make room'),
        });
      } else done.push(name);
    }
    expect(refused).toBeDefined();
    await store.disk.makeRoom();
    const known = (await served.app.teams.list()).map(({ name }) => name).filter((name) => /^team\d/.test(name));
    const entries = await served.app.auditLogs.entries({ since: 0, who: '', jobId: '', host: '', limit: 1000 });
    const told = entries.filter(({ what, failure }) => what === 'set-team' && failure === undefined);
    expect(known.sort()).toEqual(done.toSorted());
    expect(told.map(({ subject }) => subject).filter((name) => name !== refused)).toEqual(done);
    expect((await served.app.auditLogs.verify()).problems).toEqual([]);
    await remote.teams.set({ name: String(refused), weight: 1, mostJobs: 0, mostHosts: 0 });
  },
  2 * minute,
);
