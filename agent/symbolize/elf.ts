// The parts of an ELF file that symbols need. Pure: bytes in, tables out. Every offset and size is checked, as files may be hostile.
// Layouts: elf(5) and the System V gABI. Only 64-bit little-endian files are read.
import { inflateSync } from 'node:zlib';
import { type ByteSource, memorySource, sliceSource } from './byte-source.js';

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

export interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  /** Index of the section this one refers to: of a symbol table, its string table. */
  readonly link: number;
  readonly entrySize: number;
}

export interface Elf {
  readonly source: ByteSource;
  readonly machine: number;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
}

export interface DebugLink {
  /** File name without directories. */
  readonly name: string;
  /** CRC-32 of the whole debug file. */
  readonly crc: number;
}

/** Not an ELF file this parser can read; the message says what was found and completes "FILE: …". */
export class ElfError extends Error {
  override readonly name = 'ElfError';
}

export const SEGMENT_LOAD = 1;
const SEGMENT_NOTE = 4;
export const SECTION_SYMTAB = 2;
const SECTION_NOTE = 7;
export const SECTION_NOBITS = 8;
export const SECTION_DYNSYM = 11;
export const FLAG_ALLOC = 2;
const FLAG_COMPRESSED = 0x800;
export const MACHINE_AARCH64 = 183;

const HEADER_SIZE = 64;
const SEGMENT_SIZE = 56;
const SECTION_SIZE = 64;
const MAX_SECTIONS = 1 << 18;
const MAX_SECTION_NAMES = 1 << 24;
const MAX_INFLATED = 1 << 28;
const MAX_NOTES = 1 << 20;
const WORD = 4294967296;
const MAGIC = 0x464c457f;

/** @throws ElfError when the header or the tables it points to are not there */
export function parseElf(source: ByteSource): Elf {
  const header = view(source.read(0, HEADER_SIZE));
  if (header.byteLength < 20 || header.getUint32(0, true) !== MAGIC) throw new ElfError('not an ELF file');
  if (header.getUint8(4) !== 2) throw new ElfError('a 32-bit ELF file, only 64-bit ones are read');
  if (header.getUint8(5) !== 1) throw new ElfError('a big-endian ELF file, only little-endian ones are read');
  if (header.byteLength < HEADER_SIZE) throw new ElfError('an ELF file that ends inside its header');
  return {
    source,
    machine: header.getUint16(18, true),
    segments: readSegments(source, header),
    sections: readSections(source, header),
  };
}

/** The first section of that name. */
export function sectionNamed(elf: Elf, name: string): Section | undefined {
  return elf.sections.find((section) => section.name === name);
}

/**
 * The contents of a section, inflated where they are compressed (at most 256 MiB then).
 * @throws ElfError when the section is compressed in a way that this reader does not know
 */
export function sectionContents(elf: Elf, section: Section): ByteSource {
  if (section.type === SECTION_NOBITS) return memorySource(new Uint8Array(0));
  const raw = sliceSource(elf.source, section.offset, section.size);
  if ((section.flags & FLAG_COMPRESSED) === 0) return raw;
  const header = view(raw.read(0, 24));
  if (header.byteLength < 24) throw new ElfError(`section ${section.name} ends inside its compression header`);
  const algorithm = header.getUint32(0, true);
  if (algorithm !== 1)
    throw new ElfError(`section ${section.name} is compressed with method ${algorithm}, only zlib is read`);
  const size = word64(header, 8);
  if (!(size <= MAX_INFLATED && raw.size <= MAX_INFLATED))
    throw new ElfError(`section ${section.name} would inflate to ${size} bytes`);
  try {
    return memorySource(inflateSync(raw.read(24, raw.size - 24), { maxOutputLength: Math.max(1, size) }));
  } catch (cause) {
    throw new ElfError(`section ${section.name} cannot be inflated`, { cause });
  }
}

/** GNU build id in lower-case hex; '' when there is none. */
export function buildIdOf(elf: Elf): string {
  for (const section of elf.sections) {
    if (section.type !== SECTION_NOTE) continue;
    const found = buildIdInNotes(elf.source.read(section.offset, Math.min(section.size, MAX_NOTES)));
    if (found !== '') return found;
  }
  for (const segment of elf.segments) {
    if (segment.type !== SEGMENT_NOTE) continue;
    const found = buildIdInNotes(elf.source.read(segment.offset, Math.min(segment.fileSize, MAX_NOTES)));
    if (found !== '') return found;
  }
  return '';
}

/** GNU build id in the bytes of ELF notes (a note section, `/sys/kernel/notes`); '' when there is none. */
export function buildIdInNotes(bytes: Uint8Array): string {
  const notes = view(bytes);
  for (let at = 0; at + 12 <= bytes.length; ) {
    const nameSize = notes.getUint32(at, true);
    const size = notes.getUint32(at + 4, true);
    const name = at + 12;
    const description = name + align4(nameSize);
    if (description + size > bytes.length) return '';
    const isBuildId = notes.getUint32(at + 8, true) === 3 && nameSize === 4 && notes.getUint32(name, true) === 0x554e47;
    if (isBuildId && size > 0 && size <= 64)
      return Buffer.from(bytes.subarray(description, description + size)).toString('hex');
    at = description + align4(size);
  }
  return '';
}

export function debugLinkOf(elf: Elf): DebugLink | undefined {
  const section = sectionNamed(elf, '.gnu_debuglink');
  if (section === undefined || section.type === SECTION_NOBITS) return undefined;
  const bytes = elf.source.read(section.offset, Math.min(section.size, 4096));
  const end = bytes.indexOf(0);
  const crcAt = align4(end + 1);
  if (end <= 0 || crcAt + 4 > bytes.length) return undefined;
  const name = Buffer.from(bytes.subarray(0, end)).toString('utf8');
  return name.includes('/') ? undefined : { name, crc: view(bytes).getUint32(crcAt, true) };
}

/** The address at which the byte at a file offset is meant to be loaded; undefined when no segment holds it. */
export function addressOfOffset(elf: Elf, offset: number): number | undefined {
  for (const segment of elf.segments) {
    if (segment.type !== SEGMENT_LOAD) continue;
    if (offset >= segment.offset && offset < segment.offset + segment.fileSize) {
      return offset - segment.offset + segment.address;
    }
  }
  return undefined;
}

/** An unsigned 64-bit word as a number: exact below 2^53, else too large to be a valid offset in any file. */
function word64(data: DataView, at: number): number {
  return data.getUint32(at, true) + data.getUint32(at + 4, true) * WORD;
}

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readSegments(source: ByteSource, header: DataView): Segment[] {
  const start = word64(header, 32);
  const count = header.getUint16(56, true);
  if (count === 0) return [];
  if (header.getUint16(54, true) !== SEGMENT_SIZE) throw new ElfError('program headers of an unexpected size');
  const table = view(source.read(start, count * SEGMENT_SIZE));
  if (table.byteLength !== count * SEGMENT_SIZE) throw new ElfError('an ELF file that ends before its program headers');
  return Array.from({ length: count }, (_, index) => {
    const at = index * SEGMENT_SIZE;
    return {
      type: table.getUint32(at, true),
      flags: table.getUint32(at + 4, true),
      offset: word64(table, at + 8),
      address: word64(table, at + 16),
      fileSize: word64(table, at + 32),
      memorySize: word64(table, at + 40),
    };
  });
}

function readSections(source: ByteSource, header: DataView): Section[] {
  const start = word64(header, 40);
  if (start === 0) return [];
  if (header.getUint16(58, true) !== SECTION_SIZE) throw new ElfError('section headers of an unexpected size');
  const first = view(source.read(start, SECTION_SIZE));
  if (first.byteLength !== SECTION_SIZE) throw new ElfError('an ELF file that ends before its section headers');
  // More than 0xff00 sections: the count and the index of the names are in section 0 (gABI, "Extended section indexes").
  const count = header.getUint16(60, true) || word64(first, 32);
  const namesIndex = header.getUint16(62, true) === 0xffff ? first.getUint32(40, true) : header.getUint16(62, true);
  if (count > MAX_SECTIONS) throw new ElfError(`an ELF file that claims ${count} sections`);
  const table = view(source.read(start, count * SECTION_SIZE));
  if (table.byteLength !== count * SECTION_SIZE) throw new ElfError('an ELF file that ends inside its section headers');
  const names = sectionNames(source, table, namesIndex < count ? namesIndex * SECTION_SIZE : -1);
  return Array.from({ length: count }, (_, index) => {
    const at = index * SECTION_SIZE;
    return {
      name: nameAt(names, table.getUint32(at, true)),
      type: table.getUint32(at + 4, true),
      flags: table.getUint32(at + 8, true),
      address: word64(table, at + 16),
      offset: word64(table, at + 24),
      size: word64(table, at + 32),
      link: table.getUint32(at + 40, true),
      entrySize: word64(table, at + 56),
    };
  });
}

function sectionNames(source: ByteSource, table: DataView, at: number): Buffer {
  if (at < 0) return Buffer.alloc(0);
  return Buffer.from(source.read(word64(table, at + 24), Math.min(word64(table, at + 32), MAX_SECTION_NAMES)));
}

/** Section names are short; a longer one is cut, so that hostile tables cannot multiply one long string. */
function nameAt(names: Buffer, offset: number): string {
  if (offset >= names.length) return '';
  const end = names.indexOf(0, offset);
  return names.toString('latin1', offset, Math.min(end < 0 ? names.length : end, offset + 256));
}

function align4(value: number): number {
  return Math.ceil(value / 4) * 4;
}
