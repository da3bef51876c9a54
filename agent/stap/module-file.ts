// What a kernel module file says of itself: its name, and the kernel that it was compiled for.
import { fail } from '../../proto/failure.js';
import { memorySource } from '../symbolize/byte-source.js';
import { type Elf, ElfError, parseElf, sectionContents, sectionNamed } from '../symbolize/elf.js';
import { MODULE_NAME } from './module-name.js';

export interface ModuleFacts {
  readonly name: string;
  /** The release in its `vermagic`; '' when it has none. */
  readonly kernelRelease: string;
}

const MAX_INFO_BYTES = 64 * 1024;

/**
 * @param what for messages
 * @throws FailureError `bad-data` unless it is a module that perftrawl had stap make
 */
export function readModuleFacts(bytes: Uint8Array, what: string): ModuleFacts {
  let elf: Elf;
  try {
    elf = parseElf(memorySource(bytes));
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    throw fail('bad-data', `${what} is no kernel module: ${error.message}`, 'compile it again', error);
  }
  // The structure `this_module` is zero but for the name, which the kernel takes from there.
  const self = sectionBytes(elf, '.gnu.linkonce.this_module');
  const start = self.findIndex((byte) => byte !== 0);
  const end = start < 0 ? -1 : self.indexOf(0, start);
  const name = end < 0 ? '' : Buffer.from(self.subarray(start, end)).toString('latin1');
  if (!MODULE_NAME.test(name)) {
    const found = name === '' ? 'it has no name' : `its name is ${JSON.stringify(name.slice(0, 64))}`;
    throw fail('bad-data', `${what} is no kernel module of perftrawl: ${found}`, 'compile it with perftrawl');
  }
  const info = Buffer.from(sectionBytes(elf, '.modinfo')).toString('latin1').split('\0');
  const magic = info.find((entry) => entry.startsWith('vermagic='))?.slice('vermagic='.length) ?? '';
  return { name, kernelRelease: magic.split(' ')[0] ?? '' };
}

function sectionBytes(elf: Elf, name: string): Uint8Array {
  const section = sectionNamed(elf, name);
  if (section === undefined) return new Uint8Array(0);
  const source = sectionContents(elf, section);
  return source.read(0, Math.min(source.size, MAX_INFO_BYTES));
}
