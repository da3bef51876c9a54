// What every ApprovalStore, AuditStore and UserStore must do: what they say is said once.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Decision } from '../../../controller/approval/approval.js';
import { storedAudit } from '../../../controller/audit/audit.js';
import { sqlApprovalStore } from '../../../controller/store/sql-approval-store.js';
import { sqlAuditStore } from '../../../controller/store/sql-audit-store.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlUserStore } from '../../../controller/store/sql-user-store.js';
import { job, run } from './control-store-contract.js';

export function decisionStoresContract(name: string, openTwice: () => Promise<readonly [SqlDatabase, SqlDatabase]>) {
  describe(`decisions ${name}`, () => {
    let first: SqlDatabase;
    let second: SqlDatabase;
    beforeEach(async () => {
      [first, second] = await openTwice();
    });
    afterEach(async () => {
      await first.close();
      if (second !== first) await second.close();
    });

    it('lets one of several persons decide on a job', async () => {
      const control = sqlControlStore(first);
      await control.createJob({ ...job('a'), state: 'awaiting-approval', owner: '' }, []);
      const decisions: Decision[] = ['x', 'y', 'z'].map((who, i) => ({
        ...{
          kind: i === 1 ? 'rejected' : 'approved',
          who,
          reason: `${who}: „nein“`,
          requestSha256: 'ab',
          decided: 1.5,
        },
      }));
      const done = await Promise.all(
        decisions.map((decision, i) => sqlApprovalStore(i === 0 ? first : second).decide('a', decision)),
      );
      expect(done.filter(Boolean)).toHaveLength(1);
      const winner = decisions[done.indexOf(true)];
      expect(await sqlApprovalStore(second).decision('a')).toEqual(winner);
      expect(await control.job('a')).toMatchObject({
        ...{ state: 'queued', owner: '', isCancelRequested: winner.kind !== 'approved' },
      });
      expect(await sqlApprovalStore(first).decision('b')).toBeUndefined();
    });

    it('gives a name to one of several users', async () => {
      const users = ['viewer', 'admin'].map((role) => ({
        ...{
          name: 'bob',
          role: role as 'viewer',
          team: 'default',
          created: 1,
          expires: 0,
          revoked: 0,
          tokenId: `t-${role}`,
          secretHash: 'ab',
        },
      }));
      const added = await Promise.all([sqlUserStore(first).add(users[0]), sqlUserStore(second).add(users[1])]);
      expect(added.filter(Boolean)).toHaveLength(1);
      const bob = users[added.indexOf(true)];
      expect(await sqlUserStore(first).byTokenId(bob.tokenId)).toEqual(bob);
      expect(await sqlUserStore(second).revoke('bob', 5)).toEqual({ ...bob, revoked: 5 });
      expect(await sqlUserStore(first).list()).toEqual([{ ...bob, revoked: 5 }]);
    });

    it('chains what many write into the audit log at once', async () => {
      const audits = [first, second].map((database) => storedAudit(sqlAuditStore(database), () => 1000));
      await Promise.all(
        Array.from({ length: 60 }, (_, i) => audits[i % 2].append({ who: `u${i}`, what: 'cancel-job', jobId: `${i}` })),
      );
      expect(await audits[0].verify()).toMatchObject({ lines: 60, problems: [] });
      const who: string[] = [];
      for await (const entry of audits[1].entries(0)) who.push(entry.who ?? '');
      expect(new Set(who).size).toBe(60);
    });

    it('keeps the audit log from being changed', async () => {
      const audit = storedAudit(sqlAuditStore(first), () => 1000);
      for (const jobId of ['a', 'b']) await audit.append({ who: 'u', what: 'cancel-job', jobId });
      const { db } = second;
      await expect(db.updateTable('audit').set({ line: 'x' }).execute()).rejects.toThrow('never changed');
      await expect(db.deleteFrom('audit').where('sequence', '=', 2).execute()).rejects.toThrow('never deleted');
      await expect(db.updateTable('audit_head').set({ sequence: 1 }).execute()).rejects.toThrow('never gets shorter');
      await expect(db.deleteFrom('audit_head').execute()).rejects.toThrow('never deleted');
      expect(await audit.verify()).toMatchObject({ lines: 2, problems: [] });
    });

    it('ends each host run once, and writes its end down once, whoever is faster', async () => {
      const stores = [sqlControlStore(first), sqlControlStore(second)];
      const hosts = Array.from({ length: 20 }, (_, i) => `h${i}`);
      await stores[0].createJob(
        job('a'),
        hosts.map((host) => run('a', host)),
      );
      const ends = await Promise.all(
        hosts.flatMap((host) =>
          (['succeeded', 'lost'] as const).map((state, i) => {
            const failure = state === 'lost' ? { code: 'lost' as const, message: 'm', remedy: '' } : undefined;
            return stores[i].updateHostRun({ ...run('a', host), state, failure, ended: i });
          }),
        ),
      );
      expect(ends.filter(Boolean)).toHaveLength(20);
      const told: string[] = [];
      for await (const entry of storedAudit(sqlAuditStore(first), () => 1).entries(0)) told.push(entry.what);
      expect(told.filter((what) => what === 'host-run-ended')).toHaveLength(20);
    });
  });
}
