// The users of a server as they are kept: never their tokens, only hashes. A name that was used is never free again.
import type { Role } from '../users/role.js';

export interface StoredUser {
  readonly name: string;
  readonly role: Role;
  readonly team: string;
  /** Times are milliseconds since 1970 UTC; 0: never. */
  readonly created: number;
  readonly expires: number;
  readonly revoked: number;
  /** '' for users without a token. */
  readonly tokenId: string;
  /** SHA-256 of the token's secret, lower-case hex; '' for users without a token. */
  readonly secretHash: string;
}

/** Methods reject with the failures of a ControlStore. */
export interface UserStore {
  /** False when the name is taken, also by a user who was revoked. */
  add(user: StoredUser): Promise<boolean>;
  /** By name. */
  list(): Promise<readonly StoredUser[]>;
  byName(name: string): Promise<StoredUser | undefined>;
  byTokenId(id: string): Promise<StoredUser | undefined>;
  /** The user as he is then; one who was revoked before stays as he was. Undefined when there is none. */
  revoke(name: string, now: number): Promise<StoredUser | undefined>;
}
