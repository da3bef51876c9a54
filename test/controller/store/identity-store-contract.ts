// What every IdentityStore must do.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  Enrolment,
  IdentityStore,
  StoredCertificate,
  StoredEnrollToken,
  StoredHost,
} from '../../../controller/store/identity-store.js';
import type { Opened } from './every-engine.js';

export function identityStoreContract(name: string, open: () => Promise<Opened<IdentityStore>>): void {
  describe(`identity store ${name}`, () => {
    let store: IdentityStore;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ store, close } = await open());
    });
    afterEach(() => close());

    it('gives back tokens as they were added, the newest first, and revokes one once', async () => {
      const [old, young] = [token('old', { created: 1 }), token('young', { created: 2, mayReplace: true })];
      await store.addToken(old);
      await store.addToken(young);
      expect(await store.tokens()).toEqual([young, old]);
      expect(await store.revokeToken('old', 7)).toEqual({ ...old, revoked: 7 });
      expect(await store.revokeToken('old', 8)).toEqual({ ...old, revoked: 7 });
      expect([await store.token('young'), await store.token('none')]).toEqual([young, undefined]);
      expect(await store.revokeToken('none', 8)).toBeUndefined();
    });

    it('enrols as many hosts by a token as it is for, also when all come at once', async () => {
      await store.addToken(token('t', { uses: 5 }));
      const hosts = Array.from({ length: 12 }, (_, i) => `h${i}`);
      const results = await Promise.all(hosts.map((host) => store.enroll({ ...enrolment(host, 1), tokenId: 't' })));
      expect(results.filter((result) => result === 'done')).toHaveLength(5);
      expect(results.filter((result) => result === 'no-use-left')).toHaveLength(7);
      expect((await store.token('t'))?.used).toBe(5);
      const enrolled = hosts.filter((_, i) => results[i] === 'done').sort();
      expect((await store.hosts()).map((host) => host.name)).toEqual(enrolled);
      expect((await store.certificates()).map((one) => one.name)).toEqual(enrolled);
    });

    it('takes no use of a token that was revoked or has ended', async () => {
      await store.addToken(token('revoked', { revoked: 3 }));
      await store.addToken(token('ended', { expires: 50 }));
      for (const tokenId of ['revoked', 'ended', 'none']) {
        expect(await store.enroll({ ...enrolment('h', 50), tokenId })).toBe('no-use-left');
      }
      expect([await store.hosts(), await store.certificates()]).toEqual([[], []]);
    });

    it('gives a name to one of several who want it at once', async () => {
      const results = await Promise.all([1, 2, 3, 4].map((now) => store.enroll(enrolment('db', now))));
      expect(results.filter((result) => result === 'done')).toHaveLength(1);
      const after = await Promise.all(
        [5, 6, 7].map(async (now) =>
          store.enroll({ ...enrolment('db', now), before: `db-${results.indexOf('done') + 1}` }),
        ),
      );
      expect(after.filter((result) => result === 'done')).toHaveLength(1);
      expect(after.filter((result) => result === 'overtaken')).toHaveLength(2);
    });

    it('replaces a host and revokes what it had before, unless what proves it was revoked', async () => {
      await store.enroll(enrolment('db', 1));
      const again = { ...enrolment('db', 2), before: 'db-1', provenBy: 'db-1', revokesOlder: true };
      expect(await store.enroll(again)).toBe('done');
      expect(await store.certificate('db-1')).toMatchObject({ revoked: 2 });
      expect(await store.enroll({ ...enrolment('db', 3), before: 'db-2', provenBy: 'db-1' })).toBe('overtaken');
      expect(await store.host('db')).toEqual({ ...enrolment('db', 2).host, enrolled: 1 });
    });

    it('revokes certificates, also those it has not signed, once', async () => {
      await store.enroll(enrolment('db', 1));
      const foreign: StoredCertificate = { ...certificate('x', 0), role: 'user', notAfter: 500 };
      await store.revoke([certificate('db', 1), foreign], 9);
      await store.revoke([certificate('db', 1), foreign], 10);
      const revoked = (await store.revoked(100)).map(({ fingerprint, revoked: at }) => [fingerprint, at]);
      expect(new Map(revoked as [string, number][])).toEqual(
        new Map([
          ['db-1', 9],
          ['x-0', 9],
        ]),
      );
      expect((await store.revoked(500)).map(({ fingerprint }) => fingerprint)).toEqual(['db-1']);
    });

    it('forgets a host with its certificates, and what was seen of others stays', async () => {
      await store.enroll(enrolment('a', 1));
      await store.enroll(enrolment('B', 2));
      await store.seen([
        { name: 'B', address: '10.0.0.2', at: 77 },
        { name: 'a', address: '10.0.0.1', at: 78 },
      ]);
      expect(await store.forgetHost('a', 9)).toMatchObject({ name: 'a', lastSeen: 78, address: '10.0.0.1' });
      expect([await store.forgetHost('a', 9), await store.host('a')]).toEqual([undefined, undefined]);
      expect(await store.certificate('a-1')).toMatchObject({ revoked: 9 });
      expect(await store.hosts()).toEqual([{ ...enrolment('B', 2).host, lastSeen: 77, address: '10.0.0.2' }]);
    });

    it('has another mark after each change, and orders names by their bytes', async () => {
      const marks = [await store.hostsMark()];
      for (const [index, host] of ['b', 'C', 'ä', 'A'].entries()) {
        await store.enroll(enrolment(host, 10 + index));
        marks.push(await store.hostsMark());
      }
      await store.enroll({ ...enrolment('b', 20), before: 'b-10' });
      marks.push(await store.hostsMark());
      await store.forgetHost('C', 30);
      marks.push(await store.hostsMark());
      expect(new Set(marks).size).toBe(marks.length);
      expect(await store.hostsMark()).toBe(marks.at(-1));
      expect((await store.hosts()).map((host) => host.name)).toEqual(['A', 'b', 'ä']);
    });
  });
}

function token(id: string, change: Partial<StoredEnrollToken> = {}): StoredEnrollToken {
  return {
    ...{ id, secretHash: 'ab', labels: { röle: "d'b" }, namePattern: 'db*', uses: 1, used: 0, certificateLife: 0.5 },
    ...{ mayReplace: false, created: 1_700_000_000_000.25, expires: 1e15, revoked: 0 },
    ...change,
  };
}

function certificate(name: string, now: number): StoredCertificate {
  const fingerprint = `${name}-${now}`;
  return { fingerprint, serial: '1', name, role: 'dial-in-agent', issued: now, notAfter: 1e15, revoked: 0 };
}

function enrolment(name: string, now: number): Enrolment {
  const host: StoredHost = {
    ...{ name, labels: { role: 'db' }, fingerprint: `${name}-${now}`, serial: '1', keySha256: 'k', tokenId: 't' },
    ...{ certificateLife: 3, enrolled: now, renewed: now, lastSeen: 0, address: '' },
  };
  return { host, certificate: certificate(name, now), before: undefined, revokesOlder: false, now };
}
