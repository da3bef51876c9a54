// Who may be a host: tokens for enrolment, the certificates that were given out, and the hosts that have enrolled.
import { randomBytes } from 'node:crypto';
import type { Milliseconds } from '../../proto/capture.js';
import type { CertificateRole } from '../../proto/certificate-role.js';
import { formatEnrollToken } from '../../proto/enroll-token.js';
import { fail } from '../../proto/failure.js';
import { listCertificates } from '../ca/certificate-list.js';
import type { IdentityStore, StoredCertificate, StoredEnrollToken, StoredHost } from '../store/identity-store.js';
import { secretHash } from '../users/token.js';

export type EnrollToken = Omit<StoredEnrollToken, 'secretHash'>;
export type EnrolledHost = StoredHost;

export interface NewEnrollToken {
  readonly labels: Readonly<Record<string, string>>;
  /** Glob for the names of its hosts. */
  readonly namePattern: string;
  readonly ttl: Milliseconds;
  readonly uses: number;
  readonly certificateLife: Milliseconds;
  readonly mayReplace: boolean;
}

export interface ListedIdentity {
  readonly name: string;
  /** Undefined where the certificate has none of ours. */
  readonly role: CertificateRole | undefined;
  /** Lower-case hex. */
  readonly serial: string;
  readonly fingerprint: string;
  /** Milliseconds since 1970 UTC. */
  readonly notAfter: number;
  readonly state: 'good' | 'expired' | 'revoked' | 'another CA';
  /** `ca`: a file beside the root; `enrolled`: signed for a host, whose agent alone has it. */
  readonly from: 'ca' | 'enrolled';
}

/** Methods reject with a FailureError. */
export interface Identities {
  /** The text is shown this once. @throws FailureError 'bad-request', 'not-found' without a CA */
  createToken(request: NewEnrollToken): Promise<{ readonly token: EnrollToken; readonly text: string }>;
  /** The newest first; those that are of no use any more too. */
  tokens(): Promise<readonly EnrollToken[]>;
  /** Its hosts stay. @throws FailureError 'not-found' */
  revokeToken(id: string): Promise<EnrollToken>;
  /** Those beside the CA and those of enrolled hosts, by name. */
  certificates(): Promise<readonly ListedIdentity[]>;
  /**
   * By name (all that are good), serial or fingerprint. Hosts with such a certificate are cut off within a second or so.
   * @returns what was revoked; those that were revoked before are left out
   * @throws FailureError 'not-found'
   */
  revoke(which: string): Promise<readonly ListedIdentity[]>;
  /** By name. */
  enrolledHosts(): Promise<readonly EnrolledHost[]>;
  /** Revokes its certificates; the name is free again. @throws FailureError 'not-found' */
  forgetHost(name: string): Promise<EnrolledHost>;
}

export interface IdentitiesOptions {
  readonly store: IdentityStore;
  readonly now: () => number;
  /** Directory of the CA; it need not be there. */
  readonly caDirectory: string;
  /** SHA-256 of the CA's certificate, hex; undefined when there is none. */
  readonly caSha256: () => Promise<string | undefined>;
}

const day: Milliseconds = 86_400_000;

const labelKey = /^[A-Za-z0-9_./-]{1,64}$/;
const labelValue = /^[^\p{Cc}]{0,200}$/u;
const mostLabels = 32;
const mostUses = 100_000;

export function storedIdentities({ store, now, caDirectory, caSha256 }: IdentitiesOptions): Identities {
  async function certificates(): Promise<readonly ListedIdentity[]> {
    const stored = await store.certificates();
    const revoked = new Set(stored.filter((one) => one.revoked !== 0).map(({ fingerprint }) => fingerprint));
    const files = (await caSha256()) === undefined ? [] : await listCertificates(caDirectory, now());
    const ofFiles = files.map(
      (file): ListedIdentity => ({
        ...file,
        state: revoked.has(file.fingerprint) ? 'revoked' : file.state,
        from: 'ca',
      }),
    );
    const known = new Set(files.map(({ fingerprint }) => fingerprint));
    const others = stored.filter(({ fingerprint }) => !known.has(fingerprint)).map((one) => listed(one, now()));
    return [...ofFiles, ...others].sort((a, b) =>
      a.name < b.name ? -1 : a.name > b.name ? 1 : b.notAfter - a.notAfter,
    );
  }

  return {
    async createToken(request) {
      checkNewToken(request);
      const ca = await caSha256();
      if (ca === undefined)
        throw fail('not-found', `there is no CA in ${caDirectory}`, 'make one with `perftrawl ca init`');
      const [id, secret] = [randomBytes(8).toString('hex'), randomBytes(32).toString('hex')];
      const { ttl, ...kept } = request;
      const created = now();
      const token: EnrollToken = { id, ...kept, used: 0, created, expires: created + ttl, revoked: 0 };
      await store.addToken({ ...token, secretHash: secretHash(secret) });
      return { token, text: formatEnrollToken({ id, secret, caSha256: ca }) };
    },

    tokens: async () => (await store.tokens()).map(withoutSecret),

    async revokeToken(id) {
      const token = await store.revokeToken(id, now());
      if (token === undefined) {
        throw fail('not-found', `there is no token ${id.slice(0, 80)}`, '`perftrawl enroll-token ls` lists them');
      }
      return withoutSecret(token);
    },

    certificates,

    async revoke(which) {
      const all = await certificates();
      const hex = which.replaceAll(':', '').toLowerCase();
      const exact = all.filter(({ fingerprint, serial }) => fingerprint === hex || serial === hex);
      const found = exact.length > 0 ? exact : all.filter(({ name }) => name === which);
      const open = found.filter(({ state }) => state === 'good');
      if (found.length === 0 || (exact.length === 0 && open.length === 0)) {
        const what = found.length === 0 ? 'no certificate' : 'no certificate that is still good';
        throw fail('not-found', `there is ${what} of '${which.slice(0, 80)}'`, '`perftrawl ca ls` lists them');
      }
      const chosen = exact.length > 0 ? exact.filter(({ state }) => state !== 'revoked') : open;
      const roleless = chosen.find(({ role, state }) => role === undefined || state === 'another CA');
      if (roleless !== undefined) {
        throw fail('bad-request', `the certificate of ${roleless.name} is not one that this CA has given a role`);
      }
      await store.revoke(
        chosen.flatMap(({ fingerprint, serial, name, role, notAfter }) =>
          role === undefined ? [] : [{ fingerprint, serial, name, role, notAfter, issued: 0, revoked: 0 }],
        ),
        now(),
      );
      return chosen.map((one) => ({ ...one, state: 'revoked' as const }));
    },

    enrolledHosts: () => store.hosts(),

    async forgetHost(name) {
      const host = await store.forgetHost(name, now());
      if (host === undefined) {
        const remedy = '`perftrawl hosts ls` lists them; hosts of the inventory are in its file';
        throw fail('not-found', `no host ${name.slice(0, 80)} has enrolled`, remedy);
      }
      return host;
    },
  };
}

/** @throws FailureError 'bad-request' */
function checkNewToken({ labels, namePattern, ttl, uses, certificateLife }: NewEnrollToken): void {
  const refuse = (message: string, remedy: string) => fail('bad-request', message, remedy);
  const entries = Object.entries(labels);
  const wrong = entries.find(([key, value]) => !labelKey.test(key) || key === 'name' || !labelValue.test(value));
  if (wrong !== undefined || entries.length > mostLabels) {
    const [key, value] = wrong ?? ['', ''];
    const what =
      wrong === undefined ? `${entries.length} labels are too many` : `'${key}=${value}' is no label for hosts`;
    throw refuse(what, `at most ${mostLabels}; keys are letters, digits and _ . / -, and not name`);
  }
  if (!/^[A-Za-z0-9._*?-]{1,80}$/.test(namePattern)) {
    throw refuse(`'${namePattern.slice(0, 80)}' is no pattern for names of hosts`, "such as 'db*'");
  }
  if (!Number.isSafeInteger(uses) || uses < 1 || uses > mostUses) {
    throw refuse(`a token cannot be for ${uses} hosts`, `give a whole number from 1 to ${mostUses}`);
  }
  if (!(ttl >= 1000 && ttl <= 365 * day)) throw refuse(`a token cannot be good for ${ttl} ms`, 'from 1s to 365d');
  if (!(certificateLife >= 1000 && certificateLife <= 3650 * day)) {
    throw refuse(`certificates cannot be good for ${certificateLife} ms`, 'give a number of days');
  }
}

function listed(
  { fingerprint, serial, name, role, notAfter, revoked }: StoredCertificate,
  now: number,
): ListedIdentity {
  const state = revoked !== 0 ? 'revoked' : notAfter <= now ? 'expired' : 'good';
  return { name, role, serial, fingerprint, notAfter, state, from: 'enrolled' };
}

function withoutSecret({ secretHash: _, ...token }: StoredEnrollToken): EnrollToken {
  return token;
}
