// The CA: openssl is asked what it thinks of the certificates.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { toFailure } from '../../../proto/failure.js';

const now = Date.now();
let directory: string;

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'perftrawl-ca-')), 'ca');
});
afterEach(() => rm(join(directory, '..'), { recursive: true }));

describe('certificate authority', () => {
  it('makes a root that signs agents and controllers, as openssl sees it', async () => {
    await initCa(directory, now);
    const addresses = ['db1.example.com', '10.0.0.11', 'fe80::1'];
    const agent = await issueCertificate(directory, { name: 'db1', addresses, role: 'agent', days: 30 }, now);
    const controller = await issueCertificate(
      directory,
      { name: 'me', addresses: [], role: 'controller', days: 30 },
      now,
    );
    const verify = (purpose: string, file: string) =>
      openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', join(directory, 'ca.crt'), file);
    expect(verify('sslserver', agent.certPath)).toContain('OK');
    expect(verify('sslclient', controller.certPath)).toContain('OK');
    expect(() => verify('sslclient', agent.certPath)).toThrow();
    expect(() => verify('sslserver', controller.certPath)).toThrow();
    const text = openssl('x509', '-in', agent.certPath, '-noout', '-text');
    expect(text).toContain('DNS:db1, DNS:db1.example.com, IP Address:10.0.0.11, IP Address:FE80:0:0:0:0:0:0:1');
    expect(text).toContain('prime256v1');
    expect(openssl('x509', '-in', agent.certPath, '-noout', '-subject', '-nameopt', 'RFC2253')).toContain('CN=db1');
    const read = new X509Certificate(await readFile(agent.certPath));
    expect(agent.fingerprint).toBe(read.fingerprint256.replaceAll(':', '').toLowerCase());
    expect(Date.parse(read.validTo)).toBe(Math.floor(agent.notAfter / 1000) * 1000);
  });

  it('keeps keys to its owner', async () => {
    const root = await initCa(directory, now);
    const agent = await issueCertificate(directory, { name: 'db1', addresses: [], role: 'agent', days: 1 }, now);
    const modes = await Promise.all(
      [directory, root.keyPath, agent.keyPath].map(async (file) => (await stat(file)).mode & 0o777),
    );
    expect(modes).toEqual([0o700, 0o600, 0o600]);
  });

  it('never overwrites', async () => {
    const root = await initCa(directory, now);
    const request = { name: 'db1', addresses: [], role: 'agent', days: 1 } as const;
    const agent = await issueCertificate(directory, request, now);
    const files = [root.keyPath, root.certPath, agent.keyPath, agent.certPath];
    const contents = () => Promise.all(files.map((file) => readFile(file, 'utf8')));
    const before = await contents();
    expect(await failureOf(initCa(directory, now))).toMatchObject({ code: 'conflict' });
    expect(await failureOf(issueCertificate(directory, request, now))).toMatchObject({ code: 'conflict' });
    await rm(agent.certPath);
    // The key alone is left: a new certificate would not fit it.
    expect(await failureOf(issueCertificate(directory, request, now))).toMatchObject({ code: 'conflict' });
    expect(before.slice(0, 3)).toEqual(await Promise.all(files.slice(0, 3).map((file) => readFile(file, 'utf8'))));
  });

  it.each([
    [{ name: 'ca' }, "cannot be called 'ca'"],
    [{ name: '../x' }, "'../x'"],
    [{ name: 'a', addresses: ['no such name!'] }, "'no such name!'"],
    [{ name: 'a', days: 0 }, '0 days'],
    [{ name: 'a', days: 36_500 }, 'outlive the CA'],
  ])('refuses %j', async (change, message) => {
    await initCa(directory, now);
    const request = { addresses: [], role: 'agent' as const, days: 1, ...change };
    expect(await failureOf(issueCertificate(directory, request, now))).toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining(message),
    });
  });

  it('says when there is no CA yet', async () => {
    const request = { name: 'a', addresses: [], role: 'agent', days: 1 } as const;
    const failure = await failureOf(issueCertificate(directory, request, now));
    expect(failure).toMatchObject({ code: 'not-found', remedy: 'make one with `perftrawl ca init`' });
  });
});

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function failureOf(promise: Promise<unknown>) {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => toFailure(error),
  );
}
