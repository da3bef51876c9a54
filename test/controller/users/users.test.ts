// Users over a real store: who is let in by token or certificate, and who no longer is.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { sqlUserStore } from '../../../controller/store/sql-user-store.js';
import { openSqlite } from '../../../controller/store/sqlite-database.js';
import { mayAct, ROLES } from '../../../controller/users/role.js';
import { type Authenticator, storedUsers, type Users } from '../../../controller/users/users.js';
import { toFailure } from '../../../proto/failure.js';

let directory: string;
let database: SqlDatabase;
let users: Users & Authenticator;
let now: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-users-'));
  database = openSqlite(join(directory, 'perftrawl.db'), 1);
  now = 1_700_000_000_000;
  users = storedUsers({
    ...{ store: sqlUserStore(database), now: () => now, localName: 'root@here' },
    caSha256: async () => 'c'.repeat(64),
  });
});
afterEach(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

async function added(name: string, ttl?: number): Promise<string> {
  const { token } = await users.add({ name, role: 'operator', ttl, withToken: true });
  return token ?? expect.fail('no token');
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => toFailure(error),
  );

describe('a user', () => {
  it('is known by the token that was shown once, and the store does not hold it', async () => {
    const token = await added('alice');
    const [, , secret, ca] = token.split('.');
    expect([secret.length, ca]).toEqual([64, 'c'.repeat(64)]);
    expect(await users.byToken(token)).toEqual({
      name: 'alice',
      role: 'operator',
      team: 'default',
      by: 'token',
      expires: 0,
    });
    for (const file of ['perftrawl.db', 'perftrawl.db-wal']) {
      expect((await readFile(join(directory, file))).includes(secret)).toBe(false);
    }
  });

  it('is refused with a changed secret, another id, nonsense, and nothing', async () => {
    const token = await added('alice');
    const last = token.split('.')[2];
    const wrong = token.replace(last, `${last.slice(1)}${last[0] === 'a' ? 'b' : 'a'}`);
    const other = (await added('bob')).split('.')[1];
    for (const text of [wrong, token.replace(token.split('.')[1], other), 'x', '', token.slice(0, -65).slice(0, -1)]) {
      expect(await users.byToken(text)).toMatchObject({ code: 'untrusted' });
    }
  });

  it('is refused after the end of the token, and after being revoked', async () => {
    const token = await added('alice', 1000);
    now += 999;
    expect(await users.byToken(token)).toMatchObject({ name: 'alice' });
    now += 1;
    expect(await users.byToken(token)).toMatchObject({ code: 'untrusted', message: expect.stringContaining('ended') });
    const bob = await added('bob');
    await users.revoke('bob');
    expect(await users.byToken(bob)).toMatchObject({ code: 'untrusted', message: expect.stringContaining('revoked') });
    expect(await failureOf(users.revoke('carol'))).toMatchObject({ code: 'not-found' });
  });

  it('is known by certificate when there is such a user, without a token that could be guessed', async () => {
    expect(await users.byCertificate('alice')).toMatchObject({ code: 'untrusted' });
    const { token } = await users.add({ name: 'alice', role: 'viewer', ttl: undefined, withToken: false });
    expect(token).toBeUndefined();
    expect(await users.byCertificate('alice')).toMatchObject({ name: 'alice', role: 'viewer', by: 'certificate' });
    expect(await users.byToken(`ptu.${'0'.repeat(16)}.${'0'.repeat(64)}`)).toMatchObject({ code: 'untrusted' });
  });

  it('has a name that is a name, and that nobody had before', async () => {
    await added('alice');
    await users.revoke('alice');
    expect(await failureOf(added('alice'))).toMatchObject({ code: 'conflict' });
    for (const name of ['', 'A', '../x', 'a b', 'a@b', 'x'.repeat(65)]) {
      expect(await failureOf(added(name))).toMatchObject({ code: 'bad-request' });
    }
  });
});

it('roles are a ladder', () => {
  const table = ROLES.map((has) => ROLES.map((least) => mayAct(has, least)));
  expect(table).toEqual([
    [true, false, false],
    [true, true, false],
    [true, true, true],
  ]);
});
