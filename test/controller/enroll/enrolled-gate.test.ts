// Which certificates are let in, and that a connection ends when its certificate is revoked.
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { certificateRequest, newKey } from '../../../agent/enroll/certificate-request.js';
import { issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { systemClock } from '../../../controller/clock.js';
import { enrolledGate } from '../../../controller/enroll/enrolled-gate.js';
import { storedRevocations } from '../../../controller/enroll/revocations.js';
import { CERTIFICATE_ROLES } from '../../../proto/certificate-role.js';
import { decodeEnrollAnswer, encodeEnrollRequest } from '../../../proto/enroll-codec.js';
import { type IdentityGround, identityGround } from './identity-ground.js';

let ground: IdentityGround;
let gate: ReturnType<typeof enrolledGate>;
let revocations: ReturnType<typeof storedRevocations>;
let onDrop: (host: string, reason: string) => void;

beforeEach(async () => {
  ground = await identityGround();
  const log = (text: string) => void ground.logged.push(text);
  revocations = storedRevocations({ store: ground.store, clock: systemClock, log });
  onDrop = () => expect.fail('nobody is to be cut off');
  gate = enrolledGate({
    ...{ store: ground.store, revocations, clock: systemClock, log },
    inventoryAddress: (name) => ground.inventory[name],
    drop: (host, { message }, comesBack) => onDrop(host, `${message}${comesBack ? '; comes back' : ''}`),
  });
});
afterEach(async () => {
  await gate.close();
  revocations.close();
  await ground.close();
});

async function enrolled(name: string): Promise<X509Certificate> {
  const request = { token: await ground.token(), name, request: certificateRequest(name, newKey()), agentVersion: '' };
  const answer = decodeEnrollAnswer(
    await ground.handler.answer(encodeEnrollRequest(request), { remoteAddress: '10.0.0.1' }),
  );
  if (!answer.isEnrolled) return expect.fail(answer.refusal.message);
  return new X509Certificate(answer.identity.certificate);
}

describe('the gate', () => {
  it('lets a host in that has enrolled, and remembers where and when it was seen', async () => {
    expect(await gate.admit(await enrolled('db1'), '10.0.0.1')).toEqual({ host: 'db1' });
    gate.seen('db1', '10.0.0.1', 1234);
    gate.seen('db1', '10.0.0.2', 2345);
    await gate.close();
    expect(await ground.store.host('db1')).toMatchObject({ lastSeen: 2345, address: '10.0.0.2' });
  });

  it('lets in no other role, and no host that is not known', async () => {
    for (const role of CERTIFICATE_ROLES) {
      const made = await issueCertificate(
        ground.caDirectory,
        { name: `x-${role}`, addresses: [], role, days: 1 },
        ground.now,
      );
      const certificate = new X509Certificate(await readFile(made.certPath));
      const message = role === 'dial-in-agent' ? 'no host of that name is known' : `role ${role} is not for dialing in`;
      expect(await gate.admit(certificate, '10.0.0.1')).toMatchObject({
        ...{ code: 'untrusted', message: expect.stringContaining(message) },
      });
      ground.inventory[`x-${role}`] = { transport: 'dial-in' };
      expect('host' in (await gate.admit(certificate, '10.0.0.1'))).toBe(role === 'dial-in-agent');
    }
  });

  it('cuts a host off when its certificate is revoked, and does not let it in again', async () => {
    const certificate = await enrolled('db1');
    await gate.admit(certificate, '10.0.0.1');
    await gate.admit(await enrolled('db2'), '10.0.0.1');
    const dropped = new Promise<string>((resolve) => {
      onDrop = (host, reason) => resolve(`${host}: ${reason}`);
    });
    await ground.identities.revoke('db1');
    expect(await dropped).toMatch(/^db1: the certificate of dial-in-agent db1 .* was revoked at \S+$/);
    expect(await gate.admit(certificate, '10.0.0.1')).toMatchObject({
      ...{ code: 'untrusted', remedy: expect.stringContaining('perftrawl hosts forget db1') },
    });
  });

  it('ends a connection with the certificate that it was opened with', async () => {
    await gate.admit(await enrolled('db1'), '10.0.0.1');
    const dropped: string[] = [];
    onDrop = (host, reason) => dropped.push(`${host}: ${reason}`);
    gate.seen('db1', '10.0.0.1', ground.now + 23 * 3_600_000);
    expect(dropped).toEqual([]);
    gate.seen('db1', '10.0.0.1', ground.now + 25 * 3_600_000);
    expect(dropped).toEqual(['db1: the certificate of this connection has ended; comes back']);
  });

  it('cuts a host off that is forgotten', async () => {
    await gate.admit(await enrolled('db1'), '10.0.0.1');
    const dropped = new Promise<string>((resolve) => {
      onDrop = resolve;
    });
    await ground.identities.forgetHost('db1');
    expect(await dropped).toBe('db1');
  });
});
