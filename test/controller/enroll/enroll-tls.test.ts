// Hosts enroll, renew and are cut off over real TLS: the agent's own code against the port of an app.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepDialing } from '../../../agent/dial/dialer.js';
import { identityFilesIn, readDialIdentity } from '../../../agent/dial/identity-files.js';
import { enrollHost, renewHost } from '../../../agent/enroll/enroll.js';
import { readAgentIdentity } from '../../../agent/enroll/identity-directory.js';
import { keepRenewed } from '../../../agent/enroll/renewal.js';
import { createApp, type LocalApp } from '../../../controller/app.js';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import type { NewEnrollToken } from '../../../controller/enroll/identities.js';
import { ENROLL_ALPN } from '../../../proto/dial.js';
import { type EnrollTokenText, parseEnrollToken } from '../../../proto/enroll-token.js';
import { toFailure } from '../../../proto/failure.js';

const HOUR = 3_600_000;

let directory: string;
let ca: string;
let app: LocalApp;
let place: { host: string; port: number };
let logged: string[];
const { signal } = new AbortController();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-enroll-tls-'));
  ca = join(directory, 'ca');
  logged = [];
  await initCa(ca, Date.now());
  await issueCertificate(ca, { name: 'server', addresses: ['127.0.0.1'], role: 'server', days: 1 }, Date.now());
  app = await open();
});
afterEach(async () => {
  await app.close();
  await rm(directory, { recursive: true });
});

async function open(): Promise<LocalApp> {
  const log = (line: string) => void logged.push(line);
  const opened = await createApp({
    ...{ dataDir: join(directory, 'data'), configDir: directory, agentCommand: ['/nothing'], log },
    dialIn: { listen: '127.0.0.1:0', log },
  });
  const port = Number(/\d+$/.exec(opened.dialIn?.address ?? '')?.[0]);
  place = { host: '127.0.0.1', port };
  return opened;
}

async function token(change: Partial<NewEnrollToken> = {}): Promise<EnrollTokenText> {
  const { text } = await app.identities.createToken({
    ...{ labels: { role: 'db' }, namePattern: '*', ttl: HOUR, uses: 1, certificateLife: 24 * HOUR },
    ...{ mayReplace: false, ...change },
  });
  return parseEnrollToken(text) ?? expect.fail('the controller reads its own token');
}

const stateOf = (host: string) => ({ state: join(directory, host), now: Date.now });

async function enrolled(name: string, change: Partial<NewEnrollToken> = {}) {
  await enrollHost(place, await token(change), name, stateOf(name), signal);
  return (await readAgentIdentity(join(directory, name))) ?? expect.fail('nothing was written');
}

const serialOf = ({ cert }: { readonly cert: string }) => new X509Certificate(cert).serialNumber.toLowerCase();

describe('a host', () => {
  it('enrolls, keeps its key to itself, and is one of the hosts', async () => {
    const identity = await enrolled('db1');
    const names = (await readdir(join(directory, 'db1'))).filter((name) => name !== 'identity');
    expect(names).toEqual([expect.stringMatching(/^identity-[0-9a-f]{16}$/)]);
    expect((await stat(join(directory, 'db1', 'identity', 'agent.key'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'db1'))).mode & 0o777).toBe(0o700);
    expect(identity.ca.trim()).toBe((await readFile(join(ca, 'ca.crt'), 'utf8')).trim());
    expect(app.hosts('role=db')).toEqual([{ name: 'db1', labels: { role: 'db' }, address: { transport: 'dial-in' } }]);
  });

  it('asks again with the key of a request without an answer, which is not another use', async () => {
    const one = await token();
    const refused = await enrollHost(place, one, '../x', stateOf('db1'), signal).catch(toFailure);
    expect(refused).toMatchObject({ code: 'bad-request' });
    const pending = await readFile(join(directory, 'db1', 'identity-pending.key'), 'utf8');
    await enrollHost(place, one, 'db1', stateOf('db1'), signal);
    expect((await readAgentIdentity(join(directory, 'db1')))?.key).toBe(pending);
    expect(await readdir(join(directory, 'db1'))).not.toContain('identity-pending.key');
  });

  it('keeps its name by its present certificate; another one does not get it', async () => {
    const first = await enrolled('db1');
    const second = await enrolled('db1');
    expect(serialOf(second)).not.toBe(serialOf(first));
    const other = { state: join(directory, 'thief'), now: Date.now };
    const failure = await enrollHost(place, await token(), 'db1', other, signal).catch(toFailure);
    expect(failure).toMatchObject({ code: 'conflict', message: 'another host has enrolled as db1' });
  });

  it('never tells its token to a server of another CA', async () => {
    const other = join(directory, 'other');
    await initCa(other, Date.now());
    await issueCertificate(other, { name: 'server', addresses: ['127.0.0.1'], role: 'server', days: 1 }, Date.now());
    const pem = (file: string) => readFile(join(other, file));
    let heard = 0;
    const server = tls.createServer({
      ...{ cert: await pem('server.crt'), key: await pem('server.key'), ca: await pem('ca.crt') },
      ALPNProtocols: [ENROLL_ALPN],
    });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        heard += bytes.length;
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const failure = await enrollHost({ ...place, port }, await token(), 'db1', stateOf('db1'), signal).catch(toFailure);
    expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringContaining('of another CA') });
    const gone = new Promise((resolve) => server.close(resolve));
    await gone;
    expect(heard).toBe(0);
  });

  it('does not take a certificate of another role for a server', async () => {
    await issueCertificate(ca, { name: 'db9', addresses: ['127.0.0.1'], role: 'agent', days: 1 }, Date.now());
    const pem = (file: string) => readFile(join(ca, file));
    const server = tls.createServer({
      ...{
        cert: await pem('db9.crt'),
        key: await pem('db9.key'),
        ca: await pem('ca.crt'),
        ALPNProtocols: [ENROLL_ALPN],
      },
    });
    server.on('secureConnection', (socket) => socket.on('error', () => undefined));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const failure = await enrollHost({ ...place, port }, await token(), 'db1', stateOf('db1'), signal).catch(toFailure);
    expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringContaining('not that of a server') });
    await new Promise((resolve) => server.close(resolve));
  });

  it('renews by itself, with a new key each time, and says so', async () => {
    const first = await enrolled('db1', { certificateLife: 6000 });
    const notes: string[] = [];
    const ended = new AbortController();
    const renewed = new Promise<void>((resolve) => {
      void keepRenewed(
        {
          ...{ state: join(directory, 'db1'), servers: [{ ...place, port: 1 }, place], now: Date.now, random: () => 0 },
          sleep: (duration, until) => sleep(duration, undefined, { signal: until }).catch(() => undefined),
          note: (text) => {
            notes.push(text);
            if (notes.length === 2) resolve();
          },
        },
        ended.signal,
      );
    });
    await renewed;
    ended.abort();
    expect(notes).toEqual([expect.stringMatching(/^renewed the certificate/), expect.stringMatching(/^renewed/)]);
    const now = await readAgentIdentity(join(directory, 'db1'));
    expect(now?.key).not.toBe(first.key);
    expect(await app.identities.enrolledHosts()).toMatchObject([{ serial: serialOf(now ?? first) }]);
  });

  it('does not renew on and on where the clock makes each new certificate look old', async () => {
    await enrolled('db1', { certificateLife: 24 * 3_600_000 });
    const ended = new AbortController();
    const slept: number[] = [];
    await keepRenewed(
      {
        ...{ state: join(directory, 'db1'), servers: [place], now: () => Date.now() + 20 * 3_600_000 },
        ...{ random: () => 0, note: () => undefined },
        sleep: async (duration) => {
          slept.push(duration);
          ended.abort();
        },
      },
      ended.signal,
    );
    expect(slept).toEqual([3_600_000]);
  });

  it('cannot renew what was revoked, by another process too', async () => {
    const identity = await enrolled('db1');
    const elsewhere = await createApp({
      ...{ dataDir: join(directory, 'data'), configDir: directory, agentCommand: ['/nothing'] },
    });
    await elsewhere.identities.revoke(serialOf(identity));
    await elsewhere.close();
    const failure = await renewHost(place, identity, join(directory, 'db1'), signal).catch(toFailure);
    expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringContaining('revoked') });
  });

  it('dials in with its identity, and is cut off when another process revokes it', async () => {
    await enrolled('db1');
    const notes: string[] = [];
    const waiting = new Set<() => void>();
    const noted = async (pattern: RegExp) => {
      while (!notes.some((note) => pattern.test(note))) await new Promise<void>((resolve) => waiting.add(resolve));
    };
    const ended = new AbortController();
    const dialing = keepDialing(
      {
        address: place,
        readIdentity: () => readDialIdentity(identityFilesIn(join(directory, 'db1'))),
        serve: async (stream) => void stream.destroy(),
        ...{ instance: 'one', version: '0.0.0', connectTimeout: 20_000, silenceLimit: 60_000 },
        ...{ backoff: { first: 50, longest: 200, stable: 0 }, random: Math.random, monotonic: () => performance.now() },
        sleep: (time, until) => sleep(time, undefined, { signal: until }).catch(() => undefined),
        note(line) {
          notes.push(line);
          for (const go of waiting) go();
        },
      },
      ended.signal,
    );
    await noted(/^connected to .* db1/);
    expect(app.dialIn?.connected()).toMatchObject([{ host: 'db1', remoteAddress: '127.0.0.1' }]);
    const elsewhere = await createApp({
      ...{ dataDir: join(directory, 'data'), configDir: directory, agentCommand: ['/nothing'] },
    });
    await elsewhere.identities.revoke('db1');
    await elsewhere.close();
    await noted(/was revoked at/);
    await expect.poll(() => app.dialIn?.connected()).toEqual([]);
    ended.abort();
    await dialing;
  });
});

describe('the port', () => {
  it.each([
    ['a gigabyte announced', Buffer.from([0x40, 0, 0, 0])],
    ['noise', Buffer.alloc(4096, 0xa5)],
    ['an empty message', Buffer.from([0, 0, 0, 0])],
    ['nothing that is a message', Buffer.from([0, 0, 0, 3, 255, 255, 255])],
  ])('survives %s', async (_what, bytes) => {
    const socket = tls.connect({
      ...{ ...place, ca: await readFile(join(ca, 'ca.crt')), ALPNProtocols: [ENROLL_ALPN] },
    });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write(bytes);
    socket.resume();
    await once(socket, 'close');
    await enrolled('db1');
  });
});
