// Copies of a store say the same as it did, whichever engines: backup, restore, move there and back; and never onto what is there already.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { storedAudit } from '../../../controller/audit/audit.js';
import type { WrittenEntry } from '../../../controller/audit/audit-entry.js';
import { sqlAuditStore } from '../../../controller/store/sql-audit-store.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import { type CopyReport, type StoreUpkeep, storeUpkeep } from '../../../controller/upkeep/store-upkeep.js';
import { toFailure } from '../../../proto/failure.js';
import { encodeProfile } from '../../../proto/profile-codec.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawSeries } from '../draw-histogram.js';
import { job, run } from '../store/control-store-contract.js';
import { onEveryEngine, open } from '../store/every-engine.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-upkeep-'));
});
afterAll(() => rm(directory, { recursive: true }));

const { signal } = new AbortController();
const quiet = () => undefined;
let files = 0;
const newFile = () => join(directory, `${++files}.db`);

async function kept<T>(store: string, use: (upkeep: StoreUpkeep) => Promise<T>): Promise<T> {
  const upkeep = storeUpkeep(await open(store), { open, who: 'ölaf@ws', now: () => 7 });
  try {
    return await use(upkeep);
  } finally {
    await upkeep.close();
  }
}

/** Jobs that have ended, with results of each kind. */
async function fill(store: string, jobs = 90): Promise<void> {
  const database = await open(store);
  const control = sqlControlStore(database);
  for (let i = 0; i < jobs; i++) {
    const id = `j${i}`;
    await control.createJob(job(id), [run(id, 'db'), run(id, 'wéb')]);
    await control.updateHostRun({ ...run(id, 'db'), state: 'succeeded', ended: i + 0.25 });
    const chunks = [...encodeProfile(drawProfile(`main;f${i} ${i + 1}`))];
    const text = [{ time: 1, number: 1, stream: 'stdout', text: '\u0000ü' } as const];
    await sqlSampleStore(database).put(
      { jobId: id, host: 'db' },
      { chunks, series: undefined, histograms: drawSeries('1:1'), text },
    );
    await control.finishJob(id, 'me', 'partial', i);
  }
  await database.close();
}

const withoutAudit = ({ tables }: CopyReport) => tables.filter(({ name }) => !name.startsWith('audit'));

async function newestEntry(database: SqlDatabase): Promise<WrittenEntry> {
  let newest: WrittenEntry | undefined;
  for await (const entry of storedAudit(sqlAuditStore(database), () => 0).entries(0)) newest = entry;
  return newest ?? expect.fail('the log is empty');
}

const failureOf = async (promise: Promise<unknown>) =>
  toFailure(
    await promise.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error,
    ),
  );

onEveryEngine((_engine, ground) => {
  it('is backed up, and restored into the other engine and back, with the same contents', async () => {
    const store = await ground.newStore();
    await fill(store);
    const sound = await kept(store, (upkeep) => upkeep.check());
    expect(sound).toMatchObject({ problems: [], audit: { lines: 270, problems: [] } });
    const backup = newFile();
    const made = await kept(store, (upkeep) => upkeep.backup(backup, quiet, signal));
    expect(made.audit).toMatchObject({ lines: 270, problems: [] });
    // One file that needs no other beside it.
    expect((await readdir(directory)).filter((name) => join(directory, name).startsWith(backup))).toHaveLength(1);
    const bytes = await readFile(backup);
    const restored = await ground.newStore();
    const there = await kept(restored, (upkeep) => upkeep.restore(backup, false, quiet, signal));
    const moved = `sqlite:${newFile()}`;
    const back = await kept(restored, (upkeep) => upkeep.migrate(moved, quiet, signal));
    const again = await kept(moved, async (upkeep) => upkeep.migrate(await ground.newStore(), quiet, signal));
    expect(withoutAudit(back)).toEqual(withoutAudit(there));
    expect(withoutAudit(again)).toEqual(withoutAudit(there));
    expect(there.tables.find(({ name }) => name === 'profile_chunks')).toMatchObject({ rows: 180 });
    expect((await readFile(backup)).equals(bytes)).toBe(true);
    // Each copy says of what it is one, and where the log ended that came with it.
    const { end } = sound.audit;
    const rows = there.tables.reduce((sum, table) => sum + table.rows, 0);
    const tables = there.tables.map(({ name, rows: count, sha256 }) => `${name} ${count} ${sha256}\n`).join('');
    const sha256 = createHash('sha256').update(tables).digest('hex');
    const copy = await open(restored);
    expect(await newestEntry(copy)).toEqual({
      ...{ sequence: 271, time: 7, who: 'ölaf@ws', what: 'restore-store', subject: backup },
      detail: { rows, tables: there.tables.length, sha256, log: end },
    });
    expect(there.audit).toMatchObject({ lines: 271, problems: [] });
    const migrated = await open(moved);
    expect(await newestEntry(migrated)).toMatchObject({
      ...{ sequence: 272, what: 'migrate-store', subject: copy.where, detail: { log: there.audit.end } },
    });
    await migrated.close();
    expect(await sqlControlStore(copy).jobs({ limit: 200 })).toHaveLength(90);
    // What the database numbers itself goes on after what was copied.
    await sqlSampleStore(copy).put(
      { jobId: 'new', host: 'db' },
      { chunks: [], series: undefined, histograms: drawSeries('2:2'), text: [] },
    );
    await expect(copy.db.deleteFrom('audit').execute()).rejects.toThrow('never deleted');
    await copy.close();
  });

  it('is not restored over jobs, unless that is said; then it is what the backup was', async () => {
    const [small, large] = [await ground.newStore(), await ground.newStore()];
    await fill(small, 2);
    await fill(large, 5);
    const backup = newFile();
    await kept(small, (upkeep) => upkeep.backup(backup, quiet, signal));
    const restore = (isForced: boolean) => kept(large, (upkeep) => upkeep.restore(backup, isForced, quiet, signal));
    expect(await failureOf(restore(false))).toMatchObject({
      code: 'conflict',
      remedy: expect.stringContaining('--force'),
    });
    expect((await kept(large, (upkeep) => upkeep.info())).jobs).toEqual({ partial: 5 });
    const { end } = (await kept(large, (upkeep) => upkeep.check())).audit;
    expect((await restore(true)).audit).toMatchObject({ lines: 7, problems: [] });
    const database = await open(large);
    expect((await newestEntry(database)).detail).toMatchObject({ replaced: end, log: { sequence: 6 } });
    await database.close();
    expect((await kept(large, (upkeep) => upkeep.info())).jobs).toEqual({ partial: 2 });
  });

  it('is not copied onto a store or a file that is there, while jobs run, or in part', async () => {
    const [from, to] = [await ground.newStore(), await ground.newStore()];
    await fill(from, 50);
    await fill(to, 1);
    expect(await failureOf(kept(from, (upkeep) => upkeep.migrate(to, quiet, signal)))).toMatchObject({
      code: 'conflict',
    });
    const backup = newFile();
    await kept(from, (upkeep) => upkeep.backup(backup, quiet, signal));
    expect(await failureOf(kept(from, (upkeep) => upkeep.backup(backup, quiet, signal)))).toMatchObject({
      code: 'conflict',
    });
    const empty = await ground.newStore();
    const stop = new AbortController();
    const cut = kept(from, (upkeep) =>
      upkeep.migrate(empty, ({ table }) => table === 'host_runs' && stop.abort(), stop.signal),
    );
    expect(await failureOf(cut)).toMatchObject({ code: 'cancelled' });
    const { tables } = await kept(empty, (upkeep) => upkeep.info());
    expect(tables.filter(({ name, rows }) => rows > 0 && !['audit_head', 'queue_turn'].includes(name))).toEqual([]);
    const database = await open(from);
    await sqlControlStore(database).createJob(job('runs'), []);
    await database.close();
    expect(await failureOf(kept(from, (upkeep) => upkeep.migrate(empty, quiet, signal)))).toMatchObject({
      ...{ code: 'conflict', message: expect.stringContaining('runs') },
    });
  });
});
