// The server from outside: who may do what, who is refused and how it is told, and clients that mean no good.
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LEAST_ROLE, partsOf, pathOf, ROUTES } from '../../../controller/http-api/routes.js';
import { mayAct, ROLES, type Role } from '../../../controller/users/role.js';
import { type ServedApp, servedApp } from './served-app.js';

let served: ServedApp;
const tokens: Partial<Record<Role, string>> = {};
let now = Date.now();

beforeAll(async () => {
  const { systemClock } = await import('../../../controller/clock.js');
  served = await servedApp(
    { web1: async () => undefined },
    { clock: { ...systemClock, now: () => now, monotonic: () => now } },
  );
  for (const role of ROLES) tokens[role] = await served.token(role, role);
});
afterAll(() => served.close());

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Addresses of 127.0.0.0/8 are all this machine: each test that fails to log in has its own. */
async function ask(path: string, options: RequestOptions = {}, body?: string): Promise<Answer> {
  const agent = new Agent();
  try {
    const sent = request(new URL(path, served.url()), { ca: served.ca, agent, method: 'GET', ...options });
    sent.end(body);
    const [answer] = await once(sent, 'response');
    let text = '';
    for await (const piece of answer) text += String(piece);
    return { status: answer.statusCode, body: text };
  } finally {
    agent.destroy();
  }
}

const bearer = (token: string | undefined) => ({ headers: { authorization: `Bearer ${token}` } });
const errorOf = ({ body }: Answer) => JSON.parse(body).error;

describe('roles', () => {
  const matrix = ROUTES.flatMap((route) => ROLES.map((role) => [route, role] as const));

  it.each(matrix)('%s by a %s', async (route, role) => {
    const { method } = partsOf(route);
    const path = pathOf(route, { job: 'nosuchjob', user: 'nosuchuser' }, {});
    const answer = await ask(path, { ...bearer(tokens[role]), method });
    if (mayAct(role, LEAST_ROLE[route])) expect([401, 403]).not.toContain(answer.status);
    else {
      expect(answer.status).toBe(403);
      expect(errorOf(answer)).toMatchObject({
        code: 'permission',
        message: `${role} is ${role}, and ${route} takes ${LEAST_ROLE[route]}`,
      });
    }
  });

  it.each(ROUTES)('%s by nobody', async (route) => {
    const { method } = partsOf(route);
    const path = pathOf(route, { job: 'nosuchjob', user: 'nosuchuser' }, {});
    const localAddress = `127.1.0.${ROUTES.indexOf(route) + 1}`;
    expect((await ask(path, { method, localAddress })).status).toBe(401);
  });

  it('does not say which routes there are to those it does not know', async () => {
    expect((await ask('/v1/secrets', { localAddress: '127.2.0.1' })).status).toBe(401);
    expect((await ask('/v1/secrets', bearer(tokens.admin))).status).toBe(404);
    expect((await ask('/healthz')).status).toBe(200);
  });
});

describe('who is known', () => {
  it('by a client certificate of the role user', async () => {
    await served.app.users.add({ name: 'carol', role: 'viewer', ttl: undefined, withToken: false });
    const answer = await ask('/v1/whoami', await served.certificate('carol', 'user'));
    expect(JSON.parse(answer.body).caller).toMatchObject({ name: 'carol', role: 'viewer', by: 'certificate' });
  });

  it('not any more, on a connection that stays open, when the certificate has run out', async () => {
    await served.app.users.add({ name: 'dora', role: 'viewer', ttl: undefined, withToken: false });
    const identity = await served.certificate('dora', 'user');
    expect((await ask('/v1/whoami', { ...identity, localAddress: '127.2.6.1' })).status).toBe(200);
    const before = now;
    now += 2 * 24 * 3_600_000;
    const late = await ask('/v1/whoami', { ...identity, localAddress: '127.2.6.1' });
    now = before;
    expect(late.status).toBe(401);
    expect(errorOf(late).message).toMatch(/was good until/);
  });

  it.each(['agent', 'controller'] as const)('not by a certificate of the role %s', async (role) => {
    const name = `carol-${role}`;
    await served.app.users.add({ name, role: 'admin', ttl: undefined, withToken: false });
    const identity = await served.certificate(name, role);
    const answer = await ask('/v1/whoami', { ...identity, localAddress: `127.2.1.${role.length}` });
    expect(answer.status).toBe(401);
    // A token does not make up for it.
    const both = await ask('/v1/whoami', {
      ...identity,
      ...bearer(tokens.admin),
      localAddress: `127.2.2.${role.length}`,
    });
    expect(both.status).toBe(401);
  });

  it('not by a certificate of a user who is none', async () => {
    const identity = await served.certificate('mallory', 'user');
    const answer = await ask('/v1/whoami', { ...identity, localAddress: '127.2.3.1' });
    expect(answer.status).toBe(401);
    expect(errorOf(answer).message).toMatch(/there is no such user/);
  });

  it('not by the certificate of another CA', async () => {
    const other = await servedApp({ web1: async () => undefined });
    try {
      const identity = await other.certificate('carol', 'user');
      const answer = await ask('/v1/whoami', { ...identity, localAddress: '127.2.4.1' });
      expect(answer.status).toBe(401);
      expect(errorOf(answer).message).toMatch(/does not trust this client certificate/);
    } finally {
      await other.close();
    }
  });

  it('not any more when the token has expired or was revoked', async () => {
    const short = await served.token('short', 'viewer', 60_000);
    const gone = await served.token('gone', 'viewer');
    expect((await ask('/v1/whoami', bearer(short))).status).toBe(200);
    now += 60_001;
    await served.app.users.revoke('gone');
    const [expired, revoked] = await Promise.all(
      [short, gone].map((token) => ask('/v1/whoami', { ...bearer(token), localAddress: '127.2.5.1' })),
    );
    expect([expired.status, revoked.status]).toEqual([401, 401]);
    expect(errorOf(expired).message).toMatch(/the access of short ended/);
    expect(errorOf(revoked).message).toMatch(/the user gone was revoked/);
  });

  it('is not tried any more after ten failures, from that address', async () => {
    const wrong = `ptu.${'0'.repeat(16)}.${'0'.repeat(64)}`;
    const from = (localAddress: string, token: string | undefined) =>
      ask('/v1/whoami', { ...bearer(token), localAddress });
    for (let i = 0; i < 10; i++) expect((await from('127.3.0.1', wrong)).status).toBe(401);
    expect((await from('127.3.0.1', wrong)).status).toBe(429);
    expect((await from('127.3.0.1', tokens.viewer)).status).toBe(429);
    expect((await from('127.3.0.2', tokens.viewer)).status).toBe(200);
    now += 60_000;
    expect((await from('127.3.0.1', tokens.viewer)).status).toBe(200);
  });
});

it('writes down who was refused what', async () => {
  await ask('/v1/users', bearer(tokens.viewer));
  const refused = [];
  for await (const entry of served.app.audit.entries(0)) if (entry.what === 'refused') refused.push(entry);
  expect(refused.at(-1)).toMatchObject({
    ...{ who: 'viewer@server', by: 'token', detail: { route: 'GET /v1/users' }, failure: { code: 'permission' } },
    from: expect.stringMatching(/^127\.0\.0\.1:[0-9]+$/),
  });
});

describe('clients that mean no good', () => {
  const detail = { split: 'comm', keepTimestamps: false, lines: false };

  it('get nothing in plaintext', async () => {
    const sent = httpRequest({ port: Number(served.url().port), path: '/healthz' });
    sent.end();
    await expect(once(sent, 'response')).rejects.toThrow(/hang up|ECONNRESET/);
    expect(served.log.some(({ event }) => event === 'tls-refused')).toBe(true);
  });

  it('get nothing with TLS 1.2', async () => {
    const socket = connect({
      port: Number(served.url().port),
      ca: served.ca,
      servername: 'localhost',
      maxVersion: 'TLSv1.2',
    });
    await expect(once(socket, 'secureConnect')).rejects.toThrow(/protocol version|alert/i);
  });

  it('may not take for ever to ask', async () => {
    const socket = connect({ port: Number(served.url().port), ca: served.ca, servername: 'localhost' });
    await once(socket, 'secureConnect');
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n');
    let answer = '';
    socket.on('data', (piece) => {
      answer += String(piece);
    });
    await once(socket, 'close');
    expect(answer).toMatch(/^(HTTP\/1.1 408|$)/);
  });

  it('may not send a gigabyte', async () => {
    const agent = new Agent();
    const sent = request(new URL('/v1/jobs', served.url()), {
      ...{ ca: served.ca, agent, method: 'POST' },
      headers: {
        authorization: `Bearer ${tokens.operator}`,
        'content-type': 'application/json',
        'content-length': 1024 ** 3,
      },
    });
    // The server may hang up while the client still writes.
    sent.on('error', () => undefined);
    sent.write(Buffer.alloc(1024));
    const [answer] = await once(sent, 'response');
    expect(answer.statusCode).toBe(429);
    agent.destroy();
  });

  it('may not send a gigabyte without saying so', async () => {
    const agent = new Agent();
    const sent = request(new URL('/v1/jobs', served.url()), {
      ...{ ca: served.ca, agent, method: 'POST' },
      headers: { authorization: `Bearer ${tokens.operator}`, 'content-type': 'application/json' },
    });
    const ended = new Promise<void>((resolve) => {
      sent.once('response', () => resolve());
      sent.once('error', () => resolve());
    });
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    const piece = Buffer.alloc(1024 ** 2, ' ');
    let pieces = 0;
    for (; pieces < 1024 && !isOver; pieces++) {
      if (!sent.write(piece)) await Promise.race([once(sent, 'drain'), ended]);
    }
    expect(pieces).toBeLessThan(1024);
    agent.destroy();
  });

  it.each([
    ['a field that is not known', { requester: 'root' }],
    ['no hosts', { hosts: [] }],
    ['a spec of no kind', { spec: { kind: 'rm -rf' } }],
    ['a file', { spec: { kind: 'file', path: '/etc/shadow', format: 'stap-text', detail } }],
    ['a path for a host', { hosts: ['../../etc/passwd'] }],
  ])('are told what is wrong with a job: %s', async (_name, change) => {
    const spec = {
      ...{ kind: 'record', target: { kind: 'system' }, duration: 100, events: [{ name: 'page-faults' }] },
      ...{ callGraph: { mode: 'fp' }, detail, keepRaw: false },
    };
    const order = { spec, hosts: ['web1'], selectorText: '', maxParallel: 1, grace: 1000, note: '', ...change };
    const headers = { authorization: `Bearer ${tokens.operator}`, 'content-type': 'application/json' };
    const answer = await ask('/v1/jobs', { method: 'POST', headers }, JSON.stringify(order));
    expect([400, 404]).toContain(answer.status);
    expect(errorOf(answer).message).not.toBe('');
    expect(await served.app.jobs({ limit: 1 })).toEqual([]);
  });

  it.each(['%2e%2e%2fetc', 'x'.repeat(400), '%00', '*'])('may not name a job %s', async (job) => {
    expect([400, 404, 414]).toContain((await ask(`/v1/jobs/${job}`, bearer(tokens.viewer))).status);
  });
});

it('describes itself', async () => {
  const answer = await ask('/v1/openapi.json', bearer(tokens.viewer));
  const { openapi, paths } = JSON.parse(answer.body);
  expect(openapi).toBe('3.1.0');
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods ?? {}).map((method) => `${method.toUpperCase()} ${path.replace(/\{([a-z]+)\}/g, ':$1')}`),
  );
  expect(new Set(described)).toEqual(new Set(ROUTES));
  expect(paths['/v1/jobs'].post.requestBody.content['application/json'].schema.required).toContain('spec');
});
