// The file of SQLite: versions, damage, several processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newestVersion } from '../../../controller/store/migrations.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import { openSqlite } from '../../../controller/store/sqlite-database.js';
import { toFailure } from '../../../proto/failure.js';
import { bundleProgram } from '../bundle-program.js';
import { drawSeries } from '../draw-histogram.js';
import { STAT } from '../specs.js';
import { job as aJob } from './control-store-contract.js';
import { makeFileOfVersion1 } from './first-version.js';

/** What version 9 and those after it have made. */
function undoQueue(raw: Database.Database): void {
  raw.exec('drop index jobs_by_schedule; drop index jobs_without_terms; drop index host_runs_by_host');
  for (const column of ['started', 'team', 'priority', 'not_before', 'hosts', 'serial', 'schedule', 'is_indexed']) {
    raw.exec(`alter table jobs drop column ${column}`);
  }
  raw.exec('alter table users drop column team; alter table jobs drop column stop_requested');
  const tables = ['job_terms', 'teams', 'queue_turn', 'schedules', 'schedule_ticks', 'leases'];
  for (const table of [...tables, 'capture_totals', 'total_names']) raw.exec(`drop table ${table}`);
}

describe('the database file', () => {
  let directory: string;
  let file: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'perftrawl-store-'));
    file = join(directory, 'sub', 'perftrawl.db');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('is made with its directory, and opened again', async () => {
    await openSqlite(file, 1).close();
    expect((await stat(join(directory, 'sub'))).mode & 0o777).toBe(0o700);
    const again = openSqlite(file, 2);
    const raw = new Database(file, { readonly: true });
    const applied = Array.from({ length: newestVersion }, (_, before) => ({ version: before + 1, applied: 1 }));
    expect(raw.prepare('select version, applied from migrations').all()).toEqual(applied);
    expect(raw.pragma('journal_mode', { simple: true })).toBe('wal');
    raw.close();
    await again.close();
  });

  it('of the first program is brought up to date with its jobs, and a copy of what it was is kept beside it', async () => {
    await mkdir(join(directory, 'sub'));
    const run = { jobId: 'a', host: 'h', captureId: 'a.h', state: 'waiting', sequence: 0, started: 0, ended: 0 };
    const request = { spec: STAT, hosts: [], selectorText: '', requester: 'me', maxParallel: 1, grace: 1, note: '' };
    makeFileOfVersion1(file, [{ id: 'a', request, run }]);
    const before = new Database(file, { readonly: true });
    const dump = (database: Database.Database) =>
      ['jobs', 'host_runs'].map((table) => database.prepare(`select * from ${table}`).all());
    const was = dump(before);
    before.close();
    const after = openSqlite(file, 2);
    expect(await sqlControlStore(after).job('a')).toMatchObject({ id: 'a', request, state: 'queued' });
    expect(await sqlControlStore(after).hostRuns('a')).toMatchObject([{ host: 'h', parts: [], module: undefined }]);
    const key = { jobId: 'a', host: 'h' };
    expect(await sqlSampleStore(after).histograms(key)).toBeUndefined();
    await sqlSampleStore(after).put(key, { chunks: [], series: undefined, histograms: drawSeries('1:1'), text: [] });
    expect(await sqlSampleStore(after).histograms(key)).toEqual(drawSeries('1:1'));
    await after.close();
    const copy = new Database(`${file}.before-v${newestVersion}`, { readonly: true });
    expect([dump(copy), copy.prepare('select version from migrations').pluck().all()]).toEqual([was, [1]]);
    copy.close();
    // Whoever opens it again makes no other copy.
    await openSqlite(file, 3).close();
    expect((await readdir(join(directory, 'sub'))).sort()).toEqual([
      'perftrawl.db',
      `perftrawl.db.before-v${newestVersion}`,
    ]);
  });

  it('of an older program that is damaged is not brought up to date', async () => {
    await mkdir(join(directory, 'sub'));
    const request = { note: 'x'.repeat(100_000) };
    makeFileOfVersion1(file, [{ id: 'a', request, run: {} }]);
    const { size } = await stat(file);
    const handle = await open(file, 'r+');
    await handle.write(Buffer.alloc(4096, 0xaa), 0, 4096, (size / 4096 - 2) * 4096);

    await handle.close();
    const before = await readFile(file);
    expect(failureOf(() => openSqlite(file, 2))).toMatchObject({
      ...{
        code: 'bad-data',
        message: expect.stringMatching(/is damaged|malformed/),
        remedy: expect.stringContaining('left as it is'),
      },
    });
    expect(await readFile(file)).toEqual(before);
  });

  it('of another program is left alone', async () => {
    await mkdir(join(directory, 'sub'));
    const other = new Database(file);
    other.exec('create table bookmarks (url text)');
    other.close();
    const before = await readFile(file);
    expect(failureOf(() => openSqlite(file, 2))).toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining('another program'),
    });
    expect(await readFile(file)).toEqual(before);
  });

  it('is served by one process at a time, which the refusal names, and used by others beside it', async () => {
    const serving = openSqlite(file, 1, true);
    expect(failureOf(() => openSqlite(file, 2, true))).toMatchObject({
      ...{ code: 'conflict', message: `${file} is served already, by process ${process.pid}` },
    });
    const beside = openSqlite(file, 2);
    await beside.close();
    await serving.close();
    const next = openSqlite(file, 3, true);
    await next.close();
    const program = await bundleProgram('store/serving-main.ts');
    const child = spawn(process.execPath, [program.file, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    expect(failureOf(() => openSqlite(file, 4, true)).message).toContain(`process ${child.pid}`);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await openSqlite(file, 5, true).close();
    await program.remove();
  });

  it('of an older program lets jobs go on that were decided on, and did not hear of it', async () => {
    const before = openSqlite(file, 1);
    const control = sqlControlStore(before);
    for (const id of ['approved', 'rejected', 'waits']) {
      await control.createJob({ ...aJob(id), state: 'awaiting-approval', owner: '' }, []);
    }
    await before.close();
    const raw = new Database(file);
    undoQueue(raw);
    raw.exec('drop index jobs_by_owner; alter table jobs drop column requester');
    raw.exec('delete from migrations where version > 6');
    for (const decision of ['approved', 'rejected']) {
      raw.prepare("insert into approval_decisions values (?, ?, 'bob', '', '', 1)").run(decision, decision);
    }
    raw.close();
    const after = openSqlite(file, 2);
    const states = await sqlControlStore(after).jobs({ limit: 9 });
    expect(
      Object.fromEntries(states.map(({ id, state, isCancelRequested }) => [id, [state, isCancelRequested]])),
    ).toEqual({
      approved: ['queued', false],
      rejected: ['queued', true],
      waits: ['awaiting-approval', false],
    });
    await after.close();
  });

  it('of a newer program is refused with its version, and left alone', async () => {
    await openSqlite(file, 1).close();
    const raw = new Database(file);
    raw.exec('insert into migrations values (99, 1)');
    raw.close();
    const failure = failureOf(() => openSqlite(file, 2));
    expect(failure).toMatchObject({ code: 'conflict', message: expect.stringContaining('its version is 99') });
  });

  it('that is no database is reported, and left as it is', async () => {
    await openSqlite(file, 1).close();
    await writeFile(file, 'this was a diary. '.repeat(1000));
    const before = await readFile(file);
    expect(failureOf(() => openSqlite(file, 2))).toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining(file),
    });
    expect(await readFile(file)).toEqual(before);
  });

  it('that is damaged inside is reported when the damage is met', async () => {
    const database = openSqlite(file, 1);
    const store = sqlSampleStore(database);
    const data = new Uint8Array(100_000).fill(7);
    const chunk = {
      name: '',
      index: 0,
      isLast: true,
      encoding: 'identity',
      crc32: 0,
      rawLength: 100_000,
      data,
    } as const;
    await store.put({ jobId: 'a', host: 'h' }, { chunks: [chunk], series: undefined, histograms: undefined, text: [] });
    await database.close();
    const handle = await open(file, 'r+');
    const { size } = await handle.stat();
    // Everything after the first page, which has the header and the schema's root.
    await handle.write(Buffer.alloc(size - 4096, 0xaa), 0, size - 4096, 4096);
    await handle.close();
    const read = async () => {
      const damaged = openSqlite(file, 2);
      try {
        for await (const _ of sqlSampleStore(damaged).chunks({ jobId: 'a', host: 'h' })) expect.fail('it was read');
      } finally {
        await damaged.close();
      }
    };
    const failure = toFailure(await read().catch((error: unknown) => error));
    expect(failure).toMatchObject({ code: 'bad-data', remedy: expect.stringContaining('left as it is') });
  });

  it('in a place that cannot be written is a failure with a remedy', async () => {
    await writeFile(join(directory, 'sub'), 'a file');
    expect(failureOf(() => openSqlite(file, 1))).toMatchObject({
      code: 'permission',
      remedy: expect.stringContaining('PERFTRAWL_DATA'),
    });
  });

  it('is shared by processes that all open it for the first time and write at once', async () => {
    const program = await bundleProgram('store/writer-main.ts');
    try {
      const writers = ['a', 'b', 'c', 'd'];
      const codes = await Promise.all(writers.map((name) => exitCode(program.file, file, name, '25')));
      expect(codes).toEqual([0, 0, 0, 0]);
    } finally {
      await program.remove();
    }
    const database = openSqlite(file, 2);
    const jobs = await sqlControlStore(database).jobs({ limit: 1000 });
    await database.close();
    expect(jobs).toHaveLength(100);
    expect(jobs.every(({ state }) => state === 'succeeded')).toBe(true);
  });
});

function exitCode(...argv: string[]): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', resolve);
  });
}

function failureOf(act: () => unknown) {
  try {
    act();
  } catch (error) {
    return toFailure(error);
  }
  return expect.fail('it did not fail');
}
