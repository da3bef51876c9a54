// The programs of this machine that building and booting the test VM need, and the Debian packages that have them.
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { runTool } from './tool.js';

/** Program -> package, in the directories root has in PATH. */
const PROGRAMS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  mmdebstrap: 'mmdebstrap',
  mke2fs: 'e2fsprogs',
  'dpkg-deb': 'dpkg',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
  tar: 'tar',
} as const;

const DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const INSTALL_TIMEOUT = 600_000;

/**
 * Install what is missing, and say so.
 * @throws Error naming the command to run when this is not root or apt fails
 */
export async function needHostPackages(say: (text: string) => void): Promise<void> {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const args = ['install', '-y', '-q', '--no-install-recommends', ...missing];
  const command = `apt-get ${args.join(' ')}`;
  if (process.getuid?.() !== 0) throw new Error(`the test VM needs packages; install them as root: ${command}`);
  say(`running: ${command}`);
  // Another apt may be at work: wait for its lock.
  const { status, stderr } = await runTool('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
    timeout: INSTALL_TIMEOUT,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  const still = missingPackages();
  if (status !== 0 || still.length > 0) {
    throw new Error(`the test VM needs ${still.join(', ')}, and this failed: ${command}\n${stderr.slice(-2000)}`);
  }
}

function missingPackages(): string[] {
  const missing = Object.entries(PROGRAMS).filter(([program]) => !isProgram(program));
  return [...new Set(missing.map(([, name]) => name))];
}

function isProgram(name: string): boolean {
  return DIRECTORIES.some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
