// Hosts whose login shell is not a POSIX shell, or none, and homes on which nothing may be run.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SshFleet } from '../../fleet/ssh-fleet.js';
import { at, hostnameOf, sshSubject } from './ssh-subject.js';
import { failureOf } from './transport-contract.js';

const { signal } = new AbortController();
let directory: string;
let fleet: SshFleet;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-shells-'));
  fleet = await SshFleet.start({ hosts: { fish: {}, tcsh: {}, rbash: {}, nologin: {}, bare: { without: ['node'] } } });
});
afterAll(async () => {
  await fleet.stop();
  await rm(directory, { recursive: true, force: true });
});

/** The login user of that host has this shell, on that host alone. */
async function logInBy(name: string, shell: string): Promise<void> {
  const script = `sed 's|^\\(root:.*:\\)[^:]*$|\\1${shell}|' /etc/passwd > /tmp/passwd && mount --bind /tmp/passwd /etc/passwd`;
  await fleet.host(name).run('sh', '-c', script);
  expect(await fleet.host(name).run('getent', 'passwd', 'root')).toContain(`:${shell}`);
}

describe('a login shell', () => {
  it.each([
    ['fish', '/usr/bin/fish'],
    ['tcsh', '/bin/tcsh'],
  ])('may be %s', async (name, shell) => {
    await logInBy(name, shell);
    const subject = sshSubject(fleet, directory);
    expect(await hostnameOf(subject, at(name))).toBe(name);
    // The agent is there now.
    expect(await hostnameOf(subject, at(name))).toBe(name);
  });

  it('that lets nobody in is told with what it said', async () => {
    await logInBy('nologin', '/usr/sbin/nologin');
    const failure = await failureOf(sshSubject(fleet, directory).open(at('nologin'), signal));
    expect(failure.message).toMatch(/nologin: .*This account is currently not available/);
    expect(failure.remedy).toContain('login shell');
  });

  it('that is restricted is told with what it said', async () => {
    await logInBy('rbash', '/bin/rbash');
    await fleet.host('rbash').run('sh', '-c', 'mkdir -p /tmp/none && echo "PATH=/tmp/none" > /root/.bashrc');
    const failure = await failureOf(sshSubject(fleet, directory).open(at('rbash'), signal));
    expect(failure.message).toMatch(/rbash: .*(restricted|not found)/);
  });
});

it('a home on which nothing may be run is passed over for the executable', async () => {
  await fleet.host('bare').run('mkdir', '-p', '/root/.cache');
  await fleet.host('bare').run('mount', '-t', 'tmpfs', '-o', 'noexec,mode=700', 'none', '/root/.cache');
  expect(await hostnameOf(sshSubject(fleet, directory), at('bare'))).toBe('bare');
});
