// What every ControlStore must do with requests that come again: one job of each, also when several controllers get it at once.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RepeatableRequest } from '../../../controller/api.js';
import type { ControlStore } from '../../../controller/store/control-store.js';
import { sqlAuditStore } from '../../../controller/store/sql-audit-store.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { toFailure } from '../../../proto/failure.js';
import { job, run } from './control-store-contract.js';

export function requestKeyContract(name: string, openTwice: () => Promise<readonly [SqlDatabase, SqlDatabase]>) {
  describe(`requests that come again ${name}`, () => {
    let databases: readonly [SqlDatabase, SqlDatabase];
    let stores: readonly [ControlStore, ControlStore];
    beforeEach(async () => {
      databases = await openTwice();
      stores = [sqlControlStore(databases[0]), sqlControlStore(databases[1])];
    });
    afterEach(async () => {
      for (const database of new Set(databases)) await database.close();
    });

    const asked: RepeatableRequest = { key: 'a'.repeat(64), sha256: '1'.repeat(64) };
    const other: RepeatableRequest = { ...asked, sha256: '2'.repeat(64) };
    const make = (store: ControlStore, id: string, request = asked) =>
      store.createJobOnce(job(id), [run(id, 'db')], request);
    const failureOf = async (promise: Promise<unknown>) =>
      toFailure(
        await promise.then(
          () => expect.fail('it did not fail'),
          (error: unknown) => error,
        ),
      );
    const passes = (milliseconds: number) =>
      databases[0].db
        .updateTable('leases')
        .set((row) => ({ until: row('until', '-', milliseconds) }))
        .execute();
    const day = 24 * 3_600_000;

    it('makes one job, whichever controllers it comes to at the same time', async () => {
      const ids = await Promise.all(Array.from({ length: 24 }, (_, i) => make(stores[i % 2], `j${i}`)));
      expect(new Set(ids).size).toBe(1);
      expect((await stores[1].jobs({ limit: 100 })).map(({ id }) => id)).toEqual([ids[0]]);
      expect(await stores[0].hostRuns(ids[0])).toEqual([run(ids[0], 'db')]);
      const { rows } = await sql`select * from host_runs`.execute(databases[0].db);
      expect(rows).toHaveLength(1);
      // Nothing else was written down as asked for, either.
      expect(await sqlAuditStore(databases[0]).head()).toMatchObject({ sequence: 1 });
      expect(await stores[1].jobOfRequest(asked)).toBe(ids[0]);
    });

    it('makes a job for each of different keys', async () => {
      const ids = Array.from({ length: 12 }, (_, i) => `j${i}`);
      const made = ids.map((id, i) => make(stores[i % 2], id, { ...asked, key: `${i}`.repeat(64) }));
      expect(await Promise.all(made)).toEqual(ids);
      expect(await stores[0].jobs({ limit: 100 })).toHaveLength(12);
    });

    it('refuses another request with the same key, and says what to do', async () => {
      await make(stores[0], 'a');
      for (const ask of [
        () => make(stores[1], 'b', other),
        () => stores[1].jobOfRequest(other),
        () => stores[1].noteRequest(other, 'b'),
      ]) {
        expect(await failureOf(ask())).toEqual({
          code: 'conflict',
          message: 'this Idempotency-Key belongs to another request, which was for job a',
          remedy: 'give each request a new key, and the same one only to what is sent again unchanged',
        });
      }
      expect(await stores[0].job('b')).toBeUndefined();
    });

    it('writes down what a request is about that makes no job', async () => {
      await stores[0].createJob(job('watch'), []);
      expect(await stores[0].noteRequest(asked, 'watch')).toBe('watch');
      expect(await stores[1].noteRequest(asked, 'newer')).toBe('watch');
      expect(await make(stores[1], 'b')).toBe('watch');
    });

    it('takes no key for a job that could not be written down', async () => {
      await stores[0].createJob(job('a'), []);
      expect(await failureOf(make(stores[0], 'a'))).toMatchObject({
        code: 'conflict',
        message: 'there is a job a already',
      });
      expect(await stores[0].jobOfRequest(asked)).toBeUndefined();
      expect(await make(stores[0], 'b')).toBe('b');
    });

    it('forgets a key with its job, and that one alone', async () => {
      await make(stores[0], 'a');
      await make(stores[0], 'a1', { ...asked, key: 'b'.repeat(64) });
      await stores[1].deleteJob('a');
      expect(await stores[0].jobOfRequest(asked)).toBeUndefined();
      expect(await stores[0].jobOfRequest({ ...asked, key: 'b'.repeat(64) })).toBe('a1');
      expect(await make(stores[0], 'c', other)).toBe('c');
    });

    it('forgets a key after a day, by the clock of the database', async () => {
      await make(stores[0], 'a');
      await databases[0].db.insertInto('leases').values({ what: 'merging', owner: 'x', until: 1 }).execute();
      await passes(day - 60_000);
      expect(await make(stores[1], 'b')).toBe('a');
      await passes(120_000);
      expect(await stores[1].jobOfRequest(asked)).toBeUndefined();
      await make(stores[1], 'c', { ...other, key: 'c'.repeat(64) });
      const left = await databases[0].db.selectFrom('leases').select('what').orderBy('what').execute();
      expect(left.map(({ what }) => what)).toEqual(['merging', `request ${'c'.repeat(64)}`]);
      expect(await make(stores[1], 'd', other)).toBe('d');
      expect(await stores[0].job('a')).toBeDefined();
    });

    it('takes a key whose day is over although nobody has cleared it away', async () => {
      await make(stores[0], 'a');
      await passes(2 * day);
      const ids = await Promise.all(Array.from({ length: 8 }, (_, i) => make(stores[i % 2], `n${i}`, other)));
      expect(new Set(ids).size).toBe(1);
      expect(ids[0]).toMatch(/^n/);
    });
  });
}
