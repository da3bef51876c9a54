// Who is let in on the port for agents, what strangers can do there, and how agents come back. Real TLS on real sockets.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Host } from '../../../controller/api.js';
import type { DialIn } from '../../../controller/dial-in/dial-in.js';
import { connectAgent } from '../../../proto/agent-client.js';
import { DIAL_ALPN, ENROLL_ALPN, MAX_ENROLL_BYTES } from '../../../proto/dial.js';
import { encodeDialFrame, readDialFrame } from '../../../proto/dial-codec.js';
import { framed, readFramed } from '../../../proto/framed-message.js';
import { contractAgent } from '../transport/contract-agent.js';
import { failureOf } from '../transport/transport-contract.js';
import { type Dialer, type DialInFleet, dialInFleet } from './dial-in-fleet.js';

const { signal } = new AbortController();
const agent = contractAgent(() => undefined);
const hostNamed = (name: string): Host => ({ name, labels: {}, address: { transport: 'dial-in' } });

let fleet: DialInFleet;
beforeEach(async () => {
  fleet = await dialInFleet();
});
afterEach(() => fleet.close());

describe('agents that are let in', () => {
  it('are listed with their address, and answer', async () => {
    const dialIn = await fleet.open();
    await fleet.dial('db1', agent);
    await untilThere(dialIn, 'db1');
    expect(dialIn.connected()).toEqual([
      { host: 'db1', remoteAddress: '127.0.0.1', since: expect.closeTo(Date.now(), -6) },
    ]);
    expect(fleet.seen).toEqual(['db1']);
    expect(await hostnameOf(dialIn, 'db1')).toBe('fake');
  });

  it('come back when the controller was restarted, and keep their identity', async () => {
    const before = await fleet.open();
    const dialer = await fleet.dial('db1', agent);
    await untilThere(before, 'db1');
    await before.close();
    await until(() => dialer.notes.some((note) => note.includes('127.0.0.1')) && before.connected().length === 0);
    const after = await fleet.open();
    expect(await hostnameOf(after, 'db1')).toBe('fake');
  });

  it('replace their own older connection at once', async () => {
    const dialIn = await fleet.open();
    await fleet.dial('db1', agent, { instance: 'one' });
    await untilThere(dialIn, 'db1');
    const [first] = dialIn.connected();
    const again = await raw(dialIn, { as: 'db1' });
    again.write(encodeDialFrame({ kind: 'hello', instance: 'one', version: '' }));
    expect(await readDialFrame(again, signal)).toEqual({ kind: 'welcome', host: 'db1' });
    expect(dialIn.connected()).toHaveLength(1);
    expect(dialIn.connected()[0]).not.toBe(first);
    again.destroy();
  });

  it('stay when another machine comes with the same identity, which is told so', async () => {
    const dialIn = await fleet.open();
    await fleet.dial('db1', agent, { instance: 'one' });
    await untilThere(dialIn, 'db1');
    const twin = await fleet.dial('db1', agent, { instance: 'two' });
    await told(twin, /db1 is connected already, from 127\.0\.0\.1/);
    expect(await hostnameOf(dialIn, 'db1')).toBe('fake');
    await twin.stop();
    expect(fleet.log.filter((line) => line.startsWith('db1 is connected from'))).toHaveLength(1);
  });

  it('give way to another process of the host when they are dead', async () => {
    const dialIn = await fleet.open({ pongTimeout: 300 });
    await fleet.issue('db1', 'dial-in-agent');
    const dead = await raw(dialIn, { as: 'db1' });
    dead.write(encodeDialFrame({ kind: 'hello', instance: 'dead', version: '' }));
    await untilThere(dialIn, 'db1');
    await fleet.dial('db1', agent, { instance: 'alive' });
    await until(() => fleet.log.filter((line) => line.startsWith('db1 is connected from')).length === 2);
    expect(await hostnameOf(dialIn, 'db1')).toBe('fake');
  });

  it('are given up when they are silent', async () => {
    const dialIn = await fleet.open({ pingInterval: 50, silenceLimit: 300 });
    await fleet.issue('db1', 'dial-in-agent');
    const silent = await raw(dialIn, { as: 'db1' });
    silent.write(encodeDialFrame({ kind: 'hello', instance: 'silent', version: '' }));
    silent.resume();
    await untilThere(dialIn, 'db1');
    await once(silent, 'close');
    await until(() => dialIn.connected().length === 0);
  });

  it('give a silent controller up themselves, and dial again', async () => {
    await fleet.issue('server', 'server');
    await fleet.issue('db1', 'dial-in-agent');
    let dialed = 0;
    const silent = tls.createServer(
      { ...(await identity('server')), requestCert: true, ALPNProtocols: [DIAL_ALPN] },
      (socket) => {
        dialed++;
        socket.on('error', () => undefined);
        socket.resume();
      },
    );
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const dialer = await fleet.dial('db1', agent, { address: addressOf(silent), silenceLimit: 300 });
    await told(dialer, /silent for 300 ms/);
    await until(() => dialed > 1);
    await dialer.stop();
    silent.close();
  });

  it('are cut off with the reason, which who asks for them is told at once, until they are let in again', async () => {
    const dialIn = await fleet.open();
    const dialer = await fleet.dial('db1', agent);
    await untilThere(dialIn, 'db1');
    const revoked = { code: 'untrusted', message: 'the certificate of db1 was revoked', remedy: 'enroll it' } as const;
    fleet.cutOff('db1', revoked);
    expect(await failureOf(dialIn.transport.open(hostNamed('db1'), signal))).toEqual(revoked);
    await told(dialer, /was revoked/);
    await until(() => dialer.notes.filter((note) => note.includes('which knows this host as db1')).length === 2);
    (await dialIn.transport.open(hostNamed('db1'), signal)).destroy();
  });

  it('are let go when their certificate ends, and told so only when they come back with it', async () => {
    const lives = 6_000;
    await fleet.issue('db1', 'dial-in-agent', Date.now() - 86_400_000 + lives);
    const dialIn = await fleet.open({ pingInterval: 50 });
    const dialer = await fleet.dial('db1', agent);
    await untilThere(dialIn, 'db1');
    await told(dialer, /CERT_HAS_EXPIRED/);
    expect(dialer.notes.filter((note) => !note.includes('connected to'))[0]).toMatch(/hung up/);
    expect(fleet.refused[0]).toBe(': untrusted');
  });
});

describe('hosts that are not there', () => {
  it('fail at once when they have not been here lately, and say when that was', async () => {
    const dialIn = await fleet.open({ lately: 0 });
    const never = await failureOf(dialIn.transport.open(hostNamed('db9'), signal));
    expect(never).toMatchObject({ code: 'unreachable', message: expect.stringContaining('has not dialed in') });
    expect(never.remedy).toContain('perftrawl agent --dial');
    const dialer = await fleet.dial('db1', agent);
    await untilThere(dialIn, 'db1');
    await dialer.stop();
    await until(() => dialIn.connected().length === 0);
    const gone = await failureOf(dialIn.transport.open(hostNamed('db1'), signal));
    expect(gone).toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/last here at 20.*127\.0\.0\.1/),
    });
  });

  it('are waited for when they may be on their way', async () => {
    const dialIn = await fleet.open();
    const opened = dialIn.transport.open(hostNamed('db1'), signal);
    await fleet.dial('db1', agent);
    (await opened).destroy();
  });
});

describe('certificates that are refused, each with the reason on both sides', () => {
  it.each([
    ['a controller', 'controller', 'a certificate of role controller'],
    ['a user', 'user', 'a certificate of role user'],
    // TLS already says no: it is for servers only.
    ['an agent that listens', 'agent', 'the certificate is not accepted'],
    ['another server', 'server', 'the certificate is not accepted'],
  ] as const)('of %s', async (_whose, role, reason) => {
    const dialIn = await fleet.open();
    await fleet.issue('thief', role);
    const dialer = await fleet.dial('thief', agent);
    await told(dialer, new RegExp(reason));
    expect(dialIn.connected()).toEqual([]);
    expect(fleet.log.join('\n')).toContain(reason);
  });

  it('of another CA', async () => {
    const dialIn = await fleet.open();
    const other = await dialInFleet();
    await other.issue('db1', 'dial-in-agent');
    const dialer = await fleet.dial('db1', agent, { caDirectory: other.caDirectory });
    await told(dialer, /the certificate is not accepted/);
    expect(dialIn.connected()).toEqual([]);
    await other.close();
  });

  it('that have expired', async () => {
    const dialIn = await fleet.open();
    await fleet.issue('db1', 'dial-in-agent', Date.now() - 10 * 86_400_000);
    const dialer = await fleet.dial('db1', agent);
    await told(dialer, /CERT_HAS_EXPIRED/);
    expect(dialIn.connected()).toEqual([]);
  });

  it('when there is none', async () => {
    const dialIn = await fleet.open();
    const stranger = await raw(dialIn, {});
    stranger.write(encodeDialFrame({ kind: 'hello', instance: 'x', version: '' }));
    expect(await readDialFrame(stranger, signal)).toMatchObject({
      kind: 'refused',
      failure: { code: 'untrusted', message: 'no certificate was shown' },
    });
  });
});

describe('controllers that an agent does not serve', () => {
  it.each([
    ['with the certificate of an agent', 'agent', /role agent, not server/],
    ['with one for another name', 'server', /is not localhost/],
  ] as const)('%s', async (_what, role, reason) => {
    await fleet.issue('db1', 'dial-in-agent');
    await fleet.issue('false', role);
    let words = 0;
    const server = tls.createServer(
      { ...(await identity('false')), requestCert: true, ALPNProtocols: [DIAL_ALPN] },
      (socket) => {
        socket.on('error', () => undefined);
        socket.on('data', () => words++);
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = role === 'agent' ? '127.0.0.1' : 'localhost';
    const dialer = await fleet.dial('db1', agent, { address: { host, port: addressOf(server).port } });
    await told(dialer, reason);
    await dialer.stop();
    server.close();
    expect(words).toBe(0);
  });

  it('of another CA', async () => {
    const other = await dialInFleet();
    const dialIn = await other.open();
    const port = Number(dialIn.address.split(':')[1]);
    const dialer = await fleet.dial('db1', agent, { address: { host: '127.0.0.1', port } });
    await told(dialer, /cannot prove who it is/);
    await dialer.stop();
    expect(dialIn.connected()).toEqual([]);
    await other.close();
  });
});

describe('strangers', () => {
  it('that speak no TLS are cut off', async () => {
    const dialIn = await fleet.open();
    const socket = net.connect(portOf(dialIn), '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n\r\n'));
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'close');
    expect(dialIn.connected()).toEqual([]);
  });

  it('that speak another protocol, or an older TLS, are cut off in the handshake', async () => {
    const dialIn = await fleet.open();
    const failed = (options: tls.ConnectionOptions) =>
      new Promise<string>((resolve) => {
        const socket = tls.connect({ ...options, port: portOf(dialIn), host: '127.0.0.1', rejectUnauthorized: false });
        socket.once('secureConnect', () => resolve('let in'));
        socket.once('error', (error) => resolve(error.message));
      });
    expect(await failed({ ALPNProtocols: ['h2'] })).toMatch(/no application protocol/i);
    expect(await failed({ ALPNProtocols: [DIAL_ALPN], maxVersion: 'TLSv1.2' })).toMatch(/protocol version/i);
  });

  it('that are slow are cut off, before and after the handshake, and keep nobody out', async () => {
    const dialIn = await fleet.open({ greetingTimeout: 1_000, halfOpen: { total: 20, perAddress: 20 } });
    await fleet.issue('db1', 'dial-in-agent');
    const mute = Array.from({ length: 10 }, () => net.connect(portOf(dialIn), '127.0.0.1'));
    const wordless = await raw(dialIn, { as: 'db1' });
    // A byte now and then does not help.
    const drip = setInterval(() => wordless.write(Buffer.alloc(1)), 100);
    for (const socket of [...mute, wordless]) socket.on('error', () => undefined).resume();
    const closed = Promise.all([...mute, wordless].map((socket) => once(socket, 'close')));
    await fleet.dial('db2', agent);
    await untilThere(dialIn, 'db2');
    await closed;
    clearInterval(drip);
    expect(dialIn.connected().map(({ host }) => host)).toEqual(['db2']);
  });

  it('cannot flood it: there are so many from one address, and agents are let in again afterwards', async () => {
    const dialIn = await fleet.open({ greetingTimeout: 2_000, halfOpen: { total: 32, perAddress: 16 } });
    const flood = Array.from({ length: 300 }, () => net.connect(portOf(dialIn), '127.0.0.1'));
    let open = flood.length;
    const most = new Promise<void>((resolve) => {
      for (const socket of flood) {
        socket.on('error', () => undefined).resume();
        socket.once('close', () => {
          if (--open === 16) resolve();
        });
      }
    });
    await most;
    await fleet.dial('db1', agent);
    await untilThere(dialIn, 'db1');
    for (const socket of flood) socket.destroy();
  });

  it('that announce a gigabyte are refused before it comes', async () => {
    const dialIn = await fleet.open({}, { answer: async () => Buffer.from('never') });
    await fleet.issue('db1', 'dial-in-agent');
    for (const alpn of [DIAL_ALPN, ENROLL_ALPN]) {
      const socket = await raw(dialIn, { as: 'db1', alpn });
      socket.write(Buffer.from([0x40, 0, 0, 0]));
      socket.resume();
      await once(socket, 'close');
    }
    expect(fleet.log.join('\n')).toContain('1073741824 bytes was announced');
  });
});

describe('enrolment', () => {
  it('has one bounded request and one answer; the certificate is told only when it is good', async () => {
    const peers: unknown[] = [];
    const dialIn = await fleet.open(
      {},
      {
        async answer(request, { remoteAddress, certificate }) {
          peers.push([remoteAddress, certificate?.subject]);
          return Buffer.from(`answer to ${Buffer.from(request).toString()}`);
        },
      },
    );
    await fleet.issue('db1', 'dial-in-agent');
    await fleet.issue('old', 'dial-in-agent', Date.now() - 10 * 86_400_000);
    for (const as of [undefined, 'db1', 'old']) {
      const socket = await raw(dialIn, { alpn: ENROLL_ALPN, ...(as === undefined ? {} : { as }) });
      socket.write(framed(Buffer.from('request')));
      expect((await readFramed(socket, MAX_ENROLL_BYTES, signal)).toString()).toBe('answer to request');
      socket.resume();
      await once(socket, 'close');
    }
    expect(peers).toEqual([
      ['127.0.0.1', undefined],
      ['127.0.0.1', 'CN=db1\nOU=dial-in agent'],
      ['127.0.0.1', undefined],
    ]);
  });
});

/** A connection as an agent's, without an agent behind it. */
async function raw(dialIn: DialIn, { as, alpn = DIAL_ALPN }: { as?: string; alpn?: string }): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    ...(as === undefined ? { ca: await file('ca.crt') } : await identity(as)),
    ...{ host: '127.0.0.1', port: portOf(dialIn), ALPNProtocols: [alpn] },
  });
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}

async function identity(name: string) {
  return { ca: await file('ca.crt'), cert: await file(`${name}.crt`), key: await file(`${name}.key`) };
}

function file(name: string): Promise<Buffer> {
  return readFile(join(fleet.caDirectory, name));
}

async function hostnameOf(dialIn: DialIn, name: string): Promise<string> {
  const connection = await connectAgent(() => dialIn.transport.open(hostNamed(name), signal));
  const { hostname } = await connection.api.describe(signal);
  connection.close();
  return hostname;
}

function untilThere(dialIn: DialIn, host: string): Promise<void> {
  return until(() => dialIn.connected().some((connected) => connected.host === host));
}

function told(dialer: Dialer, what: RegExp): Promise<void> {
  return until(() => dialer.notes.some((note) => what.test(note)));
}

/** Looks until it holds; a test that waits in vain ends by its own limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function portOf(dialIn: DialIn): number {
  return Number(dialIn.address.split(':')[1]);
}

function addressOf(server: net.Server): { readonly host: string; readonly port: number } {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('it does not listen');
  return { host: '127.0.0.1', port: address.port };
}
