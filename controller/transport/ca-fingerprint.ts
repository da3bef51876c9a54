// The SHA-256 of a certificate, as tokens carry it and as `openssl x509 -fingerprint -sha256` prints it, without the colons.
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fail } from '../../proto/failure.js';

export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

/** Of the PEM file; undefined when there is none. @throws FailureError 'bad-data' when it is no certificate */
export async function fileFingerprint(file: string): Promise<string | undefined> {
  let pem: Buffer;
  try {
    pem = await readFile(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return fingerprintOf(new X509Certificate(pem));
  } catch (cause) {
    throw fail('bad-data', `${file} is no certificate`, 'restore it from a backup', cause);
  }
}
