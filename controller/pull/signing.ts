// Who signs a manifest: a key and its certificate, of perftrawl's own CA or of another one. Ed25519 and ECDSA, as openssl reads them.
import { createHash, createPrivateKey, type KeyObject, sign, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { nameOf, roleOf } from '../../proto/certificate-role.js';
import { fail } from '../../proto/failure.js';
import type { Signing } from './pull-result.js';

/** PEM files. */
export interface SigningFiles {
  readonly key: string;
  readonly certificate: string;
}

/**
 * The certificate must be good now: whoever checks the signature later looks whether it was.
 * @throws FailureError 'not-found', 'permission' for a key that others may read, 'bad-data', 'refused' for one that may not sign
 */
export async function openSigning(files: SigningFiles, now: number): Promise<Signing> {
  const certificate = readCertificate(await read(files.certificate), files.certificate);
  const pem = await read(files.key);
  if (((await stat(files.key)).mode & 0o077) !== 0) {
    throw fail(
      'permission',
      `others may read the key in ${files.key}`,
      `chmod 600 ${files.key}; if they did, make a new one`,
    );
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw fail('bad-data', `${files.key} is no private key`, 'give one in PEM that has no passphrase', cause);
  }
  const problem = signerProblem(certificate, now);
  if (problem !== undefined) throw fail('refused', `${files.certificate} ${problem}`, 'sign with another certificate');
  if (!certificate.checkPrivateKey(key)) {
    throw fail(
      'bad-request',
      `${files.key} is not the key of ${files.certificate}`,
      'name the two that belong together',
    );
  }
  return {
    name: nameOf(certificate) ?? '',
    certificate: certificate.toString(),
    certificateSha256: fingerprintOf(certificate),
    sign: (data) => sign(digestOf(key), data, key),
  };
}

/** Why a certificate does not vouch for a manifest that was signed at `time`; undefined when nothing is wrong with it itself. */
export function signerProblem(certificate: X509Certificate, time: number): string | undefined {
  const role = roleOf(certificate);
  if (role === 'agent' || role === 'dial-in-agent') {
    return `is of role ${role}: a host does not vouch for what was pulled`;
  }
  const { asymmetricKeyType: type } = certificate.publicKey;
  if (type !== 'ec' && type !== 'ed25519') return `has a key of type ${type}: neither Ed25519 nor ECDSA`;
  if (certificate.ca && !isSelfSigned(certificate)) return 'is that of a CA, which signs certificates';
  return periodProblem(certificate, time);
}

export function periodProblem(certificate: X509Certificate, time: number): string | undefined {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const at = new Date(time).toISOString();
  if (!(time >= from)) return `was not good yet at ${at}, but from ${new Date(from).toISOString()} on`;
  if (!(time <= to)) return `was not good any more at ${at}: it ended at ${new Date(to).toISOString()}`;
  return undefined;
}

/** As people make one with `openssl req -x509`; it is trusted when it is named itself. */
export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

/** Ed25519 hashes by itself; ECDSA signs the SHA-256. */
export function digestOf(key: KeyObject): 'sha256' | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
}

export function fingerprintOf(certificate: X509Certificate): string {
  return createHash('sha256').update(certificate.raw).digest('hex');
}

/** @throws FailureError 'bad-data' */
export function readCertificate(pem: Buffer | string, where: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw fail('bad-data', `${where} is no certificate`, 'give one in PEM', cause);
  }
}

/** @throws FailureError 'not-found' or 'permission' that names the file */
async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const message = cause instanceof Error ? cause.message : String(cause);
    const remedy = isAbsent
      ? 'name one with --key and --cert; `perftrawl ca issue NAME --role user` makes them'
      : 'run as the user who owns that file';
    throw fail(isAbsent ? 'not-found' : 'permission', `cannot read what to sign with: ${message}`, remedy, cause);
  }
}
