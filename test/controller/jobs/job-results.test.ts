// What a job has brought, read from the store.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { defaultIntakeLimits } from '../../../controller/jobs/capture-intake.js';
import { jobResults } from '../../../controller/jobs/job-results.js';
import type { JobRunTools } from '../../../controller/jobs/job-run.js';
import type { SampleStore } from '../../../controller/store/sample-store.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import { openSqlite } from '../../../controller/store/sqlite-database.js';
import type { Profile } from '../../../profile/profile.js';
import { encodeProfile } from '../../../proto/profile-codec.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { job, run } from '../store/control-store-contract.js';

let directory: string;
let database: SqlDatabase;
let samples: SampleStore;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-results-'));
  database = openSqlite(join(directory, 'perftrawl.db'), 0);
  samples = sqlSampleStore(database);
});
afterEach(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

/** @param maxRows of one host's profile */
async function resultsOf(host: Profile, merged: Profile, maxRows: number) {
  const put = (name: string | undefined, profile: Profile) => {
    const printed = { series: undefined, histograms: undefined, text: [] };
    return samples.put({ jobId: 'a1', host: name }, { chunks: [...encodeProfile(profile)], ...printed });
  };
  await put('db1', host);
  await put(undefined, merged);
  const control = sqlControlStore(database);
  await control.createJob({ ...job('a1'), state: 'succeeded' }, [{ ...run('a1', 'db1'), state: 'succeeded' }]);
  const limits = { ...defaultIntakeLimits, decode: { ...defaultIntakeLimits.decode, maxRows } };
  return jobResults({ control, samples, limits } as JobRunTools);
}

it('the limit of one host`s profile is none for what many hosts came to', async () => {
  const host = drawProfile('main;read 1');
  const merged = drawProfile(Array.from({ length: 100 }, (_, i) => `main;read${i} 1`).join('\n'));
  const results = await resultsOf(host, merged, 100);
  expect(await results.profile('a1')).toEqual(merged);
  expect(await results.profile('a1', 'db1')).toEqual(host);
});

it('a stored profile of a host beyond it is refused', async () => {
  const large = drawProfile(Array.from({ length: 100 }, (_, i) => `main;read${i} 1`).join('\n'));
  const results = await resultsOf(large, large, 100);
  await expect(results.profile('a1', 'db1')).rejects.toMatchObject({ failure: { code: 'exhausted' } });
});
