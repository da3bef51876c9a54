// Who the server is towards its clients: the files it is given, or a certificate that its own CA issues to it.
import { X509Certificate } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { roleOf } from '../../proto/certificate-role.js';
import { fail } from '../../proto/failure.js';
import { issueCertificate } from '../ca/certificate-authority.js';
import type { IdentityFiles } from '../transport/identity.js';
import type { HttpServerOptions } from './http-server.js';

export interface ServerIdentityOptions {
  /** PEM; `ca` vouches for clients. */
  readonly files: IdentityFiles;
  /** Whether the CA may issue certificate and key when they are not there. */
  readonly isIssuable: boolean;
  readonly caDirectory: string;
  /** Names and addresses of the server, for a certificate that is issued. */
  readonly addresses: readonly string[];
  /** Milliseconds since 1970 UTC. */
  readonly now: number;
}

const days = 365;

/** @throws FailureError for files that cannot be read, that are of another role or no longer good, and without a CA */
export async function serverIdentity(options: ServerIdentityOptions): Promise<HttpServerOptions['identity']> {
  const { files, isIssuable, caDirectory, addresses, now } = options;
  if (isIssuable && !(await exists(files.cert))) {
    await issueCertificate(caDirectory, { name: 'server', addresses, role: 'server', days }, now);
  }
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  check(cert, files.cert, now);
  // Clients that know the hash of the CA find the CA in what the server shows.
  return { ca, cert: `${cert.trimEnd()}\n${ca}`, key };
}

function check(pem: string, file: string, now: number): void {
  const certificate = parse(pem, file);
  const role = roleOf(certificate);
  // Certificates of other authorities have no role of ours.
  if (role !== undefined && role !== 'server') {
    throw fail(
      'bad-request',
      `${file} is for the role ${role}, not for a server`,
      'perftrawl ca issue NAME --role server',
    );
  }
  const end = Date.parse(certificate.validTo);
  if (end <= now) {
    const remedy = 'remove it and its key, and a new one is issued; or name another with --cert and --key';
    throw fail('untrusted', `${file} was good until ${new Date(end).toISOString()}`, remedy);
  }
}

function parse(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw fail('bad-data', `${file} is no certificate`, 'name a PEM file', cause);
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const remedy = isAbsent ? 'make a CA with `perftrawl ca init`, or name files with --cert, --key and --ca' : '';
    const message = cause instanceof Error ? cause.message : String(cause);
    throw fail(isAbsent ? 'not-found' : 'permission', `cannot read who the server is: ${message}`, remedy, cause);
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
