// A damaged file of SQLite: every answer is right or 'bad-data', and the file stays as it was.
import { copyFile, mkdtemp, open, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { JobRequest } from '../../../controller/api.js';
import { storedAudit } from '../../../controller/audit/audit.js';
import { defaultIntakeLimits } from '../../../controller/jobs/capture-intake.js';
import { findStored } from '../../../controller/jobs/job-run.js';
import type { StoredJob } from '../../../controller/store/control-store.js';
import { sqlAuditStore } from '../../../controller/store/sql-audit-store.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import { openSqlite } from '../../../controller/store/sqlite-database.js';
import { toFailure } from '../../../proto/failure.js';
import { encodeProfile } from '../../../proto/profile-codec.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawSeries } from '../draw-histogram.js';
import { job, run } from './control-store-contract.js';

const pageSize = 4096;
let directory: string;
let sound: string;
let answers: Record<string, unknown>;

/** What a user can ask; each by itself. */
const questions: Record<string, (database: SqlDatabase) => Promise<unknown>> = {
  jobs: async (database) => (await sqlControlStore(database).jobs({ limit: 100 })).map(withoutSilence),
  job: async (database) => withoutSilence(await sqlControlStore(database).job('j2')),
  'host runs': (database) => sqlControlStore(database).hostRuns('j1'),
  profile: (database) => findStored(sqlSampleStore(database), 'j1', 'web1', defaultIntakeLimits.decode),
  histograms: (database) => sqlSampleStore(database).histograms({ jobId: 'j1', host: 'web1' }),
  text: (database) => sqlSampleStore(database).text({ jobId: 'j1', host: 'web1' }),
  audit: (database) => storedAudit(sqlAuditStore(database), () => 1).verify(),
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-damage-'));
  sound = join(directory, 'sound.db');
  const database = openSqlite(sound, 1);
  const control = sqlControlStore(database);
  const hosts = Array.from({ length: 30 }, (_, i) => `web${i}`);
  const request: JobRequest = { ...job('j1').request, note: 'n'.repeat(9000) };
  await control.createJob(
    { ...job('j1'), request },
    hosts.map((host) => run('j1', host)),
  );
  await control.createJob(job('j2'), []);
  for (const host of hosts) await control.updateHostRun({ ...run('j1', host), state: 'succeeded', ended: 9 });
  const stacks = Array.from({ length: 3000 }, (_, i) => `main;f${i * 7919};g${i ** 3} ${i + 1}`).join('\n');
  const text = Array.from(
    { length: 2000 },
    (_, i) => ({ time: i, number: i, stream: 'stdout', text: `line ${i * 7919}` }) as const,
  );
  await sqlSampleStore(database).put(
    { jobId: 'j1', host: 'web1' },
    { chunks: [...encodeProfile(drawProfile(stacks))], series: undefined, histograms: drawSeries('1:1 2:5'), text },
  );
  answers = Object.fromEntries(
    await Promise.all(Object.entries(questions).map(async ([name, ask]) => [name, await ask(database)])),
  );
  await database.close();
});
afterAll(() => rm(directory, { recursive: true }));

it.each(['zeros', 'noise'] as const)('says so or answers right, whichever page is %s', async (kind) => {
  const file = join(directory, `${kind}.db`);
  const pages = (await stat(sound)).size / pageSize;
  expect(pages).toBeGreaterThan(40);
  let told = 0;
  for (let page = 0; page < pages; page++) {
    await copyFile(sound, file);
    const handle = await open(file, 'r+');
    const garbage = Buffer.from(
      Array.from({ length: pageSize }, (_, i) => (kind === 'zeros' ? 0 : (page * 131 + i * 7919 + (i >> 3)) & 0xff)),
    );
    await handle.write(garbage, 0, pageSize, page * pageSize);
    await handle.close();
    const before = await readFile(file);
    for (const [name, ask] of Object.entries(questions)) {
      const answer = await asked(file, ask);
      if (answer.code === 'bad-data') told++;
      else expect({ page, name, ...answer }).toEqual({ page, name, code: '', value: answers[name] });
    }
    // What was damaged is still there for whoever can mend it.
    expect((await readFile(file)).equals(before)).toBe(true);
  }
  expect(told).toBeGreaterThan(pages);
});

/** It depends on when it is asked. */
function withoutSilence(found: StoredJob | undefined) {
  return { ...found, ownerSilence: 0 };
}

async function asked(file: string, ask: (database: SqlDatabase) => Promise<unknown>) {
  let database: SqlDatabase | undefined;
  try {
    database = openSqlite(file, 2);
    return { code: '', value: await ask(database) };
  } catch (error) {
    const { code, message } = toFailure(error);
    return code === 'bad-data' ? { code, value: undefined } : { code, value: message };
  } finally {
    await database?.close();
  }
}
