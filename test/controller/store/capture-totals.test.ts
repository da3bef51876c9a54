// Totals that are kept beside profiles: questions are answered by them, and the answers are those of the profiles, to the unit.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeTotals, encodeTotals, totalsOfProfile } from '../../../controller/store/capture-totals.js';
import type { SampleStore } from '../../../controller/store/sample-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import { topOfProfiles } from '../../../controller/store/top-of-profiles.js';
import type { TopCapture, TopQuery } from '../../../controller/store/top-query.js';
import type { NameColumns } from '../../../controller/store/total-names.js';
import { TOTALS_OF } from '../../../controller/views/profile-totals.js';
import type { Profile } from '../../../profile/profile.js';
import { toFailure } from '../../../proto/failure.js';
import { encodeProfile } from '../../../proto/profile-codec.js';
import { arbitraryProfile } from '../../profile/arbitrary-profile.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { onEveryEngine } from './every-engine.js';

const { signal } = new AbortController();
const recursive = 'main;fold;fold;read@[kernel.kallsyms] 7/3\nmain;fold;main 2\n{comm=java} Interpreter;main 5\n- 4';

onEveryEngine((_engine, ground) => {
  let database: SqlDatabase;
  let store: SampleStore;
  beforeEach(async () => {
    database = await ground.open(await ground.newStore());
    store = sqlSampleStore(database);
  });
  afterEach(() => database.close());

  const query: TopQuery = {
    ...{ captures: [], event: undefined, of: 'functions', sortBy: 'total', eachHostEqual: false, limit: 50 },
  };
  const keep = (jobId: string, host: string, profile: Profile) =>
    store.put({ jobId, host }, withoutElse({ chunks: [...encodeProfile(profile)] }));
  const withoutElse = <T>(part: T) => ({ series: undefined, histograms: undefined, text: [], ...part });
  const ask = (asked: TopQuery) => store.topFunctions(asked, { signal });
  /** By the profiles alone. */
  const read = (asked: TopQuery) =>
    topOfProfiles({ chunks: (key) => store.chunks(key), totals: async () => [], names: async () => new Map() }, asked, {
      signal,
    });
  const forgetProfiles = () => database.db.deleteFrom('profile_chunks').execute();
  const countTotals = async () => (await database.db.selectFrom('capture_totals').select('rows_of').execute()).length;

  it('answer as the profiles do, whatever is asked', async () => {
    const stored = fc.array(
      fc.record({
        jobId: fc.constantFrom('a1', 'a2', 'a3'),
        host: fc.constantFrom('db', 'web', 'läuft'),
        group: fc.constantFrom('', 'x'),
        profile: fc.oneof(arbitraryProfile(), arbitraryProfile(false, ['cycles', 'page-faults'])),
      }),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(stored, fc.constantFrom('page-faults', 'cycles', undefined), async (all, event) => {
        for (const job of ['a1', 'a2', 'a3']) await store.deleteJob(job);
        for (const { jobId, host, profile } of all) await keep(jobId, host, profile);
        const captures: TopCapture[] = [
          ...new Map(all.map(({ jobId, host, group }) => [`${jobId} ${host}`, { jobId, host, group }])).values(),
        ];
        const questions = TOTALS_OF.flatMap((of) =>
          [true, false].map((eachHostEqual): TopQuery => ({ ...query, captures, event, of, eachHostEqual })),
        );
        const expected = await Promise.all(questions.map(read));
        await forgetProfiles();
        expect(await Promise.all(questions.map(ask))).toEqual(expected);
      }),
      { numRuns: 25 },
    );
  });

  it('count a function that calls itself once', async () => {
    await keep('a1', 'db', drawProfile(recursive));
    const asked = { ...query, captures: [{ jobId: 'a1', host: 'db', group: '' }] };
    const expected = await read(asked);
    await forgetProfiles();
    const answer = await ask(asked);
    expect(answer).toEqual(expected);
    const fold = answer.groups[0].rows.find(({ name }) => name === 'fold');
    expect([fold?.self, fold?.total]).toEqual([
      { samples: 0, weight: 0 },
      { samples: 5, weight: 9 },
    ]);
  });

  it('are not needed, where an older program stored the result or they are damaged', async () => {
    await keep('a1', 'db', drawProfile(recursive));
    await keep('a2', 'db', drawProfile('main 3'));
    await keep('a3', 'db', drawProfile('main;read 2'));
    const captures = ['a1', 'a2', 'a3'].map((jobId) => ({ jobId, host: 'db', group: '' }));
    const expected = await read({ ...query, captures });
    const { db } = database;
    await db.deleteFrom('capture_totals').where('job_id', '=', 'a1').execute();
    await db
      .updateTable('capture_totals')
      .set({ data: Buffer.from('damaged') })
      .where('job_id', '=', 'a2')
      .execute();
    expect(await ask({ ...query, captures })).toEqual(expected);
    expect(expected).toMatchObject({ captures: 3, weight: 23 });
  });

  it('are not believed when what a number stands for is gone', async () => {
    await keep('a1', 'db', drawProfile(recursive));
    await keep('a2', 'db', drawProfile('main 3'));
    await keep('a3', 'web', drawProfile('main;gone 2'));
    await keep('a4', 'web', drawProfile('gone;read 1'));
    const captures = ['a1', 'a2', 'a3', 'a4'].map((jobId) => ({ jobId, host: 'db', group: '' }));
    captures[2].host = captures[3].host = 'web';
    const asked = { ...query, captures, eachHostEqual: true };
    const expected = await read(asked);
    await database.db.deleteFrom('total_names').where('name', '=', 'gone').execute();
    expect(await ask(asked)).toEqual(expected);
    await forgetProfiles();
    const answer = await ask(asked);
    expect(answer.captures).toBe(2);
    expect(answer.leftOut).toEqual([{ reason: 'no-profile', detail: '', captures: 2 }]);
    expect(answer.groups[0].rows.map(({ name }) => name)).not.toContain('gone');
  });

  it('share their names, which are deleted some days after the last of them', async () => {
    const names = async () =>
      (await database.db.selectFrom('total_names').select('name').where('object', '<>', '').execute())
        .map(({ name }) => name)
        .sort();
    await keep('a1', 'db', drawProfile('main;read 1'));
    await keep('a2', 'db', drawProfile('main;write 1'));
    expect(await names()).toEqual(['main', 'read', 'write']);
    const days = 24 * 3600 * 1000;
    await database.db
      .updateTable('total_names')
      .set({ last_used: Date.now() - 5 * days })
      .execute();
    await database.db
      .updateTable('capture_totals')
      .set({ stored: Date.now() - 4.5 * days })
      .execute();
    await store.deleteJob('none');
    expect(await names()).toEqual(['main', 'read', 'write']);
    await database.db.deleteFrom('capture_totals').where('job_id', '=', 'a1').execute();
    await database.db.updateTable('capture_totals').set({ stored: Date.now() }).execute();
    await database.db.updateTable('total_names').set({ last_used: Date.now() }).where('name', '=', 'main').execute();
    store = sqlSampleStore(database);
    await store.deleteJob('a1');
    // The newest one stays, so that its number is nobody else's.
    expect(await names()).toEqual(['main', 'write']);
  });

  it('go with the result that they are of, and count as its bytes', async () => {
    await keep('a1', 'db', drawProfile(recursive));
    const chunks = [...encodeProfile(drawProfile(recursive))];
    const bytes = chunks.reduce((sum, { data }) => sum + data.length, 0);
    expect(await store.bytesOf('a1')).toBeGreaterThan(bytes);
    expect(await countTotals()).toBe(TOTALS_OF.length);
    await store.put({ jobId: 'a1', host: 'db' }, withoutElse({ chunks: [] }));
    expect(await countTotals()).toBe(0);
    await keep('a1', 'db', drawProfile('main 1'));
    await store.deleteJob('a1');
    expect(await countTotals()).toBe(0);
  });

  it('are not made of the merged result, which no question is about, nor of a damaged profile', async () => {
    const [chunk] = encodeProfile(drawProfile('main 1'));
    await store.put({ jobId: 'a1', host: undefined }, withoutElse({ chunks: [chunk] }));
    await store.put({ jobId: 'a1', host: 'db' }, withoutElse({ chunks: [{ ...chunk, crc32: chunk.crc32 ^ 1 }] }));
    expect(await countTotals()).toBe(0);
  });

  it('are found for more captures than are read at a time', async () => {
    const jobs = Array.from({ length: 130 }, (_, i) => `a${i}`);
    for (const [i, jobId] of jobs.entries()) await keep(jobId, 'db', drawProfile(`main ${2 ** (i % 20)}`));
    const captures = jobs.map((jobId) => ({ jobId, host: 'db', group: '' }));
    const expected = await read({ ...query, captures });
    await forgetProfiles();
    expect(await ask({ ...query, captures })).toEqual(expected);
    expect(expected.captures).toBe(130);
  });
});

describe('the blob of totals', () => {
  /** Numbers that go up and down. */
  const numberOf = (row: number) => 2 ** 32 - 1 - ((row * 7) % 10);
  const numbersOf = async ({ names }: NameColumns) => Float64Array.from(names, (_, row) => numberOf(row));
  const blobOf = (profile: Profile) => encodeTotals(totalsOfProfile(profile, 'functions'), numbersOf);

  it('gives back what it was made of', async () => {
    for (const drawn of [recursive, 'main;read 7/7\nmain;write 3/3', 'f 6/2\nf;g 9/3']) {
      const [event] = totalsOfProfile(drawProfile(drawn), 'functions').events;
      const totals = event.totals();
      const blob = (await blobOf(drawProfile(drawn))) ?? expect.fail('no blob');
      const [decoded] = decodeTotals(blob, 'totals').events;
      const { numbers, ...read } = decoded.totals();
      expect([...numbers].sort()).toEqual(totals.names.map((_, row) => numberOf(row)).sort());
      const order = [...numbers].map((number) => totals.names.findIndex((_, row) => numberOf(row) === number));
      const inOrder = (column: Float64Array) => Float64Array.from(order, (row) => column[row]);
      expect(read).toEqual({
        ...{ all: totals.all, length: totals.length },
        ...{ selfSamples: inOrder(totals.selfSamples), selfWeight: inOrder(totals.selfWeight) },
        ...{ totalSamples: inOrder(totals.totalSamples), totalWeight: inOrder(totals.totalWeight) },
      });
    }
  });

  it('is not made of what it could not give back', async () => {
    const most = String(Number.MAX_SAFE_INTEGER);
    expect(await blobOf(drawProfile(`f ${most}/1`))).toBeDefined();
    expect(await blobOf(drawProfile(`f;g ${most}/1\nf ${most}/1`))).toBeUndefined();
    const totals = totalsOfProfile(drawProfile('f 1'), 'functions');
    expect(await encodeTotals(totals, async () => undefined)).toBeUndefined();
    expect(await encodeTotals(totals, async () => Float64Array.of(2 ** 32))).toBeUndefined();
  });

  it('is refused when it is damaged anywhere, or reads as something', async () => {
    const blob = (await blobOf(drawProfile(recursive))) ?? expect.fail('no blob');
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Uint8Array.from(blob);
        damaged[at] ^= change;
        try {
          for (const event of decodeTotals(damaged, 'totals').events) event.totals();
        } catch (error) {
          expect(toFailure(error)).toMatchObject({ code: 'bad-data', message: 'totals cannot be read' });
        }
      }),
    );
    for (const bytes of [Buffer.alloc(0), blob.subarray(0, blob.length - 1)]) {
      expect(() => decodeTotals(bytes, 'totals')).toThrow('totals cannot be read');
    }
  });
});
