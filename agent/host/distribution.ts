// Which Linux this is, and the commands that install tools on it.
import type { HostFiles } from './host-files.js';

export interface Distribution {
  /** For people: `Debian GNU/Linux 12 (bookworm)`. */
  readonly name: string;
  /** Its id and those it is like, as in os-release: `ubuntu`, `debian`. */
  readonly ids: readonly string[];
  readonly kernelRelease: string;
}

export type InstallableTool = 'perf' | 'addr2line';

export function readDistribution(files: HostFiles): Distribution {
  const text = files.text('/etc/os-release') ?? files.text('/usr/lib/os-release') ?? '';
  const field = (key: string) => new RegExp(`^${key}="?(.*?)"?$`, 'm').exec(text)?.[1] ?? '';
  const ids = [field('ID'), ...field('ID_LIKE').split(/\s+/)].filter((id) => id !== '');
  return {
    name: field('PRETTY_NAME') || field('NAME') || 'Linux',
    ids,
    kernelRelease: files.text('/proc/sys/kernel/osrelease')?.trim() ?? '',
  };
}

/** The command that installs `tool` here. */
export function installCommand(tool: InstallableTool, { ids, kernelRelease }: Distribution): string {
  const isOneOf = (...names: readonly string[]) => names.some((name) => ids.includes(name));
  if (tool === 'perf' && ids[0] === 'ubuntu') {
    return `apt-get install linux-tools-common linux-tools-${kernelRelease || 'generic'}`;
  }
  const family = tool === 'perf' ? 'perf' : 'binutils';
  if (isOneOf('debian', 'ubuntu')) return `apt-get install ${tool === 'perf' ? 'linux-perf' : family}`;
  if (isOneOf('fedora', 'rhel', 'centos', 'amzn', 'rocky', 'almalinux', 'ol')) return `dnf install ${family}`;
  if (ids.some((id) => id.startsWith('sles') || id.includes('suse'))) return `zypper install ${family}`;
  if (isOneOf('arch')) return `pacman -S ${family}`;
  if (isOneOf('alpine')) return `apk add ${family}`;
  return `install the package that holds ${tool}`;
}
