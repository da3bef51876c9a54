// Roles of certificates: each as the CA issues it, and those that only look like one, made by openssl.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { initCa, issueCertificate } from '../../controller/ca/certificate-authority.js';
import { CERTIFICATE_ROLES, nameOf, roleOf } from '../../proto/certificate-role.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-roles-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('the role of a certificate', () => {
  it.each(CERTIFICATE_ROLES)('%s is read as it was issued, and openssl sees one usage', async (role) => {
    const now = Date.now();
    await initCa(join(directory, 'ca'), now);
    const issued = await issueCertificate(join(directory, 'ca'), { name: 'db1', addresses: [], role, days: 1 }, now);
    const certificate = new X509Certificate(await readFile(issued.certPath));
    expect(roleOf(certificate)).toBe(role);
    expect(nameOf(certificate)).toBe('db1');
    const purpose = role === 'agent' || role === 'server' ? 'sslserver' : 'sslclient';
    const other = purpose === 'sslserver' ? 'sslclient' : 'sslserver';
    const verify = (wanted: string) =>
      openssl(
        'verify',
        '-x509_strict',
        '-purpose',
        wanted,
        '-CAfile',
        join(directory, 'ca', 'ca.crt'),
        issued.certPath,
      );
    expect(verify(purpose)).toContain('OK');
    expect(() => verify(other)).toThrow();
  });

  it.each([
    ['no usage', '/CN=db1/OU=agent', undefined],
    ['both usages', '/CN=db1/OU=agent', 'serverAuth,clientAuth'],
    ["another role's usage", '/CN=db1/OU=agent', 'clientAuth'],
    ['an unknown unit', '/CN=db1/OU=kitchen', 'clientAuth'],
    ['two units', '/CN=db1/OU=agent/OU=controller', 'clientAuth'],
    ['no unit', '/CN=db1', 'clientAuth'],
    ['a line feed in the name', '/CN=db1\nOU=controller/OU=kitchen', 'clientAuth'],
  ])('is unknown with %s', async (_why, subject, usage) => {
    const certificate = join(directory, 'x.crt');
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
      ...['-keyout', join(directory, 'x.key'), '-out', certificate, '-subj', subject],
      ...(usage === undefined ? [] : ['-addext', `extendedKeyUsage=${usage}`]),
    );
    expect(roleOf(new X509Certificate(await readFile(certificate)))).toBeUndefined();
  });
});

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
