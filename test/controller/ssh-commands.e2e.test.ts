// `-H` through the real command line, over real sshd: who the agent runs as, a job on several hosts, and nothing left after `hosts clean`.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SshFleet } from '../fleet/ssh-fleet.js';

const program = join(import.meta.dirname, '../../bin/perftrawl');
let fleet: SshFleet;
let data: string;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'perftrawl-ssh-commands-'));
  fleet = await SshFleet.start({ hosts: { db1: {}, db2: {}, db3: {}, changed: { hostKey: 'changed' } } });
});
afterAll(async () => {
  await fleet?.stop();
  await rm(data, { recursive: true, force: true });
});

function perftrawl(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, PERFTRAWL_DATA: data, PERFTRAWL_CONFIG: data, PERFTRAWL_SSH_CONFIG: fleet.sshConfig };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

it('asks the hosts that were named, as the user that was named, and as root where sudo asks for no password', async () => {
  const host = fleet.host('db2');
  const add = [
    'echo "worker:x:4242:4242::/tmp/worker:/bin/sh" >> /etc/passwd',
    'echo "worker:x:4242:" >> /etc/group',
    'echo "worker:*:19000:0:99999:7:::" >> /etc/shadow',
    'mkdir -p /tmp/worker',
    'chown 4242:4242 /tmp/worker',
  ];
  await host.run('sh', '-c', add.join(' && '));
  // sshd reads the keys of the fleet as that user.
  await chmod(fleet.directory, 0o755);
  const doctor = async () => {
    const { stdout, stderr } = await perftrawl('doctor', '-H', 'worker@db2', '--json');
    const [answer] = JSON.parse(stdout).hosts;
    return { host: answer.host, hostname: answer.description?.hostname, isRoot: answer.description?.isRoot, stderr };
  };
  expect(await doctor()).toMatchObject({ host: 'db2', hostname: 'db2', isRoot: false });
  const rule = 'echo "worker ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/worker; chmod 440 /etc/sudoers.d/worker';
  await host.run('sh', '-c', rule);
  expect(await doctor()).toMatchObject({ host: 'db2', hostname: 'db2', isRoot: true });
});

it('records on hosts of a range and behind another, names the one that is not itself, and leaves nothing', async () => {
  const flags = ['-e', 'cpu-clock', '-F', '49', '--for', '1s', '--comm', 'sshd', '--even-if-busy', '--json'];
  const { code, stdout, stderr } = await perftrawl('record', ...flags, '-H', 'db[1-2],db1/db3,changed');
  const runs: { host: string; state: string; failure?: { code: string } }[] = JSON.parse(stdout).hosts;
  const ends = runs.map(({ host, state, failure }) => `${host} ${failure?.code ?? state}`);
  expect(ends, stderr).toEqual(['db1 succeeded', 'db2 succeeded', 'db3 succeeded', 'changed untrusted']);
  expect(code).toBe(3);
  const cleaned = await perftrawl('hosts', 'clean', '-H', 'db1,db2,db3');
  expect(cleaned.code, cleaned.stderr).toBe(0);
  expect(cleaned.stdout).toMatch(/db3: removed \S+agent-[0-9a-f]{64}\.cjs/);
  const left = await fleet
    .host('db3')
    .run('sh', '-c', 'ls -A ~/.cache/perftrawl /var/lib/perftrawl 2>/dev/null || true');
  expect(left).not.toMatch(/agent|ssh/);
});

it('keeps the agent elsewhere where the home directory is full', async () => {
  const host = fleet.host('db1');
  await host.run('mkdir', '-p', '/root/.cache');
  await host.run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', '/root/.cache');
  const listed = await perftrawl('hosts', 'ps', '-H', 'db1', '--comm', 'sshd', '--json');
  expect(listed.code, listed.stderr).toBe(0);
  expect(await host.run('ls', '/var/tmp/perftrawl-0')).toMatch(/^agent-[0-9a-f]{64}\.cjs\n$/);
  expect(await host.run('ls', '-A', '/root/.cache/perftrawl')).toBe('');
});
