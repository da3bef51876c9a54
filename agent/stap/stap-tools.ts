// stap and staprun on this host: where they are, of which version, and which commands install what they need.
import { fail } from '../../proto/failure.js';
import type { Distribution } from '../host/distribution.js';
import type { Machine } from '../host/machine.js';
import { runTool } from '../process.js';

export type StapNeed = 'stap' | 'staprun' | 'kernel-headers' | 'debuginfo';

const VERSION_DEADLINE_MS = 10_000;
const RED_HAT = ['fedora', 'rhel', 'centos', 'amzn', 'rocky', 'almalinux', 'ol'];

/** @throws FailureError `tool-missing` with the command that installs it */
export function requireStap(path: string, { distribution }: Machine): string {
  if (path !== '') return path;
  throw fail(
    'tool-missing',
    'stap is not on this host: scripts cannot be compiled here',
    `${stapInstallCommand('stap', distribution)}, or compile on another host with --build-on`,
  );
}

/** @returns version '' when stap does not start */
export async function describeStap(stap: string, signal: AbortSignal): Promise<{ readonly version: string }> {
  const result = await runTool([stap, '-V'], { signal, deadline: VERSION_DEADLINE_MS, maxOutput: 8192 });
  // `Systemtap translator/driver (version 4.8/0.188, Debian version 4.8-2)`: all of it, for a distribution mends its own.
  const version = /\(version ([^)\n]{1,200})\)/.exec(`${result.stdout}\n${result.stderr}`)?.[1] ?? '';
  return { version };
}

/** The command that brings it, for the kernel that runs. */
export function stapInstallCommand(need: StapNeed, { ids, kernelRelease }: Distribution): string {
  const isOneOf = (...names: readonly string[]) => names.some((name) => ids.includes(name));
  const release = kernelRelease || 'RELEASE';
  if (ids[0] === 'ubuntu' && need === 'debuginfo') {
    return `apt-get install linux-image-${release}-dbgsym (from http://ddebs.ubuntu.com)`;
  }
  if (isOneOf('debian', 'ubuntu')) {
    const packages: Record<StapNeed, string> = {
      stap: 'systemtap',
      staprun: 'systemtap-runtime',
      'kernel-headers': `linux-headers-${release}`,
      debuginfo: `linux-image-${release}-dbg`,
    };
    return `apt-get install ${packages[need]}`;
  }
  if (isOneOf(...RED_HAT)) {
    if (need === 'debuginfo') return `dnf debuginfo-install kernel-${release}`;
    const packages = { stap: 'systemtap', staprun: 'systemtap-runtime', 'kernel-headers': `kernel-devel-${release}` };
    return `dnf install ${packages[need]}`;
  }
  if (ids.some((id) => id.startsWith('sles') || id.includes('suse'))) {
    const flavour = /-([a-z]+)$/.exec(release)?.[1] ?? 'default';
    const packages: Record<StapNeed, string> = {
      stap: 'systemtap',
      staprun: 'systemtap-runtime',
      'kernel-headers': `kernel-${flavour}-devel`,
      debuginfo: `kernel-${flavour}-debuginfo`,
    };
    return `zypper install ${packages[need]}`;
  }
  const what: Record<StapNeed, string> = {
    stap: 'systemtap',
    staprun: 'the runtime of systemtap',
    'kernel-headers': `the headers of kernel ${release}`,
    debuginfo: `the debuginfo of kernel ${release}`,
  };
  return `install ${what[need]}`;
}
