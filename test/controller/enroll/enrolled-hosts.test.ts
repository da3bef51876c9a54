// The hosts at hand are those of the store: at once what this process changes, at the next look what others change.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Clock } from '../../../controller/clock.js';
import { type EnrolledHosts, openEnrolledHosts } from '../../../controller/enroll/enrolled-hosts.js';
import type { Enrolment, IdentityStore, StoredHost } from '../../../controller/store/identity-store.js';
import { type IdentityGround, identityGround } from './identity-ground.js';

let ground: IdentityGround;
let hosts: EnrolledHosts;
const logged: string[] = [];
/** While it is set the store fails with it. */
let trouble: Error | undefined;

/** Sleeps until it is woken; `look` resolves when what came after the waking is done. */
class Alarm implements Clock {
  #wake: () => void = () => undefined;
  #asleep: () => void = () => undefined;
  now = () => 0;
  monotonic = () => 0;
  sleep(_: number, signal: AbortSignal) {
    return new Promise<'elapsed' | 'aborted'>((resolve) => {
      signal.addEventListener('abort', () => resolve('aborted'));
      this.#wake = () => resolve('elapsed');
      this.#asleep();
    });
  }
  look(): Promise<void> {
    return new Promise((resolve) => {
      this.#asleep = resolve;
      this.#wake();
    });
  }
}

let alarm: Alarm;
beforeEach(async () => {
  ground = await identityGround();
  alarm = new Alarm();
  const store: IdentityStore = {
    ...ground.store,
    hostsMark: () => (trouble === undefined ? ground.store.hostsMark() : Promise.reject(trouble)),
  };
  await ground.store.enroll(enrolment('before', 1));
  hosts = await openEnrolledHosts({ store, clock: alarm, log: (line) => void logged.push(line) });
});
afterEach(async () => {
  trouble = undefined;
  await hosts.close();
  await ground.close();
});

const names = () => hosts.now().map(({ name, labels }) => `${name}:${labels.role}`);

it('are those that were there before, those that enroll here, and none that is forgotten here', async () => {
  expect(names()).toEqual(['before:db']);
  await hosts.store.enroll(enrolment('here', 2));
  expect(names()).toEqual(['before:db', 'here:db']);
  await hosts.store.forgetHost('before', 3);
  expect(names()).toEqual(['here:db']);
});

it('are seen at the next look when another process adds, changes or forgets them', async () => {
  await ground.store.enroll(enrolment('other', 2));
  expect(names()).toEqual(['before:db']);
  await alarm.look();
  expect(names()).toEqual(['before:db', 'other:db']);
  const again = enrolment('other', 3);
  await ground.store.enroll({ ...again, before: 'other-2', host: { ...again.host, labels: { role: 'web' } } });
  await alarm.look();
  expect(names()).toEqual(['before:db', 'other:web']);
  await ground.store.forgetHost('before', 4);
  await alarm.look();
  expect(names()).toEqual(['other:web']);
});

it('stay as they were while the store cannot be read, which is told once', async () => {
  trouble = new Error('the store is away');
  await alarm.look();
  await alarm.look();
  expect(names()).toEqual(['before:db']);
  expect(logged).toEqual(['cannot look for hosts that have enrolled: the store is away']);
  trouble = undefined;
  await ground.store.enroll(enrolment('later', 9));
  await alarm.look();
  expect(names()).toEqual(['before:db', 'later:db']);
});

function enrolment(name: string, now: number): Enrolment {
  const fingerprint = `${name}-${now}`;
  const host: StoredHost = {
    ...{ name, labels: { role: 'db' }, fingerprint, serial: '1', keySha256: '', tokenId: '', certificateLife: 1 },
    ...{ enrolled: now, renewed: now, lastSeen: 0, address: '' },
  };
  const same = { fingerprint, serial: '1', name, issued: now, notAfter: 1e15, revoked: 0 };
  const certificate = { ...same, role: 'dial-in-agent' } as const;
  return { host, certificate, before: undefined, revokesOlder: false, now };
}
