// PostgreSQL as a store: who is let in, versions, several controllers at once, a server that goes away; all against a real one.
import { chown, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { newestVersion } from '../../../controller/store/migrations.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import { StoreAway } from '../../../controller/store/store-away.js';
import { toFailure } from '../../../proto/failure.js';
import { job } from './control-store-contract.js';
import { open } from './every-engine.js';
import { PASSWORD, type PostgresServer, postgresServer } from './postgres-server.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await postgresServer();
});
afterAll(() => server.close());

async function failureOf(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => expect.fail('it did not fail'),
    (thrown: unknown) => thrown,
  );
  const text = JSON.stringify(toFailure(error)) + String(error) + (error instanceof Error ? error.stack : '');
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'geheim']) expect(text).not.toContain(secret);
  return toFailure(error);
}

describe('a PostgreSQL store', () => {
  it('is made once by several controllers that open it for the first time at once', async () => {
    const store = await server.newStore();
    const opened = await Promise.all([1, 2, 3, 4].map(() => open(store)));
    await sqlControlStore(opened[0]).createJob(job('a'), []);
    expect(await sqlControlStore(opened[3]).job('a')).toMatchObject({ id: 'a' });
    for (const database of opened) await database.close();
    const schema = new URL(store).searchParams.get('schema');
    const [{ steps }] = await server.query(`select count(*)::int as steps from ${schema}.migrations`);
    expect(steps).toBe(newestVersion);
  });

  it('says what is wrong and what to do, without the password', async () => {
    expect(await failureOf(open(server.url('test', 'geheim wrong')))).toMatchObject({
      ...{ code: 'permission', message: expect.stringContaining('password authentication failed') },
      remedy: expect.stringContaining('~/.pgpass'),
    });
    expect(await failureOf(open(server.url('test', '')))).toMatchObject({
      ...{ code: 'permission', remedy: expect.stringContaining('PGPASSWORD') },
    });
    expect(await failureOf(open(server.url('test', PASSWORD, 'nowhere')))).toMatchObject({
      ...{
        code: 'not-found',
        message: expect.stringContaining('nowhere'),
        remedy: expect.stringContaining('createdb'),
      },
    });
    await server.query(`create user guest password 'geheim'`);
    expect(await failureOf(open(server.url('guest', 'geheim')))).toMatchObject({
      ...{
        code: 'permission',
        message: expect.stringContaining('permission denied'),
        remedy: expect.stringContaining('grant'),
      },
    });
    await server.query(`create database bytes encoding 'SQL_ASCII' locale_provider libc locale 'C' template template0`);
    expect(await failureOf(open(server.url('test', PASSWORD, 'bytes')))).toMatchObject({
      ...{ code: 'bad-request', message: expect.stringContaining('SQL_ASCII') },
    });
    const elsewhere = server.url().replace(/@.*/, '@127.0.0.1:1/test');
    expect(await failureOf(open(elsewhere))).toMatchObject({
      ...{ code: 'unreachable', message: expect.stringContaining('ECONNREFUSED') },
    });
    expect(await failureOf(open(`${server.url()}?schema=none`))).toMatchObject({ code: 'not-found' });
  });

  it('of a newer program is refused with its version, and left alone', async () => {
    const store = await server.newStore();
    await (await open(store)).close();
    const schema = new URL(store).searchParams.get('schema');
    await server.query(`insert into ${schema}.migrations values (99, 1)`);
    const before = await server.query(`select * from ${schema}.migrations order by version`);
    const failure = await failureOf(open(store));
    expect(failure).toMatchObject({ code: 'conflict', message: expect.stringContaining('its version is 99') });
    expect(await server.query(`select * from ${schema}.migrations order by version`)).toEqual(before);
  });

  it('reports a damaged or missing table by the operation', async () => {
    const store = await server.newStore();
    const database = await open(store);
    await server.query(`drop table ${new URL(store).searchParams.get('schema')}.jobs`);
    await expect(sqlControlStore(database).job('a')).rejects.toThrow('jobs');
    await database.close();
  });

  it('lets many write at once, also where the server is stricter than it has to be', async () => {
    const strict = await postgresServer(['default_transaction_isolation=serializable']);
    const store = await strict.newStore();
    const opened = await Promise.all([open(store), open(store)]);
    const stores = opened.map(sqlControlStore);
    const ids = Array.from({ length: 24 }, (_, i) => `j${i}`);
    // Each is a line of the one audit log.
    await Promise.all(ids.map((id, i) => stores[i % 2].createJob(job(id), [])));
    expect(await stores[0].jobs({ limit: 100 })).toHaveLength(24);
    for (const database of opened) await database.close();
    await strict.close();
  });

  it.each(['fast', 'immediate'] as const)(
    'is away while the server is stopped (%s), and there when it is back',
    async (how) => {
      const database = await open(await server.newStore());
      const control = sqlControlStore(database);
      await control.createJob(job('a'), []);
      // In the middle of a transaction, of which nothing is left.
      const inside = database.guard('waiting', () =>
        database.durably(async (change) => {
          await change.updateTable('jobs').set({ owner: 'thief' }).execute();
          await server.stop(how);
          await change.updateTable('jobs').set({ owner: 'thief' }).execute();
        }),
      );
      await expect(inside).rejects.toBeInstanceOf(StoreAway);
      await expect(control.job('a')).rejects.toBeInstanceOf(StoreAway);
      await server.start();
      expect(await control.job('a')).toMatchObject({ owner: 'me' });
      await database.close();
    },
  );
});

describe('the way to PostgreSQL', () => {
  it('is encrypted, to a server that proves who it is, unless the store says otherwise', async () => {
    const ca = join(server.directory, 'ca');
    await initCa(ca, Date.now());
    const names = { name: 'pg', addresses: ['127.0.0.1'], role: 'server', days: 1 } as const;
    const { certPath, keyPath } = await issueCertificate(ca, names, Date.now());
    const { uid, gid } = await server.owner();
    const [cert, key] = [join(server.directory, 'tls.crt'), join(server.directory, 'tls.key')];
    await copyFile(certPath, cert);
    await copyFile(keyPath, key);
    for (const file of [cert, key]) await chown(file, uid, gid);
    const off = `${server.url()}?sslmode=verify-full`;
    expect(await failureOf(open(off))).toMatchObject({ code: 'untrusted', remedy: expect.stringContaining('sslmode') });
    await server.query(`alter system set ssl_cert_file = '${cert}'`);
    await server.query(`alter system set ssl_key_file = '${key}'`);
    await server.query('alter system set ssl = on');
    await server.query('select pg_reload_conf()');
    const isEncrypted = async (parameters: string) => {
      const database = await open(`${server.url()}?${parameters}`);
      const pids = await server.query(
        "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'perftrawl'",
      );
      await database.close();
      return pids.map(({ ssl }) => ssl);
    };
    expect(await isEncrypted('sslmode=require')).toEqual([true]);
    expect(await isEncrypted(`sslmode=verify-full&sslrootcert=${join(ca, 'ca.crt')}`)).toEqual([true]);
    expect(await isEncrypted('sslmode=disable')).toEqual([false]);
    for (const mode of ['verify-full', 'verify-ca']) {
      expect(await failureOf(open(`${server.url()}?sslmode=${mode}`))).toMatchObject({ code: 'untrusted' });
    }
    const other = server.url().replace('127.0.0.1', 'localhost');
    const byCa = `sslrootcert=${join(ca, 'ca.crt')}`;
    // The certificate names another host than that.
    expect(await failureOf(open(`${other}?sslmode=verify-full&${byCa}`))).toMatchObject({ code: 'untrusted' });
    await (await open(`${other}?sslmode=verify-ca&${byCa}`)).close();
    expect(await failureOf(open(`${server.url()}?sslmode=verify-full&sslrootcert=/none.crt`))).toMatchObject({
      code: 'not-found',
    });
  });
});
