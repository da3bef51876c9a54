// What `ssh -G` prints and what known_hosts holds, against OpenSSH's own ssh-keygen.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint, KnownHosts, keyType } from '../../../controller/transport/ssh/known-hosts.js';
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
});
