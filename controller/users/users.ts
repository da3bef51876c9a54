// The people and programs that may use a server: added, listed, revoked, and told apart by token or certificate.
import { randomBytes } from 'node:crypto';
import type { Milliseconds } from '../../proto/capture.js';
import { type Failure, fail } from '../../proto/failure.js';
import type { StoredUser, UserStore } from '../store/user-store.js';
import type { Role } from './role.js';
import { checkTeamName, DEFAULT_TEAM } from './team.js';
import { matchesHash, newToken, parseToken, secretHash, tokenText } from './token.js';

export interface User {
  readonly name: string;
  readonly role: Role;
  /** Whose quota his jobs count against. */
  readonly team: string;
  /** Times are milliseconds since 1970 UTC; 0: never. */
  readonly created: number;
  readonly expires: number;
  readonly revoked: number;
  /** False: known by a client certificate of that name only. */
  readonly hasToken: boolean;
}

export interface NewUser {
  readonly name: string;
  readonly role: Role;
  /** Absent: `default`. */
  readonly team?: string;
  /** Undefined: for ever. */
  readonly ttl: Milliseconds | undefined;
  /** False: by client certificate only. */
  readonly withToken: boolean;
}

export interface AddedUser {
  readonly user: User;
  /** Shown this once; undefined for a user without one. */
  readonly token: string | undefined;
}

/** Who asks, and how that is known. */
export interface Caller {
  readonly name: string;
  readonly role: Role;
  readonly team: string;
  /** `local`: on the server's own machine, with access to its files. */
  readonly by: 'local' | 'token' | 'certificate';
  /** Milliseconds since 1970 UTC; 0: never. */
  readonly expires: number;
}

/** Methods reject with a FailureError. */
export interface Users {
  /** @throws FailureError 'bad-request' for a name that is none, 'conflict' when there is such a user */
  add(request: NewUser): Promise<AddedUser>;
  /** By name; those who are revoked too. */
  list(): Promise<readonly User[]>;
  /** Takes effect at the next request, and ends what the user follows. @throws FailureError 'not-found' */
  revoke(name: string): Promise<User>;
  whoami(): Promise<Caller>;
}

/** How a server tells who asks. A refusal is a value: it is answered and written down. */
export interface Authenticator {
  byToken(text: string): Promise<Caller | Failure>;
  /** @param name of a certificate that the CA has issued to a user */
  byCertificate(name: string): Promise<Caller | Failure>;
}

export interface UsersOptions {
  readonly store: UserStore;
  readonly now: () => number;
  /** See `UserToken.caSha256`; read each time, because the CA may be made later. */
  readonly caSha256: () => Promise<string | undefined>;
  /** Who uses the store directly. */
  readonly localName: string;
}

const userName = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** A hash that no secret has, so that unknown ids take as long as known ones. */
const noHash = '0'.repeat(64);

export function storedUsers(options: UsersOptions): Users & Authenticator {
  const { store, now, caSha256, localName } = options;

  function admit(user: StoredUser, by: Caller['by']): Caller | Failure {
    if (user.revoked !== 0) {
      return untrusted(`the user ${user.name} was revoked`, 'ask an admin for a new name');
    }
    if (user.expires !== 0 && user.expires <= now()) {
      const when = new Date(user.expires).toISOString();
      return untrusted(`the access of ${user.name} ended at ${when}`, 'ask an admin for a new token');
    }
    return { name: user.name, role: user.role, team: user.team, by, expires: user.expires };
  }

  return {
    async add({ name, role, team = DEFAULT_TEAM, ttl, withToken }) {
      if (!userName.test(name)) {
        const remedy = 'use small letters, digits, dots, dashes and underscores, 64 at most';
        throw fail('bad-request', `'${name.slice(0, 80)}' is no name for a user`, remedy);
      }
      checkTeamName(team);
      if (ttl !== undefined && !(ttl > 0 && Number.isSafeInteger(now() + ttl))) {
        throw fail('bad-request', `a user cannot be good for ${ttl} ms`, 'give a duration such as 30d');
      }
      const token = withToken ? newToken(randomBytes, await caSha256()) : undefined;
      const created = now();
      const user: StoredUser = {
        ...{ name, role, team, created, expires: ttl === undefined ? 0 : created + ttl, revoked: 0 },
        ...{ tokenId: token?.id ?? '', secretHash: token === undefined ? '' : secretHash(token.secret) },
      };
      if (!(await store.add(user))) {
        throw fail('conflict', `there is a user ${name} already`, 'names are never given twice: choose another one');
      }
      return { user: toUser(user), token: token === undefined ? undefined : tokenText(token) };
    },

    list: async () => (await store.list()).map(toUser),

    async revoke(name) {
      const user = await store.revoke(name, now());
      if (user === undefined) throw fail('not-found', `there is no user '${name}'`, '`perftrawl users ls` lists them');
      return toUser(user);
    },

    whoami: async () => ({ name: localName, role: 'admin', team: DEFAULT_TEAM, by: 'local', expires: 0 }),

    async byToken(text) {
      const token = parseToken(text);
      const user = token === undefined ? undefined : await store.byTokenId(token.id);
      const isRight = matchesHash(token?.secret ?? '', user?.secretHash ?? noHash);
      if (user === undefined || !isRight) {
        return untrusted('this token is none that the server has given', 'ask an admin: perftrawl users add NAME');
      }
      return admit(user, 'token');
    },

    async byCertificate(name) {
      const user = await store.byName(name);
      if (user === undefined) {
        const remedy = `ask an admin: perftrawl users add ${name} --role viewer --no-token`;
        return untrusted(`the certificate of ${name} is good, and there is no such user`, remedy);
      }
      return admit(user, 'certificate');
    },
  };
}

function untrusted(message: string, remedy: string): Failure {
  return { code: 'untrusted', message, remedy };
}

function toUser({ name, role, team, created, expires, revoked, tokenId }: StoredUser): User {
  return { name, role, team, created, expires, revoked, hasToken: tokenId !== '' };
}
