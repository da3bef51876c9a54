// What `ssh -G` prints, what known_hosts holds, against OpenSSH's own ssh-keygen, and what a host answers to a command.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint, KnownHosts, keyType } from '../../../controller/transport/ssh/known-hosts.js';
import { readAnswer } from '../../../controller/transport/ssh/remote-script.js';
import { parseSettings } from '../../../controller/transport/ssh/settings.js';

let directory: string;
let key: Buffer;
let line: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'perftrawl-known-'));
  const file = join(directory, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  line = readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
  key = Buffer.from(line.split(' ')[1], 'base64');
});
afterAll(() => rmSync(directory, { recursive: true }));

const known = (text: string) => new KnownHosts([{ path: 'known_hosts', text }]);

describe('known hosts', () => {
  it('have the fingerprint that ssh-keygen prints', () => {
    const [, printed] = execFileSync('ssh-keygen', ['-lf', join(directory, 'key.pub')], { encoding: 'utf8' }).split(
      ' ',
    );
    expect([fingerprint(key), keyType(key)]).toEqual([printed, 'ssh-ed25519']);
  });

  it('are found under names that ssh-keygen has hashed', () => {
    const file = join(directory, 'hashed');
    writeFileSync(file, `db1,[db2]:2222 ${line}\n`);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain('db1');
    expect(known(text).judge('db1', 22, key).kind).toBe('known');
    expect(known(text).judge('db2', 2222, key).kind).toBe('known');
    expect(known(text).judge('db3', 22, key).kind).toBe('unknown');
  });

  it('are found by patterns, but for those excepted', () => {
    const hosts = known(`*.example.net,!bad.example.net ${line}`);
    expect(hosts.judge('a.example.net', 22, key).kind).toBe('known');
    expect(hosts.judge('bad.example.net', 22, key).kind).toBe('unknown');
  });

  it('tell a changed key with its place, and a revoked one whatever the host', () => {
    const other = Buffer.from(key);
    other[other.length - 1] ^= 1;
    expect(known(`# a comment\ndb1 ${line}`).judge('db1', 22, other)).toEqual({
      kind: 'changed',
      place: 'known_hosts:2',
    });
    expect(known(`db1 ${line}\n@revoked * ${line}`).judge('db1', 22, key).kind).toBe('revoked');
  });

  it('pass over lines without a key of the type beside it, as ssh-keygen does', () => {
    const file = join(directory, 'damaged');
    writeFileSync(file, `db1 ssh-rsa ${key.toString('base64')}\ndb1 1024 35 123\ndb1 ssh-ed25519 AAAA\n`);
    expect(() => execFileSync('ssh-keygen', ['-l', '-F', 'db1', '-f', file], { stdio: 'pipe' })).toThrow();
    const hosts = known(readFileSync(file, 'utf8'));
    expect([hosts.judge('db1', 22, key).kind, hosts.typesOf('db1', 22)]).toEqual(['unknown', []]);
  });
});

describe("ssh's configuration", () => {
  const options = { configFile: '', homeDirectory: '/home/me', agentSocket: '/run/agent' };
  const parse = (text: string) => parseSettings(text, { host: 'db1' }, options);

  it('says address, user, keys and files', () => {
    const text =
      'hostname 10.0.0.1\nport 2222\nuser root\nidentityfile ~/.ssh/a\nidentityfile /k/%h\nuserknownhostsfile ~/.ssh/known_hosts /x\nstricthostkeychecking accept-new\nproxyjump a,b:2\n';
    expect(parse(text)).toMatchObject({
      ...{ hostName: '10.0.0.1', port: 2222, user: 'root', agent: '/run/agent', proxyJump: 'a,b:2' },
      identityFiles: ['/home/me/.ssh/a', '/k/10.0.0.1'],
      knownHostsFiles: ['/home/me/.ssh/known_hosts', '/x'],
      isNewHostTaken: true,
    });
  });

  it('takes no new host by default, and no command in place of a connection', () => {
    expect(parse('hostname db1\nstricthostkeychecking ask\nidentityagent none\n')).toMatchObject({
      isNewHostTaken: false,
      agent: undefined,
    });
    expect(() => parse('hostname db1\nproxycommand nc %h %p\n')).toThrow(/ProxyCommand/);
  });

  it('is refused with a name of two words or a port that is none, by the keyword to mend', () => {
    expect(() => parse('hostname a b\n')).toThrow(/db1 the hostname "a b"/);
    expect(() => parse('hostname db1\nhostkeyalias x y\n')).toThrow(/db1 the hostkeyalias "x y"/);
    for (const port of ['0', '65536', 'ssh', '1.5', ''])
      expect(() => parse(`hostname db1\nport ${port}\n`)).toThrow(`db1 the port "${port}"`);
  });

  it('may wait longer than a timer can', () => {
    expect(parse('hostname db1\nconnecttimeout 7\n').connectTimeout).toBe(7000);
    expect(parse('hostname db1\nconnecttimeout 2147483647\n').connectTimeout).toBe(2 ** 31 - 1);
  });
});

describe('the answer to a command', () => {
  const read = (chunks: readonly string[]) =>
    readAnswer(
      Readable.from(
        chunks.map((chunk) => Buffer.from(chunk)),
        { objectMode: false },
      ),
      'mark',
      (text) => text === 'done',
      new AbortController().signal,
    );

  it.each([
    ['a line', `${'x'.repeat(16 * 1024 + 1)}\n`],
    ['lines', 'x\n'.repeat(1001)],
  ])('has bounds for %s, however it is cut', async (_what, text) => {
    await expect(read([`hello\n\nmark\n${text}done\n`])).rejects.toThrow('has no end');
    await expect(read(['hello\n\nmark\n', text, 'done\n'])).rejects.toThrow('has no end');
  });

  it('begins after what the login shell prints, which has a bound too', async () => {
    const noise = 'x'.repeat(256 * 1024);
    expect(await read([`${noise}\nmark\na\ndone\n`])).toEqual(['a', 'done']);
    expect(await read([noise, '\nma', 'rk\na\ndone\n'])).toEqual(['a', 'done']);
    await expect(read([`${noise}x\nmark\na\ndone\n`])).rejects.toThrow('prints without end');
    await expect(read([noise, 'x', '\nmark\na\ndone\n'])).rejects.toThrow('prints without end');
  });
});
