// Scans the symbol tables of an ELF file for the symbols of needed file offsets, choosing and placing them as perf does.
import { type ByteSource, StringTable } from './byte-source.js';
import {
  type Elf,
  FLAG_ALLOC,
  MACHINE_AARCH64,
  SECTION_DYNSYM,
  SECTION_NOBITS,
  SECTION_SYMTAB,
  SEGMENT_LOAD,
  type Section,
  sectionContents,
  sectionNamed,
  view,
} from './elf.js';
import { BINDING_GLOBAL, type NameReference, NeededSymbols } from './needed-symbols.js';

/** Names of one location, of which the best spelling counts; empty when there is no symbol. */
export type SymbolNames = readonly SymbolName[];

interface SymbolName {
  /** As the table has it. */
  readonly text: string;
  /** Put after the demangled name: `@plt` for stubs, else ''. */
  readonly suffix: string;
}

/** Where symbols may come from; `runtime` is the file that was mapped, whose segments say where addresses lie in it. */
export interface SymbolSources {
  readonly runtime: Elf;
  /** A separate debug file, which has the full table. */
  readonly debug: Elf | undefined;
  /** The inflated `.gnu_debugdata`, which has the functions that are not in `.dynsym`. */
  readonly mini: Elf | undefined;
}

const SYMBOL_SIZE = 24;
const CHUNK = SYMBOL_SIZE << 15;
const WORD = 4294967296;
/** Words of 2^53 and more are not addresses of user space. */
const MAX_HIGH = 1 << 21;
const MAX_PLT_ENTRIES = 1 << 20;

const TYPE_NONE = 0;
const TYPE_FUNCTION = 2;
const TYPE_INDIRECT_FUNCTION = 10;

/** The full table of symbols that this file brings itself. */
export function hasSymtab(elf: Elf): boolean {
  const section = sectionNamed(elf, '.symtab');
  return section !== undefined && section.type === SECTION_SYMTAB && section.size > 0;
}

/**
 * The names of each file offset, in the order of `offsets` (sorted, distinct). Aliases of equal rank are all given: perf compares
 * their demangled spelling.
 * @param checkTime called between pieces of work; may throw to give up
 * @throws ElfError, OverlappingSymbolsError, and what `checkTime` throws
 */
export function scanElf(sources: SymbolSources, offsets: Float64Array, checkTime: () => void): SymbolNames[] {
  const needed = new NeededSymbols(offsets);
  const strings: StringTable[] = [];
  const scan = (elf: Elf, name: string, type: number): void => {
    const section = sectionNamed(elf, name);
    if (section === undefined || section.type !== type) return;
    const names = elf.sections[section.link];
    if (names === undefined) return;
    strings.push(new StringTable(sectionContents(elf, names)));
    scanTable(needed, sectionContents(elf, section), elf, sources.runtime, strings.length - 1, checkTime);
    needed.settle();
  };
  const { runtime, debug, mini } = sources;
  if (hasSymtab(runtime) || debug === undefined) {
    scan(runtime, '.symtab', SECTION_SYMTAB);
    if (mini !== undefined) scan(mini, '.symtab', SECTION_SYMTAB);
    scan(runtime, '.dynsym', SECTION_DYNSYM);
  } else {
    scan(debug, '.symtab', SECTION_SYMTAB);
    scan(debug, '.dynsym', SECTION_DYNSYM);
  }
  scanPlt(needed, runtime, strings);
  needed.settle();
  const decode = nameDecoder(strings);
  const decoded = new Map<readonly NameReference[], SymbolNames>();
  return Array.from(offsets, (_, at) => {
    const references = needed.namesOf(at);
    const names = decoded.get(references) ?? references.map(decode);
    decoded.set(references, names);
    return names;
  });
}

function nameDecoder(strings: readonly StringTable[]): (reference: NameReference) => SymbolName {
  const known = new Map<string, SymbolName>();
  return ({ table, name, isPlt }) => {
    const key = `${table},${name},${isPlt}`;
    let found = known.get(key);
    if (found === undefined) {
      found = { text: name === 0 ? '' : strings[table].at(name), suffix: isPlt ? '@plt' : '' };
      known.set(key, found);
    }
    return found;
  };
}

/** What a symbol's section says about it, worked out once per section. */
interface Place {
  readonly isUsed: boolean;
  /** Untyped symbols count only in sections of code or data. */
  readonly takesLabels: boolean;
  /** To subtract from an address in no segment. */
  readonly delta: number;
}

function scanTable(
  needed: NeededSymbols,
  table: ByteSource,
  elf: Elf,
  runtime: Elf,
  strings: number,
  checkTime: () => void,
): void {
  const places = elf.sections.map((section, index) => placeOf(section, runtime.sections[index]));
  const loads = runtime.segments.filter((segment) => segment.type === SEGMENT_LOAD);
  const starts = loads.map((segment) => segment.address);
  const ends = loads.map((segment) => segment.address + segment.memorySize);
  const deltas = loads.map((segment) => segment.address - segment.offset);
  const highest = needed.addresses[needed.addresses.length - 1];
  const chunk = new Uint8Array(Math.min(CHUNK, table.size));
  const words = new Uint32Array(chunk.buffer, 0, chunk.length >>> 2);
  for (let from = 0; from < table.size; from += CHUNK) {
    checkTime();
    const filled = table.copy(from, chunk) >>> 2;
    for (let at = 0; at + 6 <= filled; at += 6) {
      const name = words[at];
      const info = words[at + 1];
      const section = info >>> 16;
      const type = info & 15;
      if (name === 0 || section === 0 || section >= places.length || words[at + 3] >= MAX_HIGH) continue;
      if (type > TYPE_FUNCTION && type !== TYPE_INDIRECT_FUNCTION) continue;
      const place = places[section];
      if (!place.isUsed) continue;
      const isLabel = type === TYPE_NONE;
      // Labels that are hidden (STV_HIDDEN 2) or internal (STV_INTERNAL 1) are none of perf's.
      const visibility = (info >>> 8) & 3;
      if (isLabel && (!place.takesLabels || visibility === 1 || visibility === 2)) continue;
      const address = words[at + 2] + words[at + 3] * WORD;
      let delta = place.delta;
      for (let load = 0; load < starts.length; load++) {
        if (address >= starts[load] && address < ends[load]) {
          delta = deltas[load];
          break;
        }
      }
      const offset = address - delta;
      if (offset < 0) continue;
      const size = words[at + 5] >= MAX_HIGH ? 0 : words[at + 4] + words[at + 5] * WORD;
      // Past the last needed offset only the next start matters, which bounds an unsized symbol.
      needed.offer(offset, offset > highest ? 0 : size, strings, name, (info & 0xff) >>> 4, isLabel);
    }
  }
}

function placeOf(section: Section, runtimeSection: Section | undefined): Place {
  // In a debug file the code sections are empty and their offsets mean nothing: the runtime file knows.
  const place = section.type === SECTION_NOBITS && runtimeSection !== undefined ? runtimeSection : section;
  return {
    isUsed: (section.flags & FLAG_ALLOC) !== 0,
    takesLabels: place.name.includes('text') || place.name.includes('data'),
    delta: place.address - place.offset,
  };
}

/**
 * `name@plt` for the stubs, which no table lists: stub number i serves relocation number i of `.rela.plt`. A relocation without
 * a symbol (IRELATIVE) gives a bare `@plt`, as in perf. With `-z ibtplt` the calls go to the stubs of `.plt.sec`.
 */
function scanPlt(needed: NeededSymbols, elf: Elf, strings: StringTable[]): void {
  const relocations = sectionNamed(elf, '.rela.plt');
  const dynsym = sectionNamed(elf, '.dynsym');
  const plt = sectionNamed(elf, '.plt');
  if (relocations === undefined || dynsym === undefined || plt === undefined) return;
  if (elf.sections[relocations.link] !== dynsym || elf.sections[dynsym.link] === undefined) return;
  const entries = sectionContents(elf, relocations);
  const symbols = sectionContents(elf, dynsym);
  strings.push(new StringTable(sectionContents(elf, elf.sections[dynsym.link])));
  const entrySize =
    elf.machine === MACHINE_AARCH64 ? 16 : plt.entrySize > 0 && plt.entrySize <= 64 ? plt.entrySize : 16;
  const headerSize = elf.machine === MACHINE_AARCH64 ? 32 : entrySize;
  const second = sectionNamed(elf, '.plt.sec');
  const table = view(entries.read(0, Math.min(entries.size, MAX_PLT_ENTRIES * SYMBOL_SIZE)));
  const names = view(symbols.read(0, Math.min(symbols.size, MAX_PLT_ENTRIES * SYMBOL_SIZE)));
  for (let index = 0; (index + 1) * SYMBOL_SIZE <= table.byteLength; index++) {
    const symbol = table.getUint32(index * SYMBOL_SIZE + 12, true) * SYMBOL_SIZE;
    const name = symbol + 4 <= names.byteLength ? names.getUint32(symbol, true) : 0;
    const stub = plt.offset + headerSize + index * entrySize;
    needed.offer(stub, entrySize, strings.length - 1, name, BINDING_GLOBAL, false, true);
    if (second === undefined) continue;
    needed.offer(second.offset + index * 16, 16, strings.length - 1, name, BINDING_GLOBAL, false, true);
  }
}
