// Which PostgreSQL a text names, which password ~/.pgpass has for it, and that no message has it.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filedPassword, passwordIn } from '../../../controller/store/postgres-password.js';
import { parsePostgresUrl, withoutPassword } from '../../../controller/store/postgres-url.js';
import { toFailure } from '../../../proto/failure.js';
import { PASSWORD, type PostgresServer, postgresServer } from './postgres-server.js';

const parse = (text: string, env: Record<string, string> = {}) => parsePostgresUrl(text, env, 'me');
const failureOf = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    return toFailure(error);
  }
  return expect.fail('it did not fail');
};

describe('a PostgreSQL store', () => {
  it.each([
    [
      'postgres://db.example.net',
      { host: 'db.example.net', port: 5432, user: 'me', database: 'me', sslMode: 'verify-full' },
    ],
    [
      'postgresql://u:p@h:99/d?sslmode=require',
      { host: 'h', port: 99, user: 'u', password: 'p', database: 'd', sslMode: 'require' },
    ],
    ['postgres://[2001:db8::1]:5433/d', { host: '2001:db8::1', port: 5433, sslMode: 'verify-full' }],
    ['postgres://[::1]/d', { host: '::1', sslMode: 'disable' }],
    ['postgres:///d?host=/run/postgresql', { host: '/run/postgresql', database: 'd', sslMode: 'disable' }],
    ['postgres://u@/d?host=/run/postgresql&port=6', { host: '/run/postgresql', port: 6, user: 'u', database: 'd' }],
    ['postgres://%2Frun%2Fpostgresql/d', { host: '/run/postgresql', database: 'd' }],
    ['postgres://a%40b:p%3Aq%2F@h/d%20e?schema=s', { user: 'a@b', password: 'p:q/', database: 'd e', schema: 's' }],
    ['postgres://h/d?password=x&user=u&sslrootcert=/ca.crt', { user: 'u', password: 'x', sslRootCert: '/ca.crt' }],
  ])('is what %s says', (text, target) => {
    expect(parse(text)).toMatchObject(target);
  });

  it('is as the variables of PostgreSQL say where the text says nothing', () => {
    const env = { PGHOST: '/run', PGPORT: '7', PGUSER: 'u', PGPASSWORD: 'p', PGDATABASE: 'd', PGSSLMODE: 'require' };
    expect(parse('postgres://', env)).toMatchObject({
      ...{ host: '/run', port: 7, user: 'u', password: 'p', database: 'd', sslMode: 'require' },
    });
    expect(parse('postgres://x:y@h:8/e?sslmode=disable', env)).toMatchObject({
      ...{ host: 'h', port: 8, user: 'x', password: 'y', database: 'e', sslMode: 'disable' },
    });
  });

  it.each([
    ['postgres://u:hidden@h:99999/d', 'names no PostgreSQL store'],
    ['postgres://u:hidden@h/d?sslmode=prefer', "'prefer' is no sslmode"],
    ['postgres://u:hidden@h/d?connect_timeout=3', "no parameter 'connect_timeout'"],
    ['postgres://u:hidden@h1:1,h2:2/d', 'names no PostgreSQL store'],
    ['postgres://u:hidden%zz@h/d', "a '%'"],
    ['postgres://u:hidden@h/d%00', 'control characters'],
    ['postgres://u:hidden@h/d?port=0', 'the port'],
  ])('is refused as %s, without the password in the message', (text, problem) => {
    const failure = failureOf(() => parse(text));
    expect(failure).toMatchObject({ code: 'bad-request', message: expect.stringContaining(problem) });
    expect(JSON.stringify(failure)).not.toContain('hidden');
  });

  it('is told without its password, and what is told names the same store', () => {
    const name = fc.string({
      unit: fc.constantFrom('a', 'Z', '@', ':', '/', '?', '#', '%', ' ', 'ü', '&'),
      minLength: 1,
      maxLength: 8,
    });
    const host = fc.constantFrom('h', 'db.example.net', '[::1]', '127.0.0.1');
    fc.assert(
      fc.property(
        name,
        name,
        name,
        name,
        host,
        fc.integer({ min: 1, max: 65_535 }),
        (user, secret, database, schema, at, port) => {
          const e = encodeURIComponent;
          const password = `hidden${secret}`;
          const text = `postgres://${e(user)}:${e(password)}@${at}:${port}/${e(database)}?schema=${e(schema)}`;
          const target = parse(text);
          expect(target).toMatchObject({ user, password, database, schema, port });
          for (const told of [target.where, withoutPassword(text)]) {
            expect(told).not.toContain('hidden');
            expect(parse(told)).toEqual({ ...target, password: undefined });
          }
        },
      ),
    );
  });

  it('has no password in what is told of texts that are no URLs either', () => {
    for (const text of [
      'postgres://u:hidden@',
      'postgres://u:hid@hidden@h/d',
      'postgres://h/d?password=hidden&x=1',
      'PostgreSQL://u:hidden@h',
    ]) {
      expect(withoutPassword(text)).not.toContain('hidden');
    }
  });
});

describe('the password file', () => {
  let server: PostgresServer;
  let directory: string;
  beforeAll(async () => {
    server = await postgresServer();
    directory = await mkdtemp(join(tmpdir(), 'perftrawl-pgpass-'));
  });
  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const escaped = PASSWORD.replaceAll('\\', '\\\\').replaceAll(':', '\\:');
  it.each([
    ['the line', (port: number) => `127.0.0.1:${port}:test:test:${escaped}`],
    ['stars', () => `*:*:*:*:${escaped}`],
    [
      'the first line that fits',
      (port: number) => `h:*:*:*:no\n127.0.0.1:${port}:other:*:no\n*:*:*:test:${escaped}\n*:*:*:*:no`,
    ],
    ['a comment before it', () => `#*:*:*:*:no\n\n*:*:*:*:${escaped}`],
    ['another password', () => '*:*:*:*:no'],
    ['a wrong password first', () => `*:*:*:*:no\n*:*:*:*:${escaped}`],
    ['too few fields', () => `*:*:*:${escaped}`],
    ['another port', (port: number) => `*:${port + 1}:*:*:${escaped}`],
    ['another host', () => `127.0.0.2:*:*:*:${escaped}`],
    ['a name with a backslash', () => `*:*:te\\st:*:${escaped}`],
    ['windows line ends', () => `*:*:*:*:${escaped}\r\n`],
  ])('is read as psql reads it: %s', async (_what, lines) => {
    const text = lines(server.port);
    const file = join(directory, 'pgpass');
    await writeFile(file, text, { mode: 0o600 });
    const isRight = await new Promise<boolean>((resolve) => {
      const where = ['-h', '127.0.0.1', '-p', String(server.port), '-U', 'test', '-w', '-c', 'select 1', 'test'];
      execFile('psql', where, { env: { ...process.env, PGPASSFILE: file } }, (error) => resolve(error === null));
    });
    const target = parse(server.url().replace(/:[^:@]*@/, '@'));
    const password = await filedPassword(target, { PGPASSFILE: file }, directory);
    expect(password === PASSWORD).toBe(isRight);
    expect(passwordIn(text, target)).toBe(password);
  });

  it('that others may read is refused, one that is not there has none', async () => {
    const file = join(directory, '.pgpass');
    const target = parse('postgres://h/d');
    expect(await filedPassword(target, {}, directory)).toBeUndefined();
    await writeFile(file, '*:*:*:*:hidden');
    await chmod(file, 0o644);
    const failure = toFailure(await filedPassword(target, {}, directory).catch((error: unknown) => error));
    expect(failure).toMatchObject({ code: 'permission', remedy: `chmod 600 ${file}` });
    await chmod(file, 0o600);
    expect(await filedPassword(target, {}, directory)).toBe('hidden');
  });
});
