// The UserStore in SQL.
import type { Selectable } from 'kysely';
import { fail } from '../../proto/failure.js';
import { ROLES } from '../users/role.js';
import type { SqlDatabase } from './sql-database.js';
import type { UserTable } from './tables.js';
import type { StoredUser, UserStore } from './user-store.js';

export function sqlUserStore({ db, guard, where }: SqlDatabase): UserStore {
  async function one(column: 'name' | 'token_id', value: string): Promise<StoredUser | undefined> {
    if (value === '') return undefined;
    const row = await db.selectFrom('users').selectAll().where(column, '=', value).executeTakeFirst();
    return row === undefined ? undefined : toUser(row, where);
  }

  return {
    add: (user) =>
      guard('adding a user', async () => {
        const added = await db
          .insertInto('users')
          .values(toRow(user))
          .onConflict((conflict) => conflict.column('name').doNothing())
          .executeTakeFirst();
        return added.numInsertedOrUpdatedRows === 1n;
      }),
    list: () =>
      guard('reading the users', async () => {
        const rows = await db.selectFrom('users').selectAll().orderBy('name').execute();
        return rows.map((row) => toUser(row, where));
      }),
    byName: (name) => guard('looking for a user', () => one('name', name)),
    byTokenId: (id) => guard('looking for a user', () => one('token_id', id)),
    revoke: (name, now) =>
      guard('revoking a user', async () => {
        await db
          .updateTable('users')
          .set({ revoked: now })
          .where('name', '=', name)
          .where('revoked', '=', 0)
          .executeTakeFirst();
        return one('name', name);
      }),
  };
}

function toRow({ tokenId, secretHash, ...user }: StoredUser): UserTable {
  return { ...user, token_id: tokenId, secret_hash: secretHash };
}

function toUser(row: Selectable<UserTable>, where: string): StoredUser {
  const role = ROLES.find((known) => known === row.role);
  if (role === undefined) throw fail('bad-data', `${where}: the user ${row.name} has the unknown role '${row.role}'`);
  const { name, team, created, expires, revoked } = row;
  return { name, role, team, created, expires, revoked, tokenId: row.token_id, secretHash: row.secret_hash };
}
