// Listing the CA's certificates, read again by openssl.
import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { listCertificates } from '../../../controller/ca/certificate-list.js';

let parent: string;
const now = Date.now();
const day = 86_400_000;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'perftrawl-ca-list-'));
});
afterEach(async () => rm(parent, { recursive: true }));

test('tells good, expired and foreign certificates apart, with the serial that openssl reads', async () => {
  const ours = join(parent, 'ours');
  const theirs = join(parent, 'theirs');
  await initCa(ours, now);
  await initCa(theirs, now);
  await issueCertificate(ours, { name: 'web1', addresses: [], role: 'agent', days: 30 }, now);
  await issueCertificate(ours, { name: 'web2', addresses: [], role: 'agent', days: 1 }, now);
  const foreign = await issueCertificate(theirs, { name: 'web3', addresses: [], role: 'agent', days: 30 }, now);
  await copyFile(foreign.certPath, join(ours, 'web3.crt'));
  const listed = await listCertificates(ours, now + 2 * day);
  expect(listed.map((one) => [one.name, one.state])).toEqual([
    ['web1', 'good'],
    ['web2', 'expired'],
    ['web3', 'another CA'],
  ]);
  const serial = execFileSync('openssl', ['x509', '-noout', '-serial', '-in', join(ours, 'web1.crt')], {
    encoding: 'utf8',
  });
  expect(`serial=${listed[0]?.serial.toUpperCase()}\n`).toBe(serial);
});

test('says which file is no certificate, and that there is no CA', async () => {
  const ours = join(parent, 'ours');
  await expect(listCertificates(ours, now)).rejects.toThrow('cannot read the certificate');
  await initCa(ours, now);
  await writeFile(join(ours, 'web1.crt'), 'nothing');
  await expect(listCertificates(ours, now)).rejects.toThrow('web1.crt is no certificate');
});
