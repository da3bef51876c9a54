// Whether a manifest is from whom it says: the signature over its bytes, the certificate that it comes with, and the CA behind that.
import { verify, type X509Certificate } from 'node:crypto';
import { nameOf } from '../../proto/certificate-role.js';
import { FailureError } from '../../proto/failure.js';
import type { Manifest } from './manifest.js';
import { digestOf, fingerprintOf, isSelfSigned, periodProblem, readCertificate, signerProblem } from './signing.js';

export interface Trust {
  /** PEM of one CA or several; undefined: nobody said whom to trust. */
  readonly ca: string | undefined;
  /** Common name that the signer must have; undefined: any. */
  readonly signer: string | undefined;
  /** Without a signature there is no trust. */
  readonly isNeeded: boolean;
  /** Milliseconds since 1970 UTC. */
  readonly now: number;
}

export type SignatureState =
  | { readonly state: 'none' }
  | { readonly state: 'good'; readonly signer: string; readonly certificateSha256: string; readonly time: number }
  | { readonly state: 'untrusted'; readonly why: string; readonly remedy: string };

export interface SignedBytes {
  readonly manifest: Buffer;
  /** As found; undefined when the file is not there. */
  readonly signature: Buffer | undefined;
  readonly certificate: Buffer | undefined;
}

/** Clocks differ. */
const tolerance = 3_600_000;

export function checkSignature(manifest: Manifest, bytes: SignedBytes, trust: Trust): SignatureState {
  const { signer } = manifest;
  if (signer === undefined) {
    if (!trust.isNeeded) return { state: 'none' };
    return untrusted('it is not signed', 'ask for one that was pulled with --sign');
  }
  if (bytes.signature === undefined || bytes.certificate === undefined) {
    return untrusted('its signature or the certificate of it is not there', 'ask for the whole directory again');
  }
  let certificate: X509Certificate;
  try {
    certificate = readCertificate(bytes.certificate, 'manifest.crt');
  } catch (error) {
    if (error instanceof FailureError) return untrusted(error.failure.message, 'ask for the whole directory again');
    throw error;
  }
  const why =
    bytesProblem(manifest, certificate, bytes) ??
    signerProblem(certificate, signer.time) ??
    (signer.time > trust.now + tolerance
      ? `was signed in the future, at ${new Date(signer.time).toISOString()}`
      : undefined);
  if (why !== undefined) return untrusted(`its certificate ${why}`, 'ask who gave it to you');
  const chain = chainProblem(certificate, trust, signer.time);
  if (chain !== undefined) return chain;
  const name = nameOf(certificate) ?? '';
  if (trust.signer !== undefined && name !== trust.signer) {
    return untrusted(`it is signed by '${name}', not by '${trust.signer}'`, 'ask who gave it to you');
  }
  return { state: 'good', signer: name, certificateSha256: signer.certificateSha256, time: signer.time };
}

/** Whether manifest, signature and certificate belong together, to the last byte. */
function bytesProblem(manifest: Manifest, certificate: X509Certificate, bytes: SignedBytes): string | undefined {
  const { manifest: data, signature, certificate: pem } = bytes;
  if (fingerprintOf(certificate) !== manifest.signer?.certificateSha256)
    return 'is not the one that the manifest names';
  // PEM can be written in more ways than one; a pull writes one.
  if (pem?.toString('latin1') !== certificate.toString()) return 'was changed after it was written';
  const key = certificate.publicKey;
  if (key.asymmetricKeyType !== 'ec' && key.asymmetricKeyType !== 'ed25519') return undefined;
  const isRight = signature !== undefined && verify(digestOf(key), data, key, signature);
  return isRight ? undefined : 'did not sign this manifest: the manifest or the signature was changed';
}

function chainProblem(certificate: X509Certificate, { ca, signer }: Trust, time: number): SignatureState | undefined {
  if (ca === undefined) {
    return untrusted(
      `it is signed by '${nameOf(certificate) ?? ''}', and nothing says whose signatures count here`,
      `name the CA with --ca FILE${signer === undefined ? ' and the signer with --signer NAME' : ''}`,
    );
  }
  const roots = pemBlocks(ca).map((block) => readCertificate(block, 'the file of the CA'));
  if (roots.length === 0) return untrusted('the file of the CA holds no certificate', 'give one in PEM with --ca');
  const isIssuer = (root: X509Certificate): boolean =>
    isSelfSigned(certificate)
      ? root.raw.equals(certificate.raw)
      : root.ca && certificate.checkIssued(root) && certificate.verify(root.publicKey);
  const issuers = roots.filter(isIssuer);
  if (issuers.length === 0) {
    return untrusted(
      'its certificate is from another CA than the one to trust',
      'name that CA with --ca if you trust it',
    );
  }
  const problems = issuers.map((root) => periodProblem(root, time));
  if (problems.includes(undefined)) return undefined;
  return untrusted(`the CA ${problems[0]}`, 'ask who gave it to you');
}

function pemBlocks(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
}

function untrusted(why: string, remedy: string): SignatureState {
  return { state: 'untrusted', why, remedy };
}
