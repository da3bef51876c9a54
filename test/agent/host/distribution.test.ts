// The commands that install perf, distribution by distribution; os-release as those ship it.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { installCommand, readDistribution } from '../../../agent/host/distribution.js';
import { hostFiles } from '../../../agent/host/host-files.js';
import { readPrivilege } from '../../../agent/host/privilege.js';

async function onHost<T>(files: Readonly<Record<string, string>>, look: (root: string) => T): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'perftrawl-host-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(root, path, '..'), { recursive: true });
      await writeFile(join(root, path), text);
    }
    return look(root);
  } finally {
    await rm(root, { recursive: true });
  }
}

it.each([
  ['ID=debian\nVERSION_ID="12"\n', 'apt-get install linux-perf', 'apt-get install binutils'],
  ['ID=ubuntu\nID_LIKE=debian\n', 'apt-get install linux-tools-common linux-tools-6.1.0-9', 'apt-get install binutils'],
  ['ID="rhel"\nID_LIKE="fedora"\n', 'dnf install perf', 'dnf install binutils'],
  ['ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', 'zypper install perf', 'zypper install binutils'],
  ['ID="sles"\n', 'zypper install perf', 'zypper install binutils'],
  ['ID=arch\n', 'pacman -S perf', 'pacman -S binutils'],
  ['ID=nixos\n', 'install the package that holds perf', 'install the package that holds addr2line'],
])('%j', async (osRelease, perf, addr2line) => {
  const files = { '/etc/os-release': osRelease, '/proc/sys/kernel/osrelease': '6.1.0-9\n' };
  const distribution = await onHost(files, (root) => readDistribution(hostFiles(root)));
  expect([installCommand('perf', distribution), installCommand('addr2line', distribution)]).toEqual([perf, addr2line]);
});

it.each([
  ['0000000000000000', 1000, false],
  ['0000004000000000', 1000, true],
  ['0000000000200000', 1000, true],
  ['000001ffffffffff', 0, true],
])('capabilities %s of user %i', async (capEff, uid, isUnrestricted) => {
  const files = {
    '/proc/self/status': `Name:\tnode\nCapEff:\t${capEff}\n`,
    '/proc/sys/kernel/perf_event_paranoid': '-1\n',
    '/proc/sys/kernel/kptr_restrict': '2\n',
  };
  expect(await onHost(files, (root) => readPrivilege(hostFiles(root), uid))).toEqual({
    isRoot: uid === 0,
    isUnrestricted,
    perfEventParanoid: -1,
    kptrRestrict: 2,
  });
});
