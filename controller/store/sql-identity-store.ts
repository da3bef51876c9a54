// The IdentityStore in SQL.
import type { Kysely } from 'kysely';
import { CERTIFICATE_ROLES } from '../../proto/certificate-role.js';
import { fail } from '../../proto/failure.js';
import type {
  Enrolment,
  EnrolmentResult,
  IdentityStore,
  StoredCertificate,
  StoredEnrollToken,
  StoredHost,
} from './identity-store.js';
import type { SqlDatabase } from './sql-database.js';
import type { CertificateTable, EnrolledHostTable, EnrollTokenTable, Tables } from './tables.js';

/** Certificates that ended so long ago are of no interest to anybody. */
const keptAfterEnd = 90 * 86_400_000;

/** Undoes a transaction whose condition does not hold. */
class Undone extends Error {
  readonly result: EnrolmentResult;
  constructor(result: EnrolmentResult) {
    super(result);
    this.result = result;
  }
}

export function sqlIdentityStore({ db, guard, where }: SqlDatabase): IdentityStore {
  const toCertificate = (row: CertificateTable): StoredCertificate => {
    const role = CERTIFICATE_ROLES.find((known) => known === row.role);
    if (role === undefined) throw fail('bad-data', `${where}: a certificate of ${row.name} has the role '${row.role}'`);
    const { fingerprint, serial, name, issued, revoked } = row;
    return { fingerprint, serial, name, role, issued, notAfter: row.not_after, revoked };
  };
  const toToken = (row: EnrollTokenTable): StoredEnrollToken => ({
    ...{ id: row.id, secretHash: row.secret_hash, labels: labelsOf(row.labels, where), namePattern: row.name_pattern },
    ...{ uses: row.uses, used: row.used, certificateLife: row.certificate_life, mayReplace: row.may_replace !== 0 },
    ...{ created: row.created, expires: row.expires, revoked: row.revoked },
  });
  const toHost = (row: EnrolledHostTable): StoredHost => ({
    ...{ name: row.name, labels: labelsOf(row.labels, where), fingerprint: row.fingerprint, serial: row.serial },
    ...{ keySha256: row.key_sha256, tokenId: row.token_id, certificateLife: row.certificate_life },
    ...{ enrolled: row.enrolled, renewed: row.renewed, lastSeen: row.last_seen, address: row.address },
  });

  async function tokenOf(id: string): Promise<StoredEnrollToken | undefined> {
    const row = await db.selectFrom('enroll_tokens').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? undefined : toToken(row);
  }

  return {
    addToken: (token) =>
      guard('adding a token', async () => {
        await db.insertInto('enroll_tokens').values(tokenRow(token)).execute();
      }),
    token: (id) => guard('looking for a token', () => tokenOf(id)),
    tokens: () =>
      guard('reading the tokens', async () => {
        const rows = await db
          .selectFrom('enroll_tokens')
          .selectAll()
          .orderBy('created', 'desc')
          .orderBy('id')
          .execute();
        return rows.map(toToken);
      }),
    revokeToken: (id, now) =>
      guard('revoking a token', async () => {
        await db
          .updateTable('enroll_tokens')
          .set({ revoked: now })
          .where('id', '=', id)
          .where('revoked', '=', 0)
          .execute();
        return tokenOf(id);
      }),

    certificates: () =>
      guard('reading the certificates', async () => {
        const rows = await db
          .selectFrom('certificates')
          .selectAll()
          .orderBy('name')
          .orderBy('issued', 'desc')
          .execute();
        return rows.map(toCertificate);
      }),
    certificate: (fingerprint) =>
      guard('looking for a certificate', async () => {
        const found = db.selectFrom('certificates').selectAll().where('fingerprint', '=', fingerprint);
        const row = await found.executeTakeFirst();
        return row === undefined ? undefined : toCertificate(row);
      }),
    revoke: (certificates, now) =>
      guard('revoking certificates', () =>
        db.transaction().execute(async (change) => {
          for (const certificate of certificates) {
            await change
              .insertInto('certificates')
              .values({ ...certificateRow(certificate), revoked: now })
              .onConflict((conflict) =>
                conflict.column('fingerprint').doUpdateSet({ revoked: now }).where('certificates.revoked', '=', 0),
              )
              .execute();
          }
        }),
      ),
    revoked: (now) =>
      guard('looking for revoked certificates', async () => {
        const found = db.selectFrom('certificates').selectAll().where('revoked', '>', 0).where('not_after', '>', now);
        return (await found.execute()).map(toCertificate);
      }),

    enroll: (enrolment) =>
      guard('enrolling a host', async () => {
        try {
          await db.transaction().execute((change) => enroll(change, enrolment));
          return 'done';
        } catch (error) {
          if (error instanceof Undone) return error.result;
          throw error;
        }
      }),
    host: (name) =>
      guard('looking for a host', async () => {
        const row = await db.selectFrom('enrolled_hosts').selectAll().where('name', '=', name).executeTakeFirst();
        return row === undefined ? undefined : toHost(row);
      }),
    hosts: () =>
      guard('reading the enrolled hosts', async () =>
        (await db.selectFrom('enrolled_hosts').selectAll().orderBy('name').execute()).map(toHost),
      ),
    hostsMark: () =>
      guard('looking for enrolled hosts', async () => {
        const { count, max, sum } = db.fn;
        const row = await db
          .selectFrom('enrolled_hosts')
          .select([count('name').as('hosts'), max('renewed').as('newest'), sum('renewed').as('all')])
          .executeTakeFirst();
        return JSON.stringify(row);
      }),
    forgetHost: (name, now) =>
      guard('forgetting a host', () =>
        db.transaction().execute(async (change) => {
          const row = await change
            .deleteFrom('enrolled_hosts')
            .where('name', '=', name)
            .returningAll()
            .executeTakeFirst();
          if (row === undefined) return undefined;
          await revokeOlder(change, name, '', now);
          return toHost(row);
        }),
      ),
    seen: (hosts) =>
      guard('writing down which hosts were seen', () =>
        db.transaction().execute(async (change) => {
          for (const { name, address, at } of hosts) {
            await change
              .updateTable('enrolled_hosts')
              .set({ last_seen: at, address })
              .where('name', '=', name)
              .execute();
          }
        }),
      ),
  };
}

/** @throws Undone when what it depends on does not hold any more; then nothing has changed */
async function enroll(change: Kysely<Tables>, enrolment: Enrolment): Promise<void> {
  const { host, certificate, before, provenBy, tokenId, revokesOlder, now } = enrolment;
  const row = hostRow(host);
  const { name: _, enrolled: _first, last_seen: _seen, address: _address, ...changed } = row;
  // The first statement is a write: two who want one name wait for each other.
  const written =
    before === undefined
      ? await change
          .insertInto('enrolled_hosts')
          .values(row)
          .onConflict((conflict) => conflict.column('name').doNothing())
          .executeTakeFirst()
      : await change
          .updateTable('enrolled_hosts')
          .set(changed)
          .where('name', '=', host.name)
          .where('fingerprint', '=', before)
          .executeTakeFirst();
  const count = 'numUpdatedRows' in written ? written.numUpdatedRows : (written.numInsertedOrUpdatedRows ?? 0n);
  if (count !== 1n) throw new Undone('overtaken');
  if (provenBy !== undefined) {
    const revoked = change.selectFrom('certificates').select('name').where('fingerprint', '=', provenBy);
    if ((await revoked.where('revoked', '>', 0).executeTakeFirst()) !== undefined) throw new Undone('overtaken');
  }
  if (tokenId !== undefined) {
    const taken = await change
      .updateTable('enroll_tokens')
      .set((column) => ({ used: column('used', '+', 1) }))
      .where('id', '=', tokenId)
      .where('revoked', '=', 0)
      .where('expires', '>', now)
      .whereRef('used', '<', 'uses')
      .executeTakeFirst();
    if (taken.numUpdatedRows !== 1n) throw new Undone('no-use-left');
  }
  if (revokesOlder) await revokeOlder(change, host.name, certificate.fingerprint, now);
  await change
    .deleteFrom('certificates')
    .where('not_after', '<', now - keptAfterEnd)
    .execute();
  await change.insertInto('certificates').values(certificateRow(certificate)).execute();
}

/** Those for dialing in: a name may also be that of an agent that listens. */
async function revokeOlder(change: Kysely<Tables>, name: string, except: string, now: number): Promise<void> {
  await change
    .updateTable('certificates')
    .set({ revoked: now })
    .where('name', '=', name)
    .where('role', '=', 'dial-in-agent')
    .where('revoked', '=', 0)
    .where('fingerprint', '!=', except)
    .execute();
}

function tokenRow({ labels, mayReplace, ...token }: StoredEnrollToken): EnrollTokenTable {
  const { id, secretHash, namePattern, uses, used, certificateLife, created, expires, revoked } = token;
  return {
    ...{ id, secret_hash: secretHash, labels: JSON.stringify(labels), name_pattern: namePattern, uses, used },
    ...{ certificate_life: certificateLife, may_replace: mayReplace ? 1 : 0, created, expires, revoked },
  };
}

function certificateRow({ notAfter, ...same }: StoredCertificate): CertificateTable {
  return { ...same, not_after: notAfter };
}

function hostRow({ labels, ...host }: StoredHost): EnrolledHostTable {
  const { name, fingerprint, serial, keySha256, tokenId, certificateLife, enrolled, renewed, lastSeen, address } = host;
  return {
    ...{ name, labels: JSON.stringify(labels), fingerprint, serial, key_sha256: keySha256, token_id: tokenId },
    ...{ certificate_life: certificateLife, enrolled, renewed, last_seen: lastSeen, address },
  };
}

function labelsOf(text: string, where: string): Readonly<Record<string, string>> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null)
    throw fail('bad-data', `${where}: labels are '${text.slice(0, 80)}'`);
  return Object.fromEntries(Object.entries(value).map(([key, label]) => [key, String(label)]));
}
