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

beforeEach(async () => {
  ground = await identityGround();
  const log = (text: string) => void ground.logged.push(text);
  revocations = storedRevocations({ store: ground.store, clock: systemClock, log });
  gate = enrolledGate({
    ...{ store: ground.store, revocations, clock: systemClock, log },
    inventoryAddress: (name) => ground.inventory[name],
  });
});
afterEach(async () => {
  await gate.close();
  revocations.close();
  await ground.close();
});

async function enrolled(name: string, shown?: X509Certificate): Promise<X509Certificate> {
  const token = shown === undefined ? { token: await ground.token() } : {};
  const request = { ...token, name, request: certificateRequest(name, newKey()), agentVersion: '' };
  const peer = { remoteAddress: '10.0.0.1', ...(shown === undefined ? {} : { certificate: shown }) };
  const answer = decodeEnrollAnswer(await ground.handler.answer(encodeEnrollRequest(request), peer));
  if (!answer.isEnrolled) return expect.fail(answer.refusal.message);
  return new X509Certificate(answer.identity.certificate);
}

/** Lets a connection with this certificate in. `cutOff`: why it was cut off. */
async function held(certificate: X509Certificate): Promise<{ readonly cutOff: Promise<string> }> {
  const admitted = await gate.admit(certificate, '10.0.0.1');
  if (!('hold' in admitted)) return expect.fail('it is not let in');
  return { cutOff: new Promise((resolve) => admitted.hold?.(({ message }) => resolve(message))) };
}

describe('the gate', () => {
  it('lets a host in that has enrolled, and remembers where and when it was seen', async () => {
    expect(await gate.admit(await enrolled('db1'), '10.0.0.1')).toMatchObject({ host: 'db1' });
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
    const { cutOff } = await held(certificate);
    const other = await held(await enrolled('db2'));
    void other.cutOff.then(() => expect.fail('nobody has revoked db2'));
    await ground.identities.revoke('db1');
    expect(await cutOff).toMatch(/^the certificate of dial-in-agent db1 .* was revoked at /);
    expect(await gate.admit(certificate, '10.0.0.1')).toMatchObject({
      ...{ code: 'untrusted', remedy: expect.stringContaining('perftrawl hosts forget db1') },
    });
  });

  it('cuts a connection off by its own certificate, also when the host has come with another one since', async () => {
    const stolen = await enrolled('db1');
    const { cutOff } = await held(stolen);
    const good = await held(await enrolled('db1', stolen));
    void good.cutOff.then(() => expect.fail('that one is still good'));
    await ground.identities.revoke(stolen.serialNumber);
    expect(await cutOff).toContain(stolen.serialNumber.toLowerCase());
  });

  it('cuts a host off that is forgotten', async () => {
    const { cutOff } = await held(await enrolled('db1'));
    await ground.identities.forgetHost('db1');
    await cutOff;
  });
});
