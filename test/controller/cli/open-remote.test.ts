// How the command line finds its server, knows it, and says who asks: over real HTTPS.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerChoice } from '../../../controller/cli/context.js';
import type { CliIo } from '../../../controller/cli/io.js';
import { openRemote } from '../../../controller/cli/open-remote.js';
import { toFailure } from '../../../proto/failure.js';
import { type ServedApp, servedApp } from '../web/served-app.js';

let served: ServedApp;
let home: string;
let token: string;
const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });

beforeAll(async () => {
  served = await servedApp({ web1: async () => undefined });
  home = await mkdtemp(join(tmpdir(), 'perftrawl-remote-'));
  token = await served.token('alice', 'viewer');
});
afterAll(async () => {
  await served.close();
  await rm(home, { recursive: true });
});

const ioOf = (env: Record<string, string>): CliIo => ({
  ...{ stdout: nowhere, stderr: nowhere, isStdoutTty: false, isStderrTty: false, columns: 80, progressColumns: 80 },
  ...{ env: { PERFTRAWL_CONFIG: home, ...env }, now: () => Date.now(), homeDirectory: home, userName: 'me' },
  interrupt: { stop: new AbortController().signal, cancel: new AbortController().signal },
});
const choice = (more: Partial<ServerChoice> = {}): ServerChoice => ({
  url: served.url().href,
  ...{ caFile: undefined, tokenFile: undefined, certFile: undefined, keyFile: undefined },
  ...more,
});

async function whoami(asked: ServerChoice, env: Record<string, string> = {}): Promise<string> {
  const app = await openRemote(asked, ioOf(env));
  try {
    const { name, by } = await app.users.whoami();
    return `${name} by ${by}`;
  } finally {
    await app.close();
  }
}

const failureOf = (asked: ServerChoice, env: Record<string, string> = {}) =>
  whoami(asked, env).then(
    (who) => expect.fail(`it is ${who}`),
    (error: unknown) => toFailure(error),
  );

describe('a server', () => {
  it('is known by the hash in the token alone', async () => {
    expect(await whoami(choice(), { PERFTRAWL_TOKEN: token })).toBe('alice by token');
  });

  it('is refused when its CA is not the one of the token, before the token is sent', async () => {
    const other = `${token.slice(0, -64)}${'0'.repeat(64)}`;
    const before = served.log.length;
    const failure = await failureOf(choice(), { PERFTRAWL_TOKEN: other });
    expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringMatching(/from another CA/) });
    expect(served.log.slice(before).filter(({ event }) => event === 'request')).toEqual([]);
  });

  it('is refused when neither token nor machine vouch for its CA', async () => {
    const bare = token.split('.').slice(0, 3).join('.');
    expect((await failureOf(choice(), { PERFTRAWL_TOKEN: bare })).code).toBe('untrusted');
    const caFile = join(served.fleet.caDirectory, 'ca.crt');
    expect(await whoami(choice({ caFile }), { PERFTRAWL_TOKEN: bare })).toBe('alice by token');
  });

  it('is refused under a name that is not in its certificate', async () => {
    const url = served.url().href.replace('localhost', '127.0.0.2');
    const failure = await failureOf(choice({ url }), { PERFTRAWL_TOKEN: token });
    expect(failure.code).toMatch(/untrusted|unreachable/);
  });

  it.each([
    'http://localhost:7450',
    'https://localhost:7450/path',
    'https://me:secret@localhost',
    'localhost:7450',
    '',
  ])('is not %j', async (url) => {
    expect((await failureOf(choice({ url }), { PERFTRAWL_TOKEN: token })).code).toBe('bad-request');
  });

  it('that is not there is unreachable', async () => {
    const caFile = join(served.fleet.caDirectory, 'ca.crt');
    const failure = await failureOf(choice({ url: 'https://localhost:1', caFile }), { PERFTRAWL_TOKEN: token });
    expect(failure).toMatchObject({ code: 'unreachable', remedy: expect.stringMatching(/perftrawl serve/) });
  });
});

describe('a user', () => {
  it('has to say who he is', async () => {
    expect((await failureOf(choice())).message).toMatch(/nothing says who you are/);
    expect((await failureOf(choice(), { PERFTRAWL_TOKEN: 'hunter2' })).message).toBe('PERFTRAWL_TOKEN has no token');
    expect((await failureOf(choice({ certFile: 'a.crt' }))).message).toMatch(/belong together/);
  });

  it('is known by a certificate', async () => {
    await served.app.users.add({ name: 'carol', role: 'viewer', ttl: undefined, withToken: false });
    const { cert, key } = await served.certificate('carol', 'user');
    const [certFile, keyFile] = [join(home, 'carol.crt'), join(home, 'carol.key')];
    await writeFile(certFile, cert);
    await writeFile(keyFile, key);
    const caFile = join(served.fleet.caDirectory, 'ca.crt');
    expect(await whoami(choice({ caFile, certFile, keyFile }))).toBe('carol by certificate');
  });
});
