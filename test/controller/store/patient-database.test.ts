// A database that goes away: operations are tried again for two minutes, also when a commit was done and its answer lost.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
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
import { type PostgresServer, postgresServer } from './postgres-server.js';

/** Passes everything on; a connection over which a transaction was committed is cut before the answer, as often as `losses` says. */
class LossyWay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  losses = 0;

  constructor(port: number) {
    this.#server = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      let isCommitting = false;
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => [client, server].map((end) => end.destroy()));
      }
      client.on('data', (bytes) => {
        isCommitting = this.losses > 0 && bytes.includes('commit\0');
        server.write(bytes);
      });
      server.on('data', (bytes) => {
        if (!isCommitting) {
          client.write(bytes);
          return;
        }
        this.losses--;
        client.destroy();
      });
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

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
});

describe('patience', () => {
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

  it('is not for what fails for another reason', async () => {
    const { database, away } = ground(0);
    await expect(database.guard('x', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(away()).toBe(0);
  });
});
