// A small certificate authority: one P-256 root that issues the certificates of agents, controllers, servers and users.
//
//   DIRECTORY/                0700   default: $XDG_CONFIG_HOME/perftrawl/ca
//     ca.crt                  0644   give it to every agent and every controller
//     ca.key                  0600   never leaves this machine; whoever has it can command every agent
//     NAME.crt, NAME.key      0644, 0600   one pair per `issueCertificate`; copy both to that machine, then delete the key here
//
// Each certificate has one role (proto/certificate-role.ts), so that a stolen agent key cannot command other agents.
import './reflect-metadata.js';

import { webcrypto } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import path from 'node:path';
import * as x509 from '@peculiar/x509';
import type { CertificateRole } from '../../proto/certificate-role.js';
import { fail } from '../../proto/failure.js';
import { makePrivateDirectory } from '../directories.js';
import { algorithm, clockTolerance, generateKeys, newSerial, readAuthority, signCertificate } from './authority.js';

export interface CertificateRequest {
  /** Becomes the common name and the file name. For agents the host's name in the inventory: controllers check for it. */
  readonly name: string;
  /** Further DNS names and IP addresses that the certificate is good for; `name` always is one. */
  readonly addresses: readonly string[];
  readonly role: CertificateRole;
  readonly days: number;
}

export interface IssuedCertificate {
  readonly certPath: string;
  readonly keyPath: string;
  /** Lower-case hex SHA-256 of the DER certificate. */
  readonly fingerprint: string;
  /** Milliseconds since 1970 UTC. */
  readonly notAfter: number;
}

const day = 86_400_000;
const caDays = 3650;

/** Make the root. @throws FailureError 'conflict' when there is one already */
export async function initCa(directory: string, now: number): Promise<IssuedCertificate> {
  makePrivateDirectory(directory);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerial(),
      name: [{ CN: ['perftrawl CA'] }],
      notBefore: new Date(now - clockTolerance),
      notAfter: new Date(now + caDays * day),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto,
  );
  return writePair(directory, 'ca', certificate, keys.privateKey);
}

/** @throws FailureError 'bad-request', 'not-found' when there is no CA, 'conflict' when there is such a certificate already */
export async function issueCertificate(
  directory: string,
  request: CertificateRequest,
  now: number,
): Promise<IssuedCertificate> {
  checkRequest(request);
  const ca = await readAuthority(directory);
  const keys = await generateKeys();
  const { name, addresses, role, days } = request;
  const certificate = await signCertificate(ca, keys.publicKey, { name, addresses, role, life: days * day }, now);
  return writePair(directory, request.name, certificate, keys.privateKey);
}

/** What may be in a certificate besides IP addresses. */
export const dnsName = /^(?=.{1,253}$)(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*$/;

function checkRequest(request: CertificateRequest): void {
  const wrong = [request.name, ...request.addresses].find((name) => isIP(name) === 0 && !dnsName.test(name));
  if (wrong !== undefined) {
    throw fail('bad-request', `cannot issue a certificate for '${wrong}': it is neither a DNS name nor an IP address`);
  }
  if (request.name === 'ca' || request.name.includes(':') || request.name.includes('*')) {
    throw fail(
      'bad-request',
      `a certificate cannot be called '${request.name}'`,
      'choose another name, and pass this one as an address',
    );
  }
  if (!Number.isInteger(request.days) || request.days < 1) {
    throw fail('bad-request', `a certificate cannot be valid for ${request.days} days`, 'give a whole number of days');
  }
}

/** Both files or none; existing ones are never overwritten. */
async function writePair(
  directory: string,
  name: string,
  certificate: x509.X509Certificate,
  privateKey: webcrypto.CryptoKey,
): Promise<IssuedCertificate> {
  const certPath = path.join(directory, `${name}.crt`);
  const keyPath = path.join(directory, `${name}.key`);
  if (await exists(certPath)) throw taken(certPath);
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', privateKey);
  await writeNew(keyPath, 0o600, `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`);
  try {
    await writeNew(certPath, 0o644, `${certificate.toString('pem')}\n`);
  } catch (error) {
    await rm(keyPath);
    throw error;
  }
  const fingerprint = Buffer.from(await certificate.getThumbprint('SHA-256', webcrypto)).toString('hex');
  return { certPath, keyPath, fingerprint, notAfter: certificate.notAfter.getTime() };
}

async function writeNew(file: string, mode: number, text: string): Promise<void> {
  const handle = await open(file, 'wx', mode).catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') throw taken(file);
    throw fail('permission', `cannot write ${file}`, 'choose a directory that you may write', cause);
  });
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

function taken(file: string) {
  return fail('conflict', `${file} is there already and stays as it is`, 'remove it first if it is no longer used');
}
