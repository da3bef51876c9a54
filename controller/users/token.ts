// The bearer tokens of users, as text: `ptu.ID.SECRET` or `ptu.ID.SECRET.CA`. The store keeps the SHA-256 of the secret only.
import { createHash, timingSafeEqual } from 'node:crypto';

export interface UserToken {
  /** 16 hex digits, to look it up by; no secret. */
  readonly id: string;
  /** 64 hex digits: 256 random bits. */
  readonly secret: string;
  /** SHA-256 of the DER certificate of the CA that the server's certificate is from, hex; undefined when the token does not say. */
  readonly caSha256: string | undefined;
}

const tokenPattern = /^ptu\.([0-9a-f]{16})\.([0-9a-f]{64})(?:\.([0-9a-f]{64}))?$/;

/** @param randomBytes as in node:crypto */
export function newToken(randomBytes: (size: number) => Buffer, caSha256: string | undefined): UserToken {
  return { id: randomBytes(8).toString('hex'), secret: randomBytes(32).toString('hex'), caSha256 };
}

export function tokenText({ id, secret, caSha256 }: UserToken): string {
  return ['ptu', id, secret, ...(caSha256 === undefined ? [] : [caSha256])].join('.');
}

/** Undefined for a text that is no token. */
export function parseToken(text: string): UserToken | undefined {
  const found = tokenPattern.exec(text.trim());
  return found === null ? undefined : { id: found[1], secret: found[2], caSha256: found[3] };
}

/** Plain SHA-256 does: what is hashed are 256 random bits, which nobody can try out. */
export function secretHash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** In constant time. @param hash '' (a user without a token) matches nothing */
export function matchesHash(secret: string, hash: string): boolean {
  const given = Buffer.from(secretHash(secret), 'hex');
  const known = Buffer.from(hash, 'hex');
  const isLikely = known.length === given.length;
  return timingSafeEqual(given, isLikely ? known : Buffer.alloc(given.length)) && isLikely;
}
