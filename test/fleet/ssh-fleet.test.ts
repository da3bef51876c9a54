// Are the test hosts what they claim to be? Asked with OpenSSH's own client.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SshFleet } from './ssh-fleet.js';

const run = promisify(execFile);
let fleet: SshFleet;

interface Answer {
  readonly code: number | string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

async function ssh(host: string, ...words: string[]): Promise<Answer> {
  const options = ['-F', fleet.sshConfig, '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=3'];
  try {
    const { stdout, stderr } = await run('ssh', [...options, host, ...words]);
    return { code: 0, stdout: stdout.trim(), stderr };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && 'stderr' in error && 'stdout' in error)) throw error;
    return { code: Number(error.code), stdout: String(error.stdout).trim(), stderr: String(error.stderr) };
  }
}

describe('twenty test hosts', () => {
  beforeAll(async () => {
    const plain = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`plain${i + 1}`, {}]));
    fleet = await SshFleet.start({
      hosts: {
        ...plain,
        silent: { unreachable: 'no-sshd' },
        unplugged: { unreachable: 'no-link' },
        changed: { hostKey: 'changed' },
        bare: { without: ['perf', 'node'] },
        small: { stateBytes: 65_536, sshdOptions: ['MaxSessions 0'] },
      },
    });
  });

  afterAll(async () => {
    const { directory } = fleet;
    await fleet.stop();
    expect(existsSync(directory)).toBe(false);
    expect((await readdir('/sys/class/net')).filter((name) => name.startsWith(`ptf${process.pid}`))).toEqual([]);
  });

  it('answer with names, processes and files of their own', async () => {
    const answers = await Promise.all(
      ['plain1', 'plain15'].map((host) => ssh(host, 'hostname; cat /proc/sys/kernel/random/boot_id; ls -A ~ /tmp')),
    );
    expect(answers.map(({ stdout }) => stdout.split('\n')[0])).toEqual(['plain1', 'plain15']);
    expect(answers[0].stdout.split('\n')[1]).not.toBe(answers[1].stdout.split('\n')[1]);
    await ssh('plain1', 'touch ~/mine /tmp/mine /var/lib/perftrawl/mine /etc/mine');
    const others = await ssh('plain2', 'ls -A ~ /tmp /var/lib/perftrawl; ls /etc/mine');
    expect(others.stdout).not.toContain('mine');
    expect(existsSync('/etc/mine')).toBe(false);
    expect((await ssh('plain1', 'ps -e | grep -c sshd')).stdout).toMatch(/^[1-5]$/);
  });

  it('fail as they are told to', async () => {
    expect((await ssh('silent', 'true')).stderr).toContain('Connection refused');
    expect((await ssh('unplugged', 'true')).stderr).toMatch(/timed out|No route to host/);
    expect((await ssh('changed', 'true')).stderr).toContain('REMOTE HOST IDENTIFICATION HAS CHANGED');
    expect((await ssh('small', 'true')).code).not.toBe(0);
    expect(await ssh('bare', 'command -v perf node')).toMatchObject({ stdout: '' });
    expect((await ssh('plain1', 'command -v perf')).stdout).toMatch(/perf$/);
    const small = fleet.host('small');
    await expect(small.run('head', '-c', '1000000', '/dev/zero')).resolves.toHaveLength(1_000_000);
    await expect(small.run('dd', 'if=/dev/zero', 'of=/var/lib/perftrawl/big', 'bs=1M', 'count=1')).rejects.toThrow(
      'No space left',
    );
  });

  it('can be cut off and come back', async () => {
    const host = fleet.host('plain3');
    await host.cut();
    expect((await ssh('plain3', 'true')).stderr).toMatch(/timed out|No route to host/);
    await host.mend();
    expect((await ssh('plain3', 'hostname')).stdout).toBe('plain3');
  });

  it('lose processes at a reboot, and keep files', async () => {
    const host = fleet.host('plain4');
    const before = await ssh('plain4', 'touch ~/kept /tmp/lost; cat /proc/sys/kernel/random/boot_id');
    host.spawn(['sleep', '1000'], { stdio: 'ignore' });
    await expect.poll(() => host.processes('sleep')).toHaveLength(1);
    await host.reboot();
    expect(await host.processes('sleep')).toEqual([]);
    const after = await ssh('plain4', 'ls -A ~ /tmp; cat /proc/sys/kernel/random/boot_id');
    expect(after.stdout).toContain('kept');
    expect(after.stdout).not.toContain('lost');
    expect(after.stdout).not.toContain(before.stdout);
  });

  it('lose the connections that are killed', async () => {
    const hanging = ssh('plain5', 'echo begun; sleep 1000');
    const host = fleet.host('plain5');
    await expect.poll(() => host.processes('sleep')).toHaveLength(1);
    expect(await host.killSessions()).toBeGreaterThan(0);
    expect(await hanging).toMatchObject({ code: 255, stdout: 'begun' });
    expect((await ssh('plain5', 'hostname')).stdout).toBe('plain5');
  });
});

it('hosts on loopback share the network of this machine', async () => {
  fleet = await SshFleet.start({ hosts: { near: {} }, network: 'loopback' });
  try {
    expect((await ssh('near', 'hostname')).stdout).toBe('near');
    expect(await readFile(fleet.knownHosts, 'utf8')).toContain(`[${fleet.host('near').address}]:2222`);
    await expect(fleet.host('near').cut()).rejects.toThrow('shares the network');
  } finally {
    await fleet.stop();
  }
});
