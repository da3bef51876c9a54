// The image of the test VM: from the cache, or built now.
//
// The cache is $PERFTRAWL_VM_CACHE, else $XDG_CACHE_HOME/perftrawl-vm, else ~/.cache/perftrawl-vm. Images of older recipes and kernels
// stay in it until somebody removes them.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { needHostPackages } from './host-packages.js';
import { buildImage, type KernelPackage } from './image-build.js';
import { imageKey, KERNEL_META_PACKAGE, RELEASE } from './recipe.js';
import { needTool, runTool } from './tool.js';

export interface Image {
  /** ext4 without a partition table. Never changed once it is in the cache. */
  readonly root: string;
  readonly kernel: string;
  readonly sshKey: string;
  /** What `uname -r` says in the VM. */
  readonly release: string;
}

const APT_TIMEOUT = 300_000;
const ANOTHER_BUILD_TIMEOUT = 1_800_000;
const ANOTHER_BUILD_CHECK = 1000;

function announce(text: string): void {
  process.stderr.write(`vm: ${text}\n`);
}

/** The image for today's kernel package, built if the cache does not have it. @throws Error with what to do, when it cannot */
export async function needImage(say: (text: string) => void = announce): Promise<Image> {
  if (process.getuid?.() !== 0) throw new Error('the test VM needs root: its image is made with chroot and mount');
  if (process.arch !== 'x64') throw new Error(`the test VM exists for x86-64 machines only, this is ${process.arch}`);
  await needHostPackages(say);
  const { version, ...kernel } = await kernelPackage(say);
  const cache = cacheDirectory();
  const directory = join(cache, `image-${imageKey(version, process.version)}`);
  await mkdir(cache, { recursive: true });
  if (!existsSync(directory)) await alone(`${directory}.lock`, say, () => buildInto(directory, kernel, version, say));
  return imageIn(directory, kernel.release);
}

function cacheDirectory(): string {
  const { PERFTRAWL_VM_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  return own ? resolve(own) : join(xdg || join(homedir(), '.cache'), 'perftrawl-vm');
}

function imageIn(directory: string, release: string): Image {
  const file = (name: string) => join(directory, name);
  return { root: file('root.img'), kernel: file('vmlinuz'), sshKey: file('ssh-key'), release };
}

/** Which kernel Debian's meta package means today. */
async function kernelPackage(say: (text: string) => void): Promise<KernelPackage & { readonly version: string }> {
  const found = await namedByApt();
  if (found !== undefined) return found;
  say('running: apt-get update (apt does not know the kernel package yet)');
  await needTool('apt-get', ['-o', 'DPkg::Lock::Timeout=300', 'update', '-q'], { timeout: APT_TIMEOUT });
  const now = await namedByApt();
  if (now !== undefined) return now;
  throw new Error(
    `apt knows no ${KERNEL_META_PACKAGE}: the test VM needs Debian ${RELEASE} in the apt sources of this machine`,
  );
}

async function namedByApt(): Promise<(KernelPackage & { readonly version: string }) | undefined> {
  const { stdout } = await runTool('apt-cache', ['depends', KERNEL_META_PACKAGE], { timeout: APT_TIMEOUT });
  const release = /^ +Depends: linux-image-(\d\S*-cloud-amd64)$/m.exec(stdout)?.[1];
  if (release === undefined) return undefined;
  const name = `linux-image-${release}`;
  const policy = await runTool('apt-cache', ['policy', name], { timeout: APT_TIMEOUT });
  const version = /^ +Candidate: (\d\S*)$/m.exec(policy.stdout)?.[1];
  return version === undefined ? undefined : { name, release, version };
}

async function buildInto(
  directory: string,
  kernel: KernelPackage,
  version: string,
  say: (text: string) => void,
): Promise<void> {
  // Somebody else may have built it while this one waited.
  if (existsSync(directory)) return;
  say(`building the image of kernel ${kernel.release} (${version}) in ${directory}`);
  say('it is kept; this takes 2 to 4 minutes, 330 MB of downloads and 4 GB of disk, of which 1.6 GB stay');
  const start = Date.now();
  const temporary = await mkdtemp(`${directory}.build-`);
  try {
    await buildImage(temporary, kernel, say);
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  say(`image ready after ${((Date.now() - start) / 1000).toFixed(0)} s`);
  await nameOldImages(directory, say);
}

async function nameOldImages(directory: string, say: (text: string) => void): Promise<void> {
  const cache = join(directory, '..');
  const old = (await readdir(cache)).filter((name) => /^image-\w+$/.test(name) && join(cache, name) !== directory);
  if (old.length > 0)
    say(`older images, no longer used by this checkout: ${old.map((name) => join(cache, name)).join(' ')}`);
}

/** Let one process at a time do `work`; a lock left by a process that is gone is taken over. */
async function alone(lock: string, say: (text: string) => void, work: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + ANOTHER_BUILD_TIMEOUT;
  for (let isFirst = true; ; isFirst = false) {
    if (await take(lock)) break;
    const owner = Number(await readFile(lock, 'utf8').catch(() => '0'));
    if (owner > 0 && !existsSync(`/proc/${owner}`)) await rm(lock, { force: true });
    else if (Date.now() > deadline)
      throw new Error(`process ${owner} has been building the image for too long; remove ${lock} if it does not`);
    else if (isFirst) say(`process ${owner} is building the image; waiting for it`);
    await pause(ANOTHER_BUILD_CHECK);
  }
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}
