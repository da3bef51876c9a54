// Enrolment tokens as text: `pte.ID.SECRET.CA`. With the hash of the CA in it, a host knows the right server before it says the secret.

export interface EnrollTokenText {
  /** 16 hex digits, to look it up by; no secret. */
  readonly id: string;
  /** 64 hex digits: 256 random bits. */
  readonly secret: string;
  /** SHA-256 of the DER certificate of the CA, 64 hex digits. */
  readonly caSha256: string;
}

const pattern = /^pte\.([0-9a-f]{16})\.([0-9a-f]{64})\.([0-9a-f]{64})$/;

export function formatEnrollToken({ id, secret, caSha256 }: EnrollTokenText): string {
  return `pte.${id}.${secret}.${caSha256}`;
}

/** White space around it is no part of it. Undefined for a text that is no token. */
export function parseEnrollToken(text: string): EnrollTokenText | undefined {
  const found = pattern.exec(text.trim());
  return found === null ? undefined : { id: found[1], secret: found[2], caSha256: found[3] };
}
