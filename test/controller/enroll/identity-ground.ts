// A CA, a store and what is made of them, in a directory of the test's own; with a clock that the test sets.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../../../controller/api.js';
import { type ReadableAudit, storedAudit } from '../../../controller/audit/audit.js';
import { readAuthority } from '../../../controller/ca/authority.js';
import { initCa } from '../../../controller/ca/certificate-authority.js';
import type { EnrollHandler } from '../../../controller/dial-in/agent-gate.js';
import { enrollHandler } from '../../../controller/enroll/enroll-handler.js';
import { type Identities, type NewEnrollToken, storedIdentities } from '../../../controller/enroll/identities.js';
import type { IdentityStore } from '../../../controller/store/identity-store.js';
import { sqlAuditStore } from '../../../controller/store/sql-audit-store.js';
import { sqlIdentityStore } from '../../../controller/store/sql-identity-store.js';
import { openSqlite } from '../../../controller/store/sqlite-database.js';
import { fileFingerprint } from '../../../controller/transport/ca-fingerprint.js';
import { type EnrollTokenText, parseEnrollToken } from '../../../proto/enroll-token.js';

export const HOUR = 3_600_000;

export interface IdentityGround {
  readonly directory: string;
  readonly caDirectory: string;
  readonly store: IdentityStore;
  readonly identities: Identities;
  readonly audit: ReadableAudit;
  readonly handler: EnrollHandler;
  /** What the inventory says, by name. */
  readonly inventory: Record<string, Address>;
  /** What the controller would have said in its log. */
  readonly logged: string[];
  /** Milliseconds since 1970 UTC; begins with the real time. */
  now: number;
  /** A token for one host with the label role=db, for an hour. */
  token(change?: Partial<NewEnrollToken>): Promise<EnrollTokenText>;
  close(): Promise<void>;
}

export async function identityGround(): Promise<IdentityGround> {
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-enroll-'));
  const caDirectory = join(directory, 'ca');
  await initCa(caDirectory, Date.now());
  const database = openSqlite(join(directory, 'perftrawl.db'), Date.now());
  const store = sqlIdentityStore(database);
  const now = () => ground.now;
  const log = (text: string) => void ground.logged.push(text);
  const audit = storedAudit(sqlAuditStore(database), now);
  const ground: IdentityGround = {
    ...{ directory, caDirectory, store, audit, inventory: {}, logged: [], now: Date.now() },
    identities: storedIdentities({
      ...{ store, now, caDirectory },
      caSha256: () => fileFingerprint(join(caDirectory, 'ca.crt')),
    }),
    handler: enrollHandler({
      ...{ store, now, log, audit, authority: () => readAuthority(caDirectory) },
      inventoryAddress: (name) => ground.inventory[name],
    }),
    async token(change = {}) {
      const { text } = await ground.identities.createToken({
        ...{ labels: { role: 'db' }, namePattern: '*', ttl: HOUR, uses: 1, certificateLife: 24 * HOUR },
        ...{ mayReplace: false, ...change },
      });
      const token = parseEnrollToken(text);
      if (token === undefined) throw new Error(`the controller made a token that is none: ${text.length} characters`);
      return token;
    },
    async close() {
      await database.close();
      await rm(directory, { recursive: true });
    },
  };
  return ground;
}
