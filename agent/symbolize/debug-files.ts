// Finds the full symbol table of a stripped object: a separate debug file by build id or .gnu_debuglink, or .gnu_debugdata.
import { posix } from 'node:path';
import type { Milliseconds } from '../../proto/capture.js';
import { memorySource } from './byte-source.js';
import { crc32 } from './crc32.js';
import {
  buildIdOf,
  debugLinkOf,
  type Elf,
  ElfError,
  parseElf,
  SECTION_NOBITS,
  sectionContents,
  sectionNamed,
} from './elf.js';
import { hasSymtab } from './elf-symbols.js';
import { cacheEntry, type FoundObject, type OpenElf, parseOpened } from './object-files.js';
import type { SymbolHost } from './symbol-host.js';

export interface DebugSymbols {
  /** Whoever got it closes `file`. */
  readonly debug: OpenElf | undefined;
  readonly mini: Elf | undefined;
  /** Why a source that is there could not be used; '' when nothing went wrong. */
  readonly problem: string;
}

const MAX_MINI = 1 << 26;
const MAX_MINI_PACKED = 1 << 25;
const CRC_CHUNK = 1 << 20;

/** @param wantsLines a file that has its symbols may still have its debug information elsewhere */
export async function findDebugSymbols(
  host: SymbolHost,
  object: Extract<FoundObject, { kind: 'found' }>,
  wantsLines: boolean,
  remaining: () => Milliseconds,
): Promise<DebugSymbols> {
  const nothing = { debug: undefined, mini: undefined, problem: '' };
  if (hasSymtab(object.elf) && (!wantsLines || hasDebugInfo(object.elf))) return nothing;
  const buildId = buildIdOf(object.elf);
  for (const path of debugPaths(host, object, buildId)) {
    const opened = await host.open(path);
    if (opened.kind !== 'file') continue;
    const parsed = parseOpened(opened.file);
    if (typeof parsed !== 'string' && hasSymtab(parsed.elf) && belongs(object.elf, buildId, parsed, remaining)) {
      return { ...nothing, debug: parsed };
    }
    opened.file.close();
  }
  return hasSymtab(object.elf) ? nothing : miniDebugInfo(host, object.elf, remaining());
}

function hasDebugInfo(elf: Elf): boolean {
  return elf.sections.some(({ name, type }) => /^\.z?debug_info$/.test(name) && type !== SECTION_NOBITS);
}

/** perf looks in the same places. Those in the root directory of the process come last: they are its own to choose. */
function* debugPaths(
  host: SymbolHost,
  object: Extract<FoundObject, { kind: 'found' }>,
  buildId: string,
): Generator<string> {
  const prefixes = object.prefix === '' ? [''] : ['', object.prefix];
  if (buildId.length > 2) {
    for (const prefix of prefixes) {
      yield `${prefix}/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
    }
    yield `${cacheEntry(host, buildId)}/debug`;
    yield `${cacheEntry(host, buildId)}/elf`;
  }
  const link = debugLinkOf(object.elf);
  const directory = posix.dirname(object.path);
  for (const prefix of prefixes) {
    if (link !== undefined) {
      yield `${prefix}${directory}/${link.name}`;
      yield `${prefix}${directory}/.debug/${link.name}`;
      yield `${prefix}/usr/lib/debug${directory}/${link.name}`;
    }
    if (buildId === '') continue;
    yield `${prefix}/usr/lib/debug${object.path}.debug`;
    yield `${prefix}/usr/lib/debug${object.path}`;
  }
}

/** Equal build ids prove it; without one, the checksum in the debug link does. */
function belongs(runtime: Elf, buildId: string, debug: OpenElf, remaining: () => Milliseconds): boolean {
  const debugId = buildIdOf(debug.elf);
  if (buildId !== '' || debugId !== '') return buildId === debugId;
  const link = debugLinkOf(runtime);
  if (link === undefined) return false;
  let crc = 0;
  for (let at = 0; at < debug.file.size; at += CRC_CHUNK) {
    if (remaining() <= 0) return false;
    crc = crc32(debug.file.read(at, CRC_CHUNK), crc);
  }
  return crc === link.crc;
}

/** `.gnu_debugdata`: an xz-compressed ELF file with the symbols of functions that `.dynsym` lacks (Fedora, RHEL). */
async function miniDebugInfo(host: SymbolHost, elf: Elf, timeout: Milliseconds): Promise<DebugSymbols> {
  const section = sectionNamed(elf, '.gnu_debugdata');
  const nothing = { debug: undefined, mini: undefined };
  if (section === undefined || section.type === SECTION_NOBITS) return { ...nothing, problem: '' };
  if (section.size > MAX_MINI_PACKED) return { ...nothing, problem: 'its .gnu_debugdata is too large' };
  const contents = sectionContents(elf, section);
  const packed = contents.read(0, contents.size);
  const unpacked = await host.run(['xz', '-dc'], packed, { timeout, maxOutput: MAX_MINI });
  if (unpacked.state === 'missing') {
    return { ...nothing, problem: 'its symbols are in .gnu_debugdata and the xz program is missing: install xz' };
  }
  if (unpacked.state !== 'ended') return { ...nothing, problem: 'its .gnu_debugdata cannot be unpacked' };
  try {
    return { debug: undefined, mini: parseElf(memorySource(unpacked.output)), problem: '' };
  } catch (error) {
    if (error instanceof ElfError) return { ...nothing, problem: `its .gnu_debugdata holds ${error.message}` };
    throw error;
  }
}
