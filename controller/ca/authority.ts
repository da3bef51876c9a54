// The CA at work: its certificate and key as read from its directory, and what they sign.
import './reflect-metadata.js';

import { webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import path from 'node:path';
import * as x509 from '@peculiar/x509';
import type { Milliseconds } from '../../proto/capture.js';
import { type CertificateRole, marksOf } from '../../proto/certificate-role.js';
import { fail } from '../../proto/failure.js';

export interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

/** What the certificate says; all of it is the CA's decision. */
export interface Certified {
  readonly name: string;
  /** Further DNS names and IP addresses. */
  readonly addresses: readonly string[];
  readonly role: CertificateRole;
  readonly life: Milliseconds;
}

export const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** Clocks of a fleet differ; a fresh certificate should be good everywhere at once. */
export const clockTolerance: Milliseconds = 3_600_000;

/** @throws FailureError 'bad-request' when it would be good for longer than the CA */
export async function signCertificate(
  ca: Authority,
  publicKey: webcrypto.CryptoKey,
  { name, addresses, role, life }: Certified,
  now: number,
): Promise<x509.X509Certificate> {
  const notAfter = now + life;
  if (notAfter > ca.certificate.notAfter.getTime()) {
    throw fail(
      'bad-request',
      `the certificate would outlive the CA, which ends on ${ca.certificate.notAfter.toISOString()}`,
      'ask for fewer days, or make a new CA',
    );
  }
  const names = [...new Set([name, ...addresses])];
  const { unit, end } = marksOf(role);
  return x509.X509CertificateGenerator.create(
    {
      serialNumber: newSerial(),
      subject: [{ CN: [name] }, { OU: [unit] }],
      issuer: ca.certificate.subject,
      notBefore: new Date(now - Math.min(clockTolerance, life / 4)),
      notAfter: new Date(notAfter),
      signingAlgorithm: algorithm,
      publicKey,
      signingKey: ca.key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[`${end}Auth`]]),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
        ),
        await x509.AuthorityKeyIdentifierExtension.create(ca.certificate.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ],
    },
    webcrypto,
  );
}

export async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

/** 127 random bits: positive, and never the same twice. */
export function newSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] &= 0x7f;
  return Buffer.from(bytes).toString('hex');
}

/** @throws FailureError 'not-found' when there is none, 'bad-data' */
export async function readAuthority(directory: string): Promise<Authority> {
  const [certificate, key] = await Promise.all([
    readCaFile(path.join(directory, 'ca.crt')),
    readCaFile(path.join(directory, 'ca.key')),
  ]);
  try {
    return {
      certificate: new x509.X509Certificate(certificate),
      key: await webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(key), algorithm, false, ['sign']),
    };
  } catch (cause) {
    throw fail('bad-data', `the CA in ${directory} cannot be read`, 'restore ca.crt and ca.key from a backup', cause);
  }
}

async function readCaFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw fail('not-found', `there is no CA: cannot read ${file}`, 'make one with `perftrawl ca init`', cause);
  }
}
