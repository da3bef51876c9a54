// What an ELF executable asks of the system it runs on: dynamic loader, shared libraries, version of glibc (gabi "Dynamic Linking", LSB "Symbol Versioning").
import { type FileHandle, open } from 'node:fs/promises';
import { fail } from '../../../proto/failure.js';

export interface ExecutableNeeds {
  /** Path of the dynamic loader; undefined for a static executable. */
  readonly loader: string | undefined;
  /** Names of shared libraries: `libstdc++.so.6`. */
  readonly libraries: readonly string[];
  /** The newest version of glibc's symbols that it uses: `2.28`; undefined when it uses none. */
  readonly glibc: string | undefined;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_VERNEED = 0x6ffffffe;
const DT_VERNEEDNUM = 0x6fffffff;
/** A table that is longer than this is none. */
const longestTable = 16 * 1024 * 1024;

/** @throws FailureError 'bad-data' for a file that is no 64-bit ELF executable */
export async function readExecutableNeeds(path: string): Promise<ExecutableNeeds> {
  const file = await open(path);
  try {
    return await needsOf(new Reader(file, path));
  } finally {
    await file.close();
  }
}

async function needsOf(reader: Reader): Promise<ExecutableNeeds> {
  const segments = await programHeaders(reader);
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  const loader =
    interpreter === undefined ? undefined : textAt(await reader.bytes(interpreter.offset, interpreter.size), 0);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return { loader, libraries: [], glibc: undefined };
  const entries = await dynamicEntries(reader, dynamic);
  const value = (tag: number) => entries.find((entry) => entry.tag === tag)?.value;
  const offsetOf = (address: number): number => {
    const segment = segments.find((s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.size);
    if (segment === undefined) throw reader.wrong(`no segment holds address ${address.toString(16)}`);
    return address - segment.address + segment.offset;
  };
  const [strings, versions] = [value(DT_STRTAB), value(DT_VERNEED)];
  if (strings === undefined) throw reader.wrong('its dynamic section names no strings');
  const names = await reader.bytes(offsetOf(strings), value(DT_STRSZ) ?? 0);
  const libraries = entries.filter(({ tag }) => tag === DT_NEEDED).map((entry) => textAt(names, entry.value));
  const used =
    versions === undefined ? [] : versionNames(await reader.rest(offsetOf(versions)), value(DT_VERNEEDNUM) ?? 0);
  const glibc = used
    .flatMap((at) => /^GLIBC_(\d+\.\d+)/.exec(textAt(names, at))?.[1] ?? [])
    .sort(compareVersions)
    .at(-1);
  return { loader, libraries, glibc };
}

/** Of `2.9` and `2.28` the second is the newer. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

async function programHeaders(reader: Reader): Promise<readonly Segment[]> {
  const header = await reader.bytes(0, 64);
  if (header.getUint32(0) !== 0x7f454c46 || header.getUint8(4) !== 2) throw reader.wrong('it is no 64-bit ELF file');
  reader.isLittleEndian = header.getUint8(5) === 1;
  const little = reader.isLittleEndian;
  const [at, size, count] = [reader.word(header, 32), header.getUint16(54, little), header.getUint16(56, little)];
  const table = await reader.bytes(at, size * count);
  return Array.from({ length: count }, (_, i) => ({
    type: table.getUint32(i * size, little),
    offset: reader.word(table, i * size + 8),
    address: reader.word(table, i * size + 16),
    size: reader.word(table, i * size + 32),
  }));
}

async function dynamicEntries(reader: Reader, { offset, size }: Segment) {
  const table = await reader.bytes(offset, size);
  const entries: { readonly tag: number; readonly value: number }[] = [];
  for (let at = 0; at + 16 <= table.byteLength; at += 16) {
    const tag = reader.word(table, at);
    if (tag === 0) break;
    entries.push({ tag, value: reader.word(table, at + 8) });
  }
  return entries;
}

/** Where the names of the versions are among the strings. */
function versionNames({ view, isLittleEndian: little }: Table, count: number): readonly number[] {
  const found: number[] = [];
  for (let file = 0, i = 0; i < count; i++) {
    let version = file + view.getUint32(file + 8, little);
    for (let left = view.getUint16(file + 2, little); left > 0; left--) {
      found.push(view.getUint32(version + 8, little));
      version += view.getUint32(version + 12, little);
    }
    file += view.getUint32(file + 12, little);
  }
  return found;
}

interface Table {
  readonly view: DataView;
  readonly isLittleEndian: boolean;
}

function textAt(view: DataView, at: number): string {
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}

class Reader {
  readonly #file: FileHandle;
  readonly #path: string;
  isLittleEndian = true;

  constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  async bytes(offset: number, length: number): Promise<DataView> {
    if (length > longestTable) throw this.wrong('a table of it is too long');
    const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(length), 0, length, offset);
    if (bytesRead < length) throw this.wrong('it ends too early');
    return new DataView(buffer.buffer, buffer.byteOffset, length);
  }

  /** From there on, as much as a table of versions may have. */
  async rest(offset: number): Promise<Table> {
    const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(65_536), 0, 65_536, offset);
    return { view: new DataView(buffer.buffer, buffer.byteOffset, bytesRead), isLittleEndian: this.isLittleEndian };
  }

  word(view: DataView, at: number): number {
    return Number(view.getBigUint64(at, this.isLittleEndian));
  }

  wrong(why: string) {
    return fail('bad-data', `cannot read ${this.#path} as an executable: ${why}`, 'is that the Node of this machine?');
  }
}
