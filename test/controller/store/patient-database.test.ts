// A database that goes away: operations are tried again for two minutes, also when a commit was done and its answer lost.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostRun } from '../../../controller/api.js';
import { storedAudit } from '../../../controller/audit/audit.js';
import { type Clock, systemClock } from '../../../controller/clock.js';
import { patientDatabase } from '../../../controller/store/patient-database.js';
import { sqlAuditStore } from '../../../controller/store/sql-audit-store.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlReleaseStore } from '../../../controller/store/sql-release-store.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import { StoreAway } from '../../../controller/store/store-away.js';
import { drawSeries } from '../draw-histogram.js';
import { job, run } from './control-store-contract.js';
import { open } from './every-engine.js';
import { LossyWay } from './lossy-way.js';
import { type PostgresServer, postgresServer } from './postgres-server.js';

describe('an operation of a running job', () => {
  let server: PostgresServer;
  let way: LossyWay;
  let database: SqlDatabase;
  let direct: SqlDatabase;
  beforeAll(async () => {
    server = await postgresServer();
    way = new LossyWay(server.port);
    const port = await way.listen();
    const store = await server.newStore();
    direct = await open(store);
    database = await open(store.replace(`:${server.port}/`, `:${port}/`));
  });
  afterAll(async () => {
    await database.close();
    await direct.close();
    await way.close();
    await server.close();
  });

  it('is done once, and answered rightly, although the answer to its commit was lost', async () => {
    const patient = patientDatabase(database, systemClock);
    const control = sqlControlStore(patient.database);
    await sqlControlStore(direct).createJob(job('a'), [run('a', 'db')]);
    const succeeded: HostRun = { ...run('a', 'db'), state: 'succeeded', ended: 7 };
    const key = { jobId: 'a', host: 'db' };
    const held = { ...key, address: { transport: 'local' } as const, captureId: 'a.db' };
    const lossy = async <T>(work: () => Promise<T>): Promise<T> => {
      way.losses = 2;
      const result = await work();
      expect(way.losses).toBe(0);
      return result;
    };
    await lossy(() =>
      sqlSampleStore(patient.database).put(
        key,
        { chunks: [], series: undefined, histograms: drawSeries('1:1'), text: [] },
        'me',
      ),
    );
    await sqlReleaseStore(patient.database).note(held, 5);
    expect(await lossy(() => control.updateHostRun(succeeded, 'me'))).toBe(true);
    expect(await lossy(() => control.finishJob('a', 'me', 'succeeded', 9))).toBe(true);
    expect(patient.away()).toBeGreaterThan(0);
    expect(await sqlSampleStore(direct).histograms(key)).toEqual(drawSeries('1:1'));
    expect(await sqlControlStore(direct).hostRuns('a')).toEqual([succeeded]);
    const told: string[] = [];
    const audit = storedAudit(sqlAuditStore(direct), () => 1);
    for await (const { what } of audit.entries(0)) told.push(what);
    expect(told).toEqual(['submit-job', 'host-run-ended', 'job-ended']);
    expect((await audit.verify()).problems).toEqual([]);
  });

  it('is in the audit log once, although the answers to its commits were lost', async () => {
    const { database: patient } = patientDatabase(database, systemClock);
    const [audit, other] = [patient, direct].map((one) => storedAudit(sqlAuditStore(one), () => 1));
    const before = (await audit.verify()).lines;
    way.losses = 3;
    const entries = Array.from({ length: 5 }, (_, i) => audit.append({ who: `alice${i}`, what: 'add-user' }));
    await Promise.all([...entries, other.append({ who: 'bob', what: 'add-user' })]);
    expect(way.losses).toBe(0);
    const told: string[] = [];
    for await (const { who } of other.entries(before)) told.push(who);
    expect(told.sort()).toEqual(['alice0', 'alice1', 'alice2', 'alice3', 'alice4', 'bob']);
    expect(await other.verify()).toMatchObject({ lines: before + 6, problems: [] });
  });
});

describe('patience', () => {
  let elapsed: () => number;
  /** A clock on which waiting takes no time, and a database of which so much of it passes before it is there. */
  function ground(awayUntil: number) {
    let now = 0;
    const clock: Clock = {
      now: () => now,
      monotonic: () => now,
      sleep: async (time) => {
        now += time;
        return 'elapsed';
      },
    };
    const guard: SqlDatabase['guard'] = async (_doing, work) => {
      if (now < awayUntil) throw new StoreAway({ code: 'unreachable', message: 'away', remedy: '' }, undefined);
      return work();
    };
    const patient = patientDatabase({ guard } as SqlDatabase, clock);
    elapsed = () => now;
    return { ...patient, wait: (time: number) => (now += time) };
  }

  it('lasts for two minutes, and says for how long it was needed', async () => {
    const { database, away, wait } = ground(90_000);
    expect(await database.guard('x', async () => 1)).toBe(1);
    expect(away()).toBeGreaterThanOrEqual(90_000);
    expect(away()).toBeLessThan(93_000);
    const before = away();
    wait(50_000);
    expect(await database.guard('x', async () => 2)).toBe(2);
    expect(away()).toBe(before);
  });

  it('ends', async () => {
    const { database, away, wait } = ground(1e9);
    await expect(database.guard('x', async () => 1)).rejects.toBeInstanceOf(StoreAway);
    const before = away();
    expect(before).toBeGreaterThanOrEqual(120_000);
    wait(1000);
    expect(away()).toBe(before + 1000);
  });

  it('counts no time twice when one operation fails and another one does not', async () => {
    const { database, away, wait } = ground(0);
    const began = away();
    let tries = 0;
    // Fails for ten seconds, in which others are answered.
    const slow = database.guard('x', async () => {
      if (++tries < 20) {
        wait(500);
        await database.guard('y', async () => 1);
        throw new StoreAway({ code: 'exhausted', message: 'no room', remedy: '' }, undefined);
      }
      return 2;
    });
    expect(await slow).toBe(2);
    expect(away() - began).toBeLessThanOrEqual(elapsed());
    expect(away() - began).toBeGreaterThan(10_000);
  });

  it('is not for what fails for another reason', async () => {
    const { database, away } = ground(0);
    await expect(database.guard('x', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(away()).toBe(0);
  });
});
