// What a certificate of perftrawl's CA is for, by its organizational unit and its usage together. One of one role never serves for another.
import type { X509Certificate } from 'node:crypto';

/**
 * `agent` listens and is called by a `controller`; a `dial-in-agent` calls a `server`, and then serves on that connection; a `user`
 * calls a `server`.
 */
export const CERTIFICATE_ROLES = ['agent', 'controller', 'dial-in-agent', 'server', 'user'] as const;
export type CertificateRole = (typeof CERTIFICATE_ROLES)[number];

interface RoleMarks {
  /** The OU of the subject. */
  readonly unit: string;
  /** Which end of TLS it may be: the one extended key usage. */
  readonly end: 'server' | 'client';
}

const MARKS: Readonly<Record<CertificateRole, RoleMarks>> = {
  agent: { unit: 'agent', end: 'server' },
  controller: { unit: 'controller', end: 'client' },
  'dial-in-agent': { unit: 'dial-in agent', end: 'client' },
  server: { unit: 'server', end: 'server' },
  user: { unit: 'user', end: 'client' },
};

/** Object identifiers of id-kp-serverAuth and id-kp-clientAuth, RFC 5280, section 4.2.1.12. */
const USAGE = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

export function marksOf(role: CertificateRole): RoleMarks {
  return MARKS[role];
}

/** Undefined for a certificate that our CA would not issue so. Says nothing of who signed it: TLS has to check that. */
export function roleOf(certificate: X509Certificate): CertificateRole | undefined {
  const unit = onlyField(certificate, 'OU');
  const usage: readonly string[] | undefined = certificate.keyUsage;
  if (usage?.length !== 1) return undefined;
  return CERTIFICATE_ROLES.find((role) => MARKS[role].unit === unit && USAGE[MARKS[role].end] === usage[0]);
}

/** The common name: of a host, a user or a server. Undefined when there is none, or more than one. */
export function nameOf(certificate: X509Certificate): string | undefined {
  return onlyField(certificate, 'CN');
}

/** Node gives one field per line, and escapes line feeds in values. */
function onlyField(certificate: X509Certificate, key: string): string | undefined {
  const found = certificate.subject.split('\n').filter((line) => line.startsWith(`${key}=`));
  return found.length === 1 ? found[0].slice(key.length + 1) : undefined;
}
