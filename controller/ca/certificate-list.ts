// Which certificates lie in the directory of the CA: for whom, until when, and whether this CA signed them.
import { X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type CertificateRole, roleOf } from '../../proto/certificate-role.js';
import { fail } from '../../proto/failure.js';

export interface ListedCertificate {
  readonly name: string;
  /** Undefined where the certificate has none of ours. */
  readonly role: CertificateRole | undefined;
  /** Lower-case hex. */
  readonly serial: string;
  /** Lower-case hex SHA-256 of the DER certificate. */
  readonly fingerprint: string;
  /** Milliseconds since 1970 UTC. */
  readonly notAfter: number;
  readonly state: 'good' | 'expired' | 'another CA';
}

/**
 * The certificates beside `ca.crt`, by name; `ca.crt` itself is left out.
 * @throws FailureError 'not-found' when there is no CA, 'bad-data' when a file is no certificate
 */
export async function listCertificates(directory: string, now: number): Promise<readonly ListedCertificate[]> {
  const ca = await readCertificate(path.join(directory, 'ca.crt'));
  const files = (await readdir(directory)).filter((file) => file.endsWith('.crt') && file !== 'ca.crt').sort();
  const listed: ListedCertificate[] = [];
  for (const file of files) {
    const certificate = await readCertificate(path.join(directory, file));
    const notAfter = Date.parse(certificate.validTo);
    listed.push({
      name: file.slice(0, -'.crt'.length),
      role: roleOf(certificate),
      serial: certificate.serialNumber.toLowerCase(),
      fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      notAfter,
      state: !certificate.verify(ca.publicKey) ? 'another CA' : notAfter <= now ? 'expired' : 'good',
    });
  }
  return listed;
}

async function readCertificate(file: string): Promise<X509Certificate> {
  const text = await readFile(file).catch((cause: unknown) => {
    throw fail('not-found', `cannot read the certificate ${file}`, 'make a CA with `perftrawl ca init`', cause);
  });
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw fail('bad-data', `${file} is no certificate`, 'remove it, or restore it from a backup', cause);
  }
}
