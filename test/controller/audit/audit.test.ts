// The controller's audit log: what is written is read again, in order, from several processes; every change of it is noticed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { entryLine, type ReadableAudit, storedAudit } from '../../../controller/audit/audit.js';
import type { WrittenEntry } from '../../../controller/audit/audit-entry.js';
import { appendAuditLine, sqlAuditStore } from '../../../controller/store/sql-audit-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { openSqlite } from '../../../controller/store/sqlite-database.js';

let directory: string;
let file: string;
let database: SqlDatabase;
let audit: ReadableAudit;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-audit-'));
  file = join(directory, 'perftrawl.db');
  database = openSqlite(file, 1);
  audit = storedAudit(sqlAuditStore(database), () => 1_000);
});
afterEach(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

async function read(after = 0): Promise<WrittenEntry[]> {
  const entries: WrittenEntry[] = [];
  for await (const entry of audit.entries(after)) entries.push(entry);
  return entries;
}

async function write(count: number): Promise<void> {
  for (let i = 1; i <= count; i++) {
    await audit.append({ who: `user${i}@here`, what: 'cancel-job', jobId: `job${i}` });
  }
}

/** Change the file as anybody can who may write the file. */
function tamper(change: string): void {
  const raw = new Database(file);
  const triggers = raw.prepare("select name from sqlite_master where type = 'trigger'").pluck().all();
  for (const name of triggers) raw.exec(`drop trigger ${String(name)}`);
  raw.exec(change);
  raw.close();
}

describe('the audit log of the controller', () => {
  it('gives back what was written, numbered and with its time', async () => {
    const failure = { code: 'refused', message: 'no', remedy: 'ask' } as const;
    await audit.append({
      who: 'alice',
      what: 'submit-job',
      by: 'token',
      from: '10.0.0.9:4711',
      jobId: 'a1',
      hosts: ['db1'],
    });
    await audit.append({ who: 'root@ws', what: 'add-user', subject: 'bob', detail: { role: 'viewer' }, failure });
    expect(await read()).toEqual([
      ...[
        {
          sequence: 1,
          time: 1_000,
          who: 'alice',
          what: 'submit-job',
          by: 'token',
          from: '10.0.0.9:4711',
          jobId: 'a1',
          hosts: ['db1'],
        },
      ],
      ...[
        {
          sequence: 2,
          time: 1_000,
          who: 'root@ws',
          what: 'add-user',
          subject: 'bob',
          detail: { role: 'viewer' },
          failure,
        },
      ],
    ]);
    expect(await read(1)).toHaveLength(1);
    expect(await audit.verify()).toMatchObject({ lines: 2, problems: [] });
  });

  it('is read in order, however long it is', async () => {
    const times = Array.from({ length: 1_203 }, (_, i) => i);
    await database.db.transaction().execute(async (change) => {
      for (const time of times) {
        const entry = { who: 'root@ws', what: 'host-run-ended' } as const;
        await appendAuditLine(change, file, (end) => entryLine(end, time, entry));
      }
    });
    expect((await read()).map(({ sequence }) => sequence)).toEqual(times.map((time) => time + 1));
    expect(await audit.verify()).toMatchObject({ lines: 1_203, problems: [] });
  });

  it('is neither changed nor deleted by a plain statement', async () => {
    await write(2);
    const raw = new Database(file);
    expect(() => raw.exec("update audit set line = ''")).toThrow('never changed');
    expect(() => raw.exec('delete from audit')).toThrow('never deleted');
    expect(() => raw.exec('update audit_head set sequence = 0')).toThrow('never gets shorter');
    expect(() => raw.exec('delete from audit_head')).toThrow('never deleted');
    raw.close();
    expect(await read()).toHaveLength(2);
  });

  it.each([
    [
      'changed',
      "update audit set line = replace(line, 'user2', 'user9') where sequence = 2",
      /line 3: entry 2 was changed/,
    ],
    [
      'the last one changed',
      "update audit set line = replace(line, 'user4', 'user9') where sequence = 4",
      /entry 4 is not the one/,
    ],
    ['deleted', 'delete from audit where sequence = 2', /entry 3 follows entry 1/],
    ['cut off', 'delete from audit where sequence > 2', /the log ends at 2, but 4 entries were written/],
    ['all cut off', 'delete from audit', /the log ends at 0, but 4 entries were written/],
    [
      'swapped',
      'update audit set sequence = 9 where sequence = 2; update audit set sequence = 2 where sequence = 3; update audit set sequence = 3 where sequence = 9',
      /entry 3 follows entry 1/,
    ],
    [
      'added',
      'insert into audit values (5, \'{"sequence":5,"time":1,"event":"cancel-job","before":""}\')',
      /entry 4 was changed after/,
    ],
    ['destroyed', "update audit set line = 'x' where sequence = 3", /line 3 is no entry/],
  ])('tells when an entry was %s', async (_how, change, problem) => {
    await write(4);
    await database.close();
    tamper(change);
    database = openSqlite(file, 1);
    audit = storedAudit(sqlAuditStore(database), () => 1_000);
    const { problems } = await audit.verify();
    expect(problems.join('\n')).toMatch(problem);
  });
});
