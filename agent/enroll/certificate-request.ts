// A host's key, and its request for a certificate: PKCS#10 (RFC 2986) with a P-256 key. Written here, because the agent has no use for
// more of X.509 than this.
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { bitString, objectIdentifier, sequence, setOf, smallInteger, tagged, utf8String } from './der.js';

const COMMON_NAME = objectIdentifier('2.5.4.3');
const ECDSA_WITH_SHA256 = objectIdentifier('1.2.840.10045.4.3.2');

export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/**
 * Signed with the key, so that nobody can ask for a certificate of a key that is not his own.
 * @returns DER
 */
export function certificateRequest(name: string, key: KeyObject): Buffer {
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const subject = sequence(setOf(sequence(COMMON_NAME, utf8String(name))));
  const info = sequence(smallInteger(0), subject, publicKey, tagged(0));
  return sequence(info, sequence(ECDSA_WITH_SHA256), bitString(sign('sha256', info, key)));
}
