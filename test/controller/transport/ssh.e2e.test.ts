// The transport contract over real sshd, and what is special about it: known hosts, jump hosts, keys, noisy shells, uploads, hosts without Node.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SshTransport } from '../../../controller/transport/ssh/ssh-transport.js';
import { SshFleet } from '../../fleet/ssh-fleet.js';
import { bundleProgram } from '../bundle-program.js';
import { at, hostnameOf, type SubjectOptions, sshSubject } from './ssh-subject.js';
import { failureOf, transportContract } from './transport-contract.js';

const { signal } = new AbortController();
const run = promisify(execFile);

let directory: string;
let fleet: SshFleet;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-ssh-'));
  fleet = await SshFleet.start({
    hosts: {
      plain: {},
      behind: {},
      changed: { hostKey: 'changed' },
      unknown: { hostKey: 'unknown' },
      silent: { unreachable: 'no-sshd' },
      bare: { without: ['node'] },
    },
  });
});
afterAll(async () => {
  await fleet.stop();
  await rm(directory, { recursive: true, force: true });
});

const transport = (options: SubjectOptions = {}): SshTransport => sshSubject(fleet, directory, options);

/** The fleet's configuration with another key file for all hosts. */
async function configWithKey(name: string, key: string): Promise<string> {
  const file = join(directory, `config-${name}`);
  const text = await readFile(fleet.sshConfig, 'utf8');
  await writeFile(file, text.replaceAll(fleet.identity, key).replaceAll(/^\s*IdentityAgent none$/gm, ''));
  return file;
}

transportContract('ssh', async () => {
  const own = await SshFleet.start({ hosts: { contract: {} } });
  const program = await bundleProgram('transport/contract-agent-main.ts', 'whole');
  const contractTransport = sshSubject(own, directory, { script: program.file, homeDirectory: '/root' });
  return {
    host: at('contract'),
    transport: contractTransport,
    revive: async () => undefined,
    async close() {
      await program.remove();
      await own.stop();
    },
  };
});

describe('hosts reached by ssh', () => {
  it('run the agent that was sent, and use it again', async () => {
    const subject = transport();
    expect(await hostnameOf(subject, at('plain'))).toBe('plain');
    const listed = await fleet.host('plain').run('sh', '-c', 'stat -c "%a %n" /root/.cache/perftrawl/*');
    expect(await hostnameOf(subject, at('plain'))).toBe('plain');
    expect(await fleet.host('plain').run('sh', '-c', 'stat -c "%a %n" /root/.cache/perftrawl/*')).toBe(listed);
    expect(listed).toMatch(/^700 \S*agent-[0-9a-f]{64}\.cjs\n$/);
  });

  it('are reached through a jump host', async () => {
    expect(await hostnameOf(transport(), at('behind', ['plain']))).toBe('behind');
  });

  it('are reached through the jump hosts of their jump hosts', async () => {
    const through = async (...lines: string[]) => {
      const configFile = join(directory, `config-jumps-${lines.length}`);
      await writeFile(configFile, [...lines, await readFile(fleet.sshConfig, 'utf8')].join('\n'));
      return transport({ configFile });
    };
    const two = ['Host behind', ' ProxyJump plain', 'Host plain', ' ProxyJump bare'];
    expect(await hostnameOf(await through(...two), at('behind'))).toBe('behind');
    // Each hop is taken: one that is not there, one that leads back.
    const broken = await through(...two, 'Host bare', ' ProxyJump silent');
    expect((await failureOf(broken.open(at('behind'), signal))).message).toContain('silent');
    const circle = await through(...two, 'Host bare', ' ProxyJump behind', 'Host other');
    expect(await failureOf(circle.open(at('behind'), signal))).toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining('more than 8 jump hosts'),
    });
  });

  it('have a shell that may print whatever it likes', async () => {
    await fleet.host('plain').run('sh', '-c', 'echo "echo welcome to this machine; echo >&2 noise" > /root/.bashrc');
    expect(await hostnameOf(transport(), at('plain'))).toBe('plain');
    await fleet.host('plain').run('rm', '/root/.bashrc');
  });

  it('are refused with the fingerprint when their key changed', async () => {
    const failure = await failureOf(transport().open(at('changed'), signal));
    expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringMatching(/CHANGED.*SHA256:/) });
    expect(failure.remedy).toContain('ssh-keygen -R');
  });

  it('are refused with the fingerprint when they are not known', async () => {
    const failure = await failureOf(transport().open(at('unknown'), signal));
    expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringMatching(/not known yet.*SHA256:/) });
  });

  it('are named when nothing answers there, also behind a jump host', async () => {
    const subject = transport();
    const direct = await failureOf(subject.open(at('silent'), signal));
    const behind = await failureOf(subject.open(at('silent', ['plain']), signal));
    expect([direct.code, behind.code]).toEqual(['unreachable', 'unreachable']);
    expect(direct.message).toContain('silent');
    expect(behind.message).toContain('jump host');
  });

  it('do not let us in with a key that they do not know', async () => {
    const key = join(directory, 'stranger');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const configFile = await configWithKey('stranger', key);
    const failure = await failureOf(transport({ configFile }).open(at('plain'), signal));
    expect(failure).toMatchObject({ code: 'untrusted', message: expect.stringContaining('does not let root in') });
  });

  it('take an encrypted key: the passphrase is asked for, or ssh-agent has it', async () => {
    const key = join(directory, 'encrypted');
    const text = await readFile(fleet.identity);
    await writeFile(key, text, { mode: 0o600 });
    await writeFile(`${key}.pub`, await readFile(`${fleet.identity}.pub`));
    await run('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'a long passphrase', '-f', key]);
    const configFile = await configWithKey('encrypted', key);
    expect(await hostnameOf(transport({ configFile, askSecret: async () => 'a long passphrase' }), at('plain'))).toBe(
      'plain',
    );
    const unasked = await failureOf(transport({ configFile }).open(at('plain'), signal));
    expect(unasked.message).toContain(`ssh-add ${key}`);
    const wrong = await failureOf(transport({ configFile, askSecret: async () => 'no' }).open(at('plain'), signal));
    expect(wrong.message).toContain('wrong passphrase');
    const agentSocket = join(directory, 'agent.sock');
    const sshAgent = spawn('ssh-agent', ['-D', '-a', agentSocket], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await new Promise((resolve) => sshAgent.stdout.once('data', resolve));
      await run('ssh-add', ['-q', fleet.identity], { env: { ...process.env, SSH_AUTH_SOCK: agentSocket } });
      expect(await hostnameOf(transport({ configFile, agentSocket }), at('plain'))).toBe('plain');
    } finally {
      sshAgent.kill();
    }
  });

  it('need no Node: the agent brings it along', async () => {
    expect(await hostnameOf(transport(), at('bare'))).toBe('bare');
    expect(await fleet.host('bare').run('sh', '-c', 'ls /root/.cache/perftrawl')).toMatch(/^agent-[0-9a-f]{64}\n$/);
  });

  it('do not run what was sent only in part', async () => {
    const host = fleet.host('plain');
    await transport().clean(at('plain'), signal);
    await host.run(
      'sh',
      '-c',
      'mkdir -p -m 700 /root/.cache/perftrawl; head -c 1000 /dev/urandom > /root/.cache/perftrawl/.part-x',
    );
    expect(await hostnameOf(transport(), at('plain'))).toBe('plain');
  });

  it('are left as they were', async () => {
    const subject = transport();
    await hostnameOf(subject, at('plain'));
    const removed = await subject.clean(at('plain'), signal);
    expect(removed.map(({ path }) => path)).toEqual(
      expect.arrayContaining([expect.stringContaining('/agent-'), '/var/lib/perftrawl/ssh']),
    );
    await expect(fleet.host('plain').run('ls', '/root/.cache/perftrawl')).rejects.toThrow();
    expect(await subject.clean(at('plain'), signal)).toEqual([]);
  });
});
