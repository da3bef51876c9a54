// What is in the image of the test VM, and the key of the cache: equal keys mean interchangeable images.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The Debian release inside; the host must have the same one in its apt sources. */
export const RELEASE = 'bookworm';

/** Depends on the kernel to use: the cloud flavour has NVMe and ext4 built in, so it boots without an initrd. */
export const KERNEL_META_PACKAGE = 'linux-image-cloud-amd64';

/** Packages inside the image, besides the kernel's headers. */
export const PACKAGES = [
  'systemtap',
  'systemtap-runtime',
  'gcc',
  'make',
  'libc6-dev',
  'linux-perf',
  'openssh-server',
  'kmod',
  'iproute2',
  'procps',
  'ca-certificates',
] as const;

/** Size of the image's file system as the VM sees it; the file is sparse and takes 1.5 GB of it. */
export const IMAGE_SIZE = '6G';

/** Files beside this one that become part of the image or make it. */
const INGREDIENTS = ['recipe.ts', 'image-build.ts', 'vm-init.sh', 'workloads/touch-pages.c'] as const;

/**
 * @param kernelVersion Debian's version of the kernel package, such as `6.1.192-2`
 * @param nodeVersion of the node copied into the image, such as `v20.20.2`
 * @returns 12 hexadecimal digits
 */
export function imageKey(kernelVersion: string, nodeVersion: string): string {
  const hash = createHash('sha256');
  for (const name of INGREDIENTS) hash.update(`${name}\0`).update(readFileSync(new URL(name, import.meta.url)));
  return hash.update(`${kernelVersion}\0${nodeVersion}`).digest('hex').slice(0, 12);
}
