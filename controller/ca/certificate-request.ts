// A host's request for a certificate (PKCS#10). Two things of it count: its public key, and that it is signed with that key. Names and
// extensions in it are not read.
import './reflect-metadata.js';

import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { fail } from '../../proto/failure.js';
import { algorithm } from './authority.js';

/** A P-256 key as X.509 writes it: this, then 64 bytes of a point (RFC 5480). */
const KEY_HEAD = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const KEY_LENGTH = KEY_HEAD.length + 64;

export interface RequestedKey {
  readonly key: webcrypto.CryptoKey;
  /** Lower-case hex SHA-256 of the key as X.509 writes it. */
  readonly sha256: string;
}

/** @throws FailureError 'bad-request' unless it is a request for a P-256 key, signed with it */
export async function requestedKey(der: Uint8Array): Promise<RequestedKey> {
  let request: x509.Pkcs10CertificateRequest;
  let spki: Buffer;
  try {
    request = new x509.Pkcs10CertificateRequest(Uint8Array.from(der));
    spki = Buffer.from(request.publicKey.rawData);
  } catch (cause) {
    throw fail('bad-request', 'the request for a certificate is not PKCS#10', 'use the agent of this version', cause);
  }
  if (spki.length !== KEY_LENGTH || !spki.subarray(0, KEY_HEAD.length).equals(KEY_HEAD)) {
    throw fail('bad-request', 'the request for a certificate is not for a P-256 key', 'use the agent of this version');
  }
  try {
    const key = await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']);
    if (await request.verify(webcrypto)) {
      const sha256 = Buffer.from(await webcrypto.subtle.digest('SHA-256', spki)).toString('hex');
      return { key, sha256 };
    }
  } catch (cause) {
    // A point that is not on the curve, or a signature that is none.
    throw fail('bad-request', 'the request for a certificate is not signed with its own key', '', cause);
  }
  throw fail('bad-request', 'the request for a certificate is not signed with its own key');
}
