// The running kernel and its modules as perf's records have them: the kernel from its _text on, modules by /proc/modules.
import type { HostFiles } from '../host/host-files.js';
import { AddressSpace } from '../perf/address-space.js';
import { signedAddress } from '../perf/code-address.js';
import type { MappedObject, MappedObjectTable } from '../perf/mapped-object.js';
import { eachLine } from './memory-maps.js';

export interface KernelSpace {
  /** Modules. */
  readonly space: AddressSpace;
  /** Where the kernel begins, as code-address.ts counts; 0 when that is hidden from this user. */
  readonly start: number;
  readonly object: MappedObject;
}

/** Its symbols are sorted by address, so its first ones come soon. */
const MOST_KALLSYMS = 64 * 1024 * 1024;
const MOST_MODULES = 4096;
/** Where perf looks, in this order (ref_reloc_sym_names in tools/perf/util/machine.c). */
const startSymbol = /^([0-9a-f]{8,16}) \S (_s?text)$/;
const moduleLine = /^(\S+) (\d+) .* 0x([0-9a-f]{8,16})(?: .*)?$/;

export function readKernelSpace(files: HostFiles, table: MappedObjectTable, nextSpace: () => number): KernelSpace {
  const start = kernelStart(files);
  const object = table.ofKernelMap(kernelMap('[kernel.kallsyms]', start, 0));
  let space = new AddressSpace(nextSpace());
  let modules = 0;
  eachLine(files, '/proc/modules', (text) => {
    const [, name, size, address] = moduleLine.exec(text) ?? [];
    const from = address === undefined ? 0 : addressOf(address);
    if (name === undefined || !(from < 0)) return true;
    const map = kernelMap(`[${name}]`, from, Number(size));
    const module = table.ofKernelMap(map);
    space = space.with({ start: from, end: from + map.length, fileOffset: 0, object: module }, nextSpace) ?? space;
    return ++modules < MOST_MODULES;
  });
  return { space, start, object };
}

function kernelStart(files: HostFiles): number {
  let start = 0;
  eachLine(
    files,
    '/proc/kallsyms',
    (text) => {
      const [, address, name] = startSymbol.exec(text) ?? [];
      if (address === undefined) return true;
      start = addressOf(address);
      return name !== '_text';
    },
    MOST_KALLSYMS,
  );
  return Math.min(start, 0);
}

function addressOf(digits: string): number {
  const whole = digits.padStart(16, '0');
  return signedAddress(Number.parseInt(whole.slice(8), 16), Number.parseInt(whole.slice(0, 8), 16));
}

function kernelMap(filename: string, start: number, length: number) {
  const fields = { pid: -1, tid: 0, fileOffset: 0, buildId: '', inode: 0 };
  return { ...fields, isKernel: true, isExecutable: true, isHugeTlb: false, filename, start, length };
}
