// Hosts that the agent with Node inside does not run on, over real sshd: refused before anything is sent.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SshFleet } from '../../fleet/ssh-fleet.js';
import type { TestHost } from '../../fleet/test-host.js';
import { at, hostnameOf, sshSubject } from './ssh-subject.js';
import { failureOf } from './transport-contract.js';

const { signal } = new AbortController();
let directory: string;
let fleet: SshFleet;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-odd-'));
  const bare = { without: ['node' as const], sshdOptions: ['LogLevel VERBOSE'] };
  fleet = await SshFleet.start({ hosts: { bare, old: bare, alpine: bare, arm: bare, minimal: bare } });
});
afterAll(async () => {
  await fleet.stop();
  await rm(directory, { recursive: true, force: true });
});

/** In place of a program of that host, a script. */
async function replace(host: TestHost, program: string, script: string): Promise<void> {
  const file = `/tmp/${program}`;
  await host.run('sh', '-c', `printf '#!/bin/sh\\n%s\\n' "$1" > ${file}; chmod 755 ${file}`, 'sh', script);
  await host.run('sh', '-c', `mount --bind ${file} "$(readlink -f "$(command -v ${program})")"`);
}

/** Commands that its sshd was asked to run. */
function commands(host: TestHost): number {
  return host.log.split('\n').filter((line) => line.startsWith('Starting session: command')).length;
}

/** Why a host is refused, having been asked one thing. */
async function refusal(name: string) {
  const failure = await failureOf(sshSubject(fleet, directory).open(at(name), signal));
  expect(failure.code, failure.message).toBe('tool-missing');
  expect(commands(fleet.host(name))).toBe(1);
  expect(await fleet.host(name).run('sh', '-c', 'ls -A ~/.cache /var/tmp 2>/dev/null || true')).not.toContain(
    'perftrawl',
  );
  return failure;
}

it('refuses a glibc that is too old', async () => {
  await replace(fleet.host('old'), 'getconf', 'echo glibc 2.17');
  const { message, remedy } = await refusal('old');
  expect(message).toMatch(/^old has no Node of version 20 or newer.*needs glibc 2\.\d+ or newer, the host has 2\.17$/);
  expect(remedy).toContain('built for glibc 2.17');
});

it('refuses musl', async () => {
  const host = fleet.host('alpine');
  // As in Alpine 3.20, whose getconf and ldd are musl's.
  await replace(host, 'getconf', 'echo "getconf: GNU_LIBC_VERSION: unknown variable" >&2; exit 1');
  await replace(host, 'ldd', 'echo "musl libc (x86_64)" >&2; exit 1');
  const over = 'lowerdir=/usr/lib,upperdir=/tmp/upper,workdir=/tmp/work';
  await host.run('sh', '-c', `mkdir /tmp/upper /tmp/work; mount -t overlay overlay -o ${over} /usr/lib`);
  await host.run('touch', '/usr/lib/ld-musl-x86_64.so.1');
  const { message, remedy } = await refusal('alpine');
  expect(message).toContain('the host has musl (/lib/ld-musl-x86_64.so.1) in its place');
  expect(remedy).toContain('apk add nodejs');
});

it('refuses another processor', async () => {
  await replace(fleet.host('arm'), 'uname', 'case $1 in -m) echo armv7l;; *) echo Linux;; esac');
  expect((await refusal('arm')).message).toMatch(/of type \S+, that of the host is armv7l$/);
});

it('refuses a system without a library that is needed', async () => {
  const host = fleet.host('minimal');
  await replace(host, 'ldconfig', 'echo "	libc.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libc.so.6"');
  const { message, remedy } = await refusal('minimal');
  expect(message).toMatch(/it needs .*libstdc\+\+\.so\.6.*, not there$/);
  expect(remedy).toContain('apt-get install libstdc++6');
});

it('asks a host once, thrice when the agent has to be sent', async () => {
  const host = fleet.host('bare');
  expect(await readdir(host.home)).not.toContain('.cache');
  expect(await hostnameOf(sshSubject(fleet, directory), at('bare'))).toBe('bare');
  expect(commands(host)).toBe(3);
  expect(await hostnameOf(sshSubject(fleet, directory), at('bare'))).toBe('bare');
  expect(commands(host)).toBe(4);
});
