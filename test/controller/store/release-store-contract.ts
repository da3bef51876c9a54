// What every ReleaseStore must do: captures to release are noted once, handed out only when nobody can fetch them any more, and only for the
// host as it was reached.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Address } from '../../../controller/api.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlReleaseStore } from '../../../controller/store/sql-release-store.js';
import { job, run } from './control-store-contract.js';
import type { Opened } from './every-engine.js';

const address: Address = { transport: 'tls', host: 'db1', port: 7451 };
const day = 24 * 3_600_000;

const held = (captureId: string) => ({ jobId: 'j1', host: 'db1', address, captureId });

export function releaseStoreContract(name: string, open: () => Promise<Opened<SqlDatabase>>): void {
  describe(`release store ${name}`, () => {
    let database: SqlDatabase;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ store: database, close } = await open());
    });
    afterEach(() => close());

    it('hands a capture out once its host run has ended, and for that host only', async () => {
      const [control, releases] = [sqlControlStore(database), sqlReleaseStore(database)];
      await control.createJob(job('j1'), [run('j1', 'db1'), run('j1', 'db2')]);
      for (let time = 0; time < 2; time++) await releases.note(held('j1.db1'), 5);
      const releasable = () => releases.releasable('db1', address, 10);
      expect(await releasable()).toEqual([]);
      await control.updateHostRun({ ...run('j1', 'db1'), state: 'lost' });
      expect(await releasable()).toEqual(['j1.db1']);
      expect(await releases.releasable('db2', address, 10)).toEqual([]);
      expect(await releases.releasable('db1', { transport: 'ssh', host: 'db1' }, 10)).toEqual([]);
      expect(await releases.releasable('db1', { port: 7451, host: 'db1', transport: 'tls' }, 10)).toEqual(['j1.db1']);
      await releases.forget('j1.db1');
      expect(await releasable()).toEqual([]);
    });

    it('hands out what is left of a job that was deleted, the oldest first, as many as are asked for', async () => {
      const [control, releases] = [sqlControlStore(database), sqlReleaseStore(database)];
      await control.createJob(job('j1'), [run('j1', 'db1')]);
      for (const [captureId, now] of [
        ['c', 7],
        ['a', 6],
        ['b', 5],
      ] as const)
        await releases.note(held(captureId), now);
      await control.deleteJob('j1');
      expect(await releases.releasable('db1', address, 2)).toEqual(['b', 'a']);
    });

    it('forgets what any agent has deleted by itself', async () => {
      const releases = sqlReleaseStore(database);
      await releases.note(held('old'), day);
      await releases.note(held('new'), 40 * day);
      expect(await releases.releasable('db1', address, 10)).toEqual(['new']);
    });
  });
}
