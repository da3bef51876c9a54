// Build the image of the test VM from Debian packages: root file system, kernel, and the kernel's debuginfo. Needs root.
import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNatively } from './native.js';
import { IMAGE_SIZE, PACKAGES, RELEASE } from './recipe.js';
import { needTool } from './tool.js';

/** The kernel package to put in. */
export interface KernelPackage {
  /** Such as `linux-image-6.1.0-56-cloud-amd64`. */
  readonly name: string;
  /** What `uname -r` says in the VM. */
  readonly release: string;
}

const MINUTE = 60_000;
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Make `root.img`, `vmlinuz`, `ssh-key` and `ssh-key.pub` in the empty directory `directory`. */
export async function buildImage(directory: string, kernel: KernelPackage, say: (text: string) => void): Promise<void> {
  const root = join(directory, 'root');
  const packages = join(directory, 'packages');
  const step = async (what: string, work: () => Promise<unknown>) => {
    const start = Date.now();
    await work();
    say(`${what}: ${((Date.now() - start) / 1000).toFixed(0)} s`);
  };
  await mkdir(packages);
  await step('downloading kernel and debuginfo', () => download(packages, kernel));
  await step('root file system', () => makeRoot(root, kernel));
  await step('unpacking the kernel', () => unpackKernel(directory, root, packages, kernel));
  await step('node, sshd, workload, SystemTap runtime', async () => {
    await addNode(root);
    await addIdentity(directory, root);
    await addWorkload(root);
    await mendSystemTap(root);
  });
  await step('file system image', () => makeFileSystem(directory, root));
  await rm(root, { recursive: true });
  await rm(packages, { recursive: true });
  // stap's cache holds what it finds out about a kernel: 10 s of CPU which every later compilation saves.
  await step('first SystemTap compilation', () => compileOnce(join(directory, 'root.img'), kernel.release));
}

async function download(packages: string, { name }: KernelPackage): Promise<void> {
  // apt drops its privileges for downloads, and could not write here otherwise.
  const args = ['-o', 'APT::Sandbox::User=root', 'download', name, `${name}-dbg`];
  await needTool('apt-get', args, { timeout: 15 * MINUTE, cwd: packages });
}

async function makeRoot(root: string, { release }: KernelPackage): Promise<void> {
  await needTool(
    'mmdebstrap',
    [
      ...['--quiet', '--mode=root', '--variant=minbase', '--skip=check/qemu,cleanup/tmp'],
      '--aptopt=APT::Install-Recommends "false"',
      ...['man', 'locale', 'doc'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
      `--include=${[...PACKAGES, `linux-headers-${release}`].join(',')}`,
      RELEASE,
      root,
    ],
    { timeout: 30 * MINUTE },
  );
}

/** Unpacked, not installed: installing would want an initrd, which this kernel does not need. */
async function unpackKernel(
  directory: string,
  root: string,
  packages: string,
  { name, release }: KernelPackage,
): Promise<void> {
  const files = await readdir(packages);
  const file = (start: string) => {
    const found = files.find((candidate) => candidate.startsWith(`${start}_`));
    if (found === undefined) throw new Error(`apt-get download left no ${start}_*.deb in ${packages}`);
    return join(packages, found);
  };
  const kernel = join(packages, 'kernel');
  await needTool('dpkg-deb', ['-x', file(name), kernel], { timeout: 5 * MINUTE });
  await copyFile(join(kernel, 'boot', `vmlinuz-${release}`), join(directory, 'vmlinuz'));
  await copyFile(join(kernel, 'boot', `config-${release}`), join(root, 'boot', `config-${release}`));
  const modules = join('lib/modules', release);
  await cp(join(kernel, modules), join(root, modules), { recursive: true, preserveTimestamps: true });
  await needTool('chroot', [root, '/sbin/depmod', release], { timeout: MINUTE });
  const debuginfo = join(packages, 'debuginfo.tar');
  await needTool('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" > "$2"', 'sh', file(`${name}-dbg`), debuginfo], {
    timeout: 5 * MINUTE,
  });
  // Only the kernel itself: the modules' debuginfo is another gigabyte.
  const wanted = ['./usr/lib/debug/boot', `./usr/lib/debug/lib/modules/${release}/vmlinux`];
  await needTool('tar', ['-x', '-f', debuginfo, '-C', root, ...wanted], { timeout: 5 * MINUTE });
  await copyFile(join(root, `usr/lib/debug/boot/System.map-${release}`), join(root, `boot/System.map-${release}`));
}

async function addNode(root: string): Promise<void> {
  const node = join(root, 'usr/local/bin/node');
  await copyFile(process.execPath, node);
  await chmod(node, 0o755);
  await needTool('chroot', [root, '/usr/local/bin/node', '--version'], { timeout: MINUTE }).catch((error: Error) => {
    throw new Error(`this machine's node does not run in Debian ${RELEASE}: use another build of it\n${error.message}`);
  });
}

async function addIdentity(directory: string, root: string): Promise<void> {
  const key = join(directory, 'ssh-key');
  await needTool('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'perftrawl test VM', '-f', key], {
    timeout: MINUTE,
  });
  await mkdir(join(root, 'root/.ssh'), { mode: 0o700 });
  await copyFile(`${key}.pub`, join(root, 'root/.ssh/authorized_keys'));
  await writeFile(join(root, 'etc/hostname'), 'vm\n');
  await writeFile(join(root, 'etc/hosts'), '127.0.0.1 localhost vm\n');
  // Name look-ups would only cost time: the VM talks to this machine alone.
  await writeFile(join(root, 'etc/ssh/sshd_config.d/test-vm.conf'), 'UseDNS no\nMaxSessions 100\n');
  await copyFile(here('vm-init.sh'), join(root, 'vm-init'));
  await chmod(join(root, 'vm-init'), 0o755);
  // For captures of somebody who may not trace.
  await needTool('chroot', [root, 'useradd', '-m', '-s', '/bin/bash', 'plain'], { timeout: MINUTE });
}

async function addWorkload(root: string): Promise<void> {
  await copyFile(here('workloads/touch-pages.c'), join(root, 'root/touch-pages.c'));
  const compiler = ['gcc', '-std=gnu11', '-O1', '-g', '-fno-omit-frame-pointer', '-Wall', '-Werror'];
  const files = ['-o', '/usr/local/bin/touch-pages', '/root/touch-pages.c'];
  await needTool('chroot', [root, ...compiler, ...files], { timeout: MINUTE });
}

/**
 * Debian 12's SystemTap 4.8 compiles nothing for Debian 12's own later kernels: their `task_work_cancel(task, func)` is called
 * `task_work_cancel_func` since the stable series took that change in.
 */
async function mendSystemTap(root: string): Promise<void> {
  const header = await readFile(await commonHeader(root, 'include/linux/task_work.h'), 'utf8');
  if (!header.includes('task_work_cancel_func')) return;
  const path = join(root, 'usr/share/systemtap/runtime/stp_task_work.c');
  const runtime = await readFile(path, 'utf8');
  const mended = runtime
    .replace('typedef typeof(&task_work_cancel) ', 'typedef typeof(&task_work_cancel_func) ')
    .replace('kallsyms_lookup_name("task_work_cancel")', 'kallsyms_lookup_name("task_work_cancel_func")');
  if (mended === runtime && !runtime.includes('task_work_cancel_func')) {
    throw new Error(`${path} is not the SystemTap 4.8 that this recipe knows how to mend`);
  }
  await writeFile(path, mended);
}

async function commonHeader(root: string, path: string): Promise<string> {
  const sources = join(root, 'usr/src');
  const common = (await readdir(sources)).find((name) => /^linux-headers-.*-common$/.test(name));
  if (common === undefined) throw new Error(`no linux-headers-*-common in ${sources}`);
  return join(sources, common, path);
}

async function makeFileSystem(directory: string, root: string): Promise<void> {
  await rm(join(root, 'var/lib/apt/lists'), { recursive: true });
  await mkdir(join(root, 'var/lib/apt/lists'));
  await rm(join(root, 'etc/mtab'), { force: true });
  await symlink('/proc/self/mounts', join(root, 'etc/mtab'));
  const image = join(directory, 'root.img');
  await writeFile(image, '');
  await needTool('truncate', ['-s', IMAGE_SIZE, image], { timeout: MINUTE });
  // Without a journal it mounts read-only at any time; the VM's own changes are thrown away anyway.
  const options = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-E', 'lazy_itable_init=1,nodiscard', '-m', '0'];
  await needTool('mke2fs', [...options, '-L', 'root', '-d', root, image], { timeout: 10 * MINUTE });
}

async function compileOnce(image: string, release: string): Promise<void> {
  const script = 'probe timer.s(1) { exit() }';
  const { status, stderr } = await runNatively(image, ['stap', '-p4', '-r', release, '-e', script], { isKept: true });
  if (status !== 0) throw new Error(`SystemTap compiles nothing in the new image (status ${status})\n${stderr}`);
}
