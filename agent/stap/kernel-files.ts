// What of a kernel lies on this host: its headers, and its vmlinux with DWARF.
import type { HostFiles } from '../host/host-files.js';
import { buildIdOf, ElfError, parseElf, sectionNamed } from '../symbolize/elf.js';

/** Headers and makefiles to build modules with. */
export function hasKernelHeaders(files: HostFiles, release: string): boolean {
  return (
    files.exists(`/lib/modules/${release}/build/Makefile`) || files.exists(`/lib/modules/${release}/build/.config`)
  );
}

export interface Debuginfo {
  readonly path: string;
  /** Lower-case hex; '' when it has none. */
  readonly buildId: string;
}

/** The vmlinux with DWARF that stap would use. @param buildId of the kernel; '' when not known */
export function findDebuginfo(files: HostFiles, release: string, buildId: string): Debuginfo | undefined {
  const byId = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  const paths = [
    ...(buildId === '' ? [] : [byId]),
    `/usr/lib/debug/lib/modules/${release}/vmlinux`,
    `/usr/lib/debug/lib/modules/${release}/vmlinux.debug`,
    `/usr/lib/debug/boot/vmlinux-${release}`,
    `/usr/lib/debug/boot/vmlinux-${release}.debug`,
    `/lib/modules/${release}/vmlinux.debug`,
    `/lib/modules/${release}/vmlinux`,
    `/lib/modules/${release}/build/vmlinux`,
    `/boot/vmlinux-${release}`,
  ];
  for (const path of paths) {
    const found = readDebuginfo(files, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

function readDebuginfo(files: HostFiles, path: string): Debuginfo | undefined {
  const file = files.open(path);
  if (file === undefined) return undefined;
  try {
    const elf = parseElf(file);
    const hasDwarf = ['.debug_info', '.zdebug_info'].some((name) => sectionNamed(elf, name) !== undefined);
    return hasDwarf ? { path, buildId: buildIdOf(elf) } : undefined;
  } catch (error) {
    // A packed or foreign file of that name is none that stap can use.
    if (error instanceof ElfError) return undefined;
    throw error;
  } finally {
    file.close();
  }
}
