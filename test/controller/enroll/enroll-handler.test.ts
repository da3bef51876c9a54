// Who gets a certificate, and who does not and why: the handler on a real store and a real CA, with a clock of the test's own.
import { X509Certificate } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { certificateRequest, newKey } from '../../../agent/enroll/certificate-request.js';
import type { NewEnrollToken } from '../../../controller/enroll/identities.js';
import { nameOf, roleOf } from '../../../proto/certificate-role.js';
import { decodeEnrollAnswer, type EnrollRequest, encodeEnrollRequest } from '../../../proto/enroll-codec.js';
import { HOUR, type IdentityGround, identityGround } from './identity-ground.js';

const WHERE = '10.0.0.9';

let ground: IdentityGround;

beforeEach(async () => {
  ground = await identityGround();
});
afterEach(() => ground.close());

type Asked = Partial<EnrollRequest> & { readonly key?: ReturnType<typeof newKey> };

async function ask({ key = newKey(), name = 'db1', ...more }: Asked, certificate?: X509Certificate, from = WHERE) {
  const request = { name, request: certificateRequest(name, key), agentVersion: '1', ...more };
  const peer = { remoteAddress: from, ...(certificate === undefined ? {} : { certificate }) };
  const answer = decodeEnrollAnswer(await ground.handler.answer(encodeEnrollRequest(request), peer));
  return answer.isEnrolled
    ? { certificate: new X509Certificate(answer.identity.certificate), labels: answer.identity.labels }
    : answer.refusal;
}

async function enrolled(asked: Asked, shown?: X509Certificate): Promise<X509Certificate> {
  const answer = await ask(asked, shown);
  if ('code' in answer) return expect.fail(`refused: ${answer.message}`);
  return answer.certificate;
}

describe('enrolment', () => {
  it('gives a certificate that says what the controller has decided', async () => {
    const key = newKey();
    const answer = await ask({ token: await ground.token(), key });
    if ('code' in answer) return expect.fail(answer.message);
    const { certificate, labels } = answer;
    expect([nameOf(certificate), roleOf(certificate), labels]).toEqual(['db1', 'dial-in-agent', { role: 'db' }]);
    expect(certificate.checkPrivateKey(key)).toBe(true);
    expect(Date.parse(certificate.validTo)).toBe(Math.floor((ground.now + 24 * HOUR) / 1000) * 1000);
    const [host] = await ground.identities.enrolledHosts();
    expect(host).toMatchObject({ name: 'db1', labels: { role: 'db' }, enrolled: ground.now, lastSeen: 0 });
    expect(await ground.identities.certificates()).toMatchObject([
      { name: 'db1', state: 'good', from: 'enrolled', serial: certificate.serialNumber.toLowerCase() },
    ]);
  });

  it('takes nothing of the request but its key', async () => {
    const key = newKey();
    const request = certificateRequest('controller', key);
    const certificate = await enrolled({ token: await ground.token(), key, request });
    expect([nameOf(certificate), roleOf(certificate)]).toEqual(['db1', 'dial-in-agent']);
  });

  it.each<[string, Partial<NewEnrollToken>, Asked, object]>([
    [
      'a name that makes a path',
      {},
      { name: '../x' },
      { code: 'bad-request', message: expect.stringContaining('"../x"') },
    ],
    ['an address as name', {}, { name: '10.0.0.1' }, { code: 'bad-request' }],
    ['no name', {}, { name: '' }, { code: 'bad-request' }],
    [
      'a name beside the pattern',
      { namePattern: 'db*' },
      { name: 'web1' },
      { code: 'refused', message: expect.stringContaining('called db*') },
    ],
    [
      'a request that is none',
      {},
      { request: Uint8Array.of(1, 2, 3) },
      { code: 'bad-request', message: expect.stringContaining('PKCS#10') },
    ],
    ['no request', {}, { request: new Uint8Array() }, { code: 'bad-request' }],
    ['a certificate that outlives the CA', { certificateLife: 3650 * 24 * HOUR }, {}, { code: 'internal' }],
  ])('refuses %s, and the token keeps its use', async (_what, change, asked, refusal) => {
    if (_what.startsWith('a certificate')) ground.now += 1000;
    const token = await ground.token(change);
    expect(await ask({ token, ...asked })).toMatchObject(refusal);
    expect(await ground.identities.tokens()).toMatchObject([{ used: 0 }]);
    expect(await ground.identities.enrolledHosts()).toEqual([]);
  });

  it('refuses tokens: unknown, wrong, revoked, ended, used up', async () => {
    const token = await ground.token();
    const unknown = await ask({ token: { ...token, id: 'f'.repeat(16) } });
    const wrong = await ask({ token: { ...token, secret: 'f'.repeat(64) } });
    expect(unknown).toMatchObject({ code: 'untrusted', message: expect.stringContaining('none that the controller') });
    expect(wrong).toEqual(unknown);
    const revoked = await ground.token();
    await ground.identities.revokeToken(revoked.id);
    expect(await ask({ token: revoked })).toMatchObject({
      code: 'refused',
      message: expect.stringContaining('was revoked'),
    });
    await enrolled({ token });
    const usedUp = { code: 'refused', message: expect.stringContaining('used up') };
    expect(await ask({ token, name: 'db2' })).toMatchObject(usedUp);
    const late = await ground.token();
    ground.now += HOUR;
    expect(await ask({ token: late, name: 'db3' })).toMatchObject({
      code: 'refused',
      message: expect.stringContaining('ended at'),
    });
  });

  it('gives exactly five certificates to twenty hosts that use a token for five at once', async () => {
    const token = await ground.token({ uses: 5 });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => ask({ token, name: `db${i}` }, undefined, `10.0.1.${i}`)),
    );
    expect(answers.filter((answer) => 'certificate' in answer)).toHaveLength(5);
    expect(answers.filter((answer) => 'code' in answer && answer.message.includes('used up'))).toHaveLength(15);
    expect(await ground.identities.tokens()).toMatchObject([{ used: 5 }]);
    expect(await ground.identities.enrolledHosts()).toHaveLength(5);
  });

  it('gives a name to one of twenty hosts that want it at once', async () => {
    const token = await ground.token({ uses: 20 });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => ask({ token, name: 'db1' }, undefined, `10.0.1.${i}`)),
    );
    expect(answers.filter((answer) => 'certificate' in answer)).toHaveLength(1);
    expect(answers.filter((answer) => 'code' in answer && answer.code === 'conflict')).toHaveLength(19);
    expect(await ground.identities.tokens()).toMatchObject([{ used: 1 }]);
  });

  it('gives the answer again that was lost: same key, same token, one use', async () => {
    const token = await ground.token();
    const key = newKey();
    await enrolled({ token, key });
    expect(nameOf(await enrolled({ token, key }))).toBe('db1');
    expect(await ground.identities.tokens()).toMatchObject([{ used: 1 }]);
  });
});

describe('a name that is taken', () => {
  it('is not given to a second host, nor to one of the inventory', async () => {
    await enrolled({ token: await ground.token() });
    expect(await ask({ token: await ground.token() })).toMatchObject({
      ...{ code: 'conflict', message: 'another host has enrolled as db1' },
      remedy: expect.stringContaining('perftrawl hosts forget db1'),
    });
    Object.assign(ground.inventory, { db7: { transport: 'ssh', host: 'db7' }, db8: { transport: 'dial-in' } });
    expect(await ask({ token: await ground.token(), name: 'db7' })).toMatchObject({
      ...{ code: 'conflict', message: 'db7 is a host of the inventory, reached by ssh' },
    });
    await enrolled({ token: await ground.token(), name: 'db8' });
  });

  it('is given to who shows the present certificate, and to tokens that may replace: then the old one is revoked', async () => {
    const first = await enrolled({ token: await ground.token() });
    const second = await enrolled({ token: await ground.token() }, first);
    expect((await ground.identities.certificates()).map(({ state }) => state)).toEqual(['good', 'good']);
    const third = await enrolled({ token: await ground.token({ mayReplace: true }) });
    const states = new Map((await ground.identities.certificates()).map(({ serial, state }) => [serial, state]));
    expect([first, second, third].map(({ serialNumber }) => states.get(serialNumber.toLowerCase()))).toEqual([
      'revoked',
      'revoked',
      'good',
    ]);
    expect(await ask({ token: await ground.token() }, second)).toMatchObject({ code: 'conflict' });
  });

  it('is not given back for the key of a certificate that was revoked, whatever its token', async () => {
    const key = newKey();
    const once = await ground.token();
    const often = await ground.token({ uses: 9 });
    await enrolled({ token: once, key });
    await ground.identities.revoke('db1');
    for (const token of [once, often]) expect('code' in (await ask({ token, key }))).toBe(true);
    expect((await ground.identities.certificates()).map(({ state }) => state)).toEqual(['revoked']);
    await enrolled({ token: await ground.token({ mayReplace: true }), key });
  });

  it('is not kept by a certificate that is revoked while the next one is signed', async () => {
    const first = await enrolled({ token: await ground.token() });
    const { append } = ground.audit;
    // The last moment before it is written down.
    ground.audit.append = async (entry) => {
      if (entry.what === 'renew-certificate') await ground.identities.revoke('db1').catch(() => undefined);
      await append(entry);
    };
    expect(await ask({}, first)).toMatchObject({ code: 'conflict' });
    expect((await ground.identities.certificates()).map(({ state }) => state)).toEqual(['revoked']);
  });

  it('is free again when the host was forgotten', async () => {
    const old = await enrolled({ token: await ground.token() });
    await ground.identities.forgetHost('db1');
    expect(await ground.identities.certificates()).toMatchObject([{ state: 'revoked' }]);
    await enrolled({ token: await ground.token() });
    expect(await ask({}, old)).toMatchObject({ code: 'untrusted' });
    await expect(ground.identities.forgetHost('nosuch')).rejects.toMatchObject({ failure: { code: 'not-found' } });
  });
});

describe('renewal', () => {
  it('gives the same host a new certificate for a new key, as long as the old one holds', async () => {
    const first = await enrolled({ token: await ground.token({ certificateLife: 48 * HOUR }) });
    ground.now += 32 * HOUR;
    const key = newKey();
    const second = await enrolled({ key, name: 'ignored' }, first);
    expect([nameOf(second), second.checkPrivateKey(key)]).toEqual(['db1', true]);
    expect(Date.parse(second.validTo)).toBe(Math.floor((ground.now + 48 * HOUR) / 1000) * 1000);
    expect(await ground.identities.enrolledHosts()).toMatchObject([
      {
        renewed: ground.now,
        enrolled: ground.now - 32 * HOUR,
        labels: { role: 'db' },
        serial: second.serialNumber.toLowerCase(),
      },
    ]);
    ground.now += 20 * HOUR;
    expect(await ask({}, first)).toMatchObject({ code: 'untrusted', remedy: expect.stringContaining('agent enroll') });
  });

  it('is refused without a certificate, with a revoked one, and with one that no enrolment has given', async () => {
    expect(await ask({})).toMatchObject({ code: 'untrusted' });
    const certificate = await enrolled({ token: await ground.token() });
    expect(await ground.identities.revoke('db1')).toMatchObject([{ name: 'db1', state: 'revoked' }]);
    expect(await ask({}, certificate)).toMatchObject({
      code: 'untrusted',
      message: expect.stringContaining('revoked'),
    });
    expect(await ground.identities.revoke(certificate.serialNumber)).toEqual([]);
    await expect(ground.identities.revoke('db1')).rejects.toMatchObject({ failure: { code: 'not-found' } });
  });
});

describe('what is written down, and what is not said', () => {
  it('makes an address wait that has failed too often, and no other one', async () => {
    const token = await ground.token();
    const wrong = { ...token, secret: '0'.repeat(64) };
    for (let i = 0; i < 20; i++) expect(await ask({ token: wrong })).toMatchObject({ code: 'untrusted' });
    expect(await ask({ token })).toMatchObject({ code: 'exhausted', remedy: 'try again in 3 s' });
    expect('certificate' in (await ask({ token }, undefined, '10.0.0.10'))).toBe(true);
    const written: unknown[] = [];
    for await (const { what, who, hosts, from } of ground.audit.entries(0)) written.push({ what, who, hosts, from });
    expect(written).toHaveLength(21);
    expect(written.at(-1)).toEqual({ what: 'enroll-host', who: 'db1', hosts: ['db1'], from: '10.0.0.10' });
  });

  it('keeps what went wrong here to its own log', async () => {
    const token = await ground.token();
    await rm(join(ground.caDirectory, 'ca.key'));
    const answer = await ask({ token });
    expect(answer).toMatchObject({
      code: 'internal',
      message: 'the controller cannot give certificates at the moment',
    });
    expect(ground.logged).toEqual([expect.stringContaining('ca.key')]);
    expect(JSON.stringify(answer)).not.toContain(ground.directory);
  });

  it('answers whatever it is sent', async () => {
    for (const bytes of [new Uint8Array(), Uint8Array.of(255), Buffer.alloc(70_000, 1)]) {
      const answer = decodeEnrollAnswer(await ground.handler.answer(bytes, { remoteAddress: WHERE }));
      expect(answer.isEnrolled).toBe(false);
    }
  });
});
