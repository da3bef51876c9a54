// Files on an observed host may be broken or hostile: whatever the bytes are, there is an answer, soon, in little memory.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ByteSource, memorySource } from '../../../agent/symbolize/byte-source.js';
import { buildIdOf, debugLinkOf, ElfError, parseElf } from '../../../agent/symbolize/elf.js';
import { scanElf } from '../../../agent/symbolize/elf-symbols.js';
import { OverlappingSymbolsError } from '../../../agent/symbolize/needed-symbols.js';
import { C_SOURCE } from './sources.js';
import { compile, ownDirectory } from './symbolized.js';

const OFFSETS = Float64Array.from({ length: 200 }, (_, index) => 0x1000 + index * 16);

/** What becomes of a file: names, or the error that the symbolizer reports as a loss. */
function outcome(source: ByteSource): 'named' | 'refused' {
  try {
    const elf = parseElf(source);
    buildIdOf(elf);
    debugLinkOf(elf);
    const names = scanElf({ runtime: elf, debug: undefined, mini: undefined }, OFFSETS, () => undefined);
    expect(names).toHaveLength(OFFSETS.length);
    return 'named';
  } catch (error) {
    if (error instanceof ElfError || error instanceof OverlappingSymbolsError) return 'refused';
    throw error;
  }
}

test('a program with any bytes changed', () => {
  const program = readFileSync(compile(ownDirectory(), C_SOURCE, ['-O1']));
  const sectionTable = Number(program.readBigUInt64LE(40));
  const interesting = fc.oneof(
    fc.nat({ max: 63 }),
    fc.nat({ max: 64 + 13 * 56 }),
    fc.integer({ min: sectionTable, max: program.length - 1 }),
    fc.nat({ max: program.length - 1 }),
  );
  const value = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat({ max: 255 }));
  const changes = fc.array(fc.tuple(interesting, value), { minLength: 1, maxLength: 24 });
  fc.assert(
    fc.property(changes, (list) => {
      const changed = Uint8Array.from(program);
      for (const [at, byte] of list) changed[at] = byte;
      outcome(memorySource(changed));
    }),
    { numRuns: 1500 },
  );
});

test('a program that ends anywhere', () => {
  const program = readFileSync(compile(ownDirectory(), C_SOURCE, ['-O1']));
  for (let length = 0; length < program.length; length += 97) outcome(memorySource(program.subarray(0, length)));
  expect(outcome(memorySource(program))).toBe('named');
});

test('any bytes after an ELF magic', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      outcome(memorySource(Buffer.concat([Buffer.from('7f454c46020101', 'hex'), bytes])));
    }),
  );
});

test('a million symbols that all cover every address are given up, not compared for hours', () => {
  const count = 1_000_000;
  const symbols = Buffer.alloc(count * 24);
  for (let index = 0; index < count; index++) {
    symbols.writeUInt32LE(1, index * 24);
    symbols.writeUInt32LE(0x0001_0012, index * 24 + 4);
    symbols.writeUInt32LE(index % 0x1000, index * 24 + 8);
    symbols.writeUInt32LE(0x1000_0000, index * 24 + 16);
  }
  expect(outcome(memorySource(withSymtab(symbols)))).toBe('refused');
});

test('a table that claims more than the file has is read as far as it goes', () => {
  const one = Buffer.alloc(24);
  one.writeUInt32LE(1, 0);
  one.writeUInt32LE(0x0001_0012, 4);
  one.writeUInt32LE(0x1000, 8);
  one.writeUInt32LE(0x10, 16);
  const file = withSymtab(one);
  file.writeBigUInt64LE(2n ** 52n, 64 + 3 * 64 + 32);
  const names = scanElf(
    { runtime: parseElf(memorySource(file)), debug: undefined, mini: undefined },
    OFFSETS,
    () => undefined,
  );
  expect(names[0].map(({ text }) => text)).toEqual(['evil']);
});

/** Header, then the headers of four sections: none, `.text`, `.shstrtab` (also of symbol names), `.symtab`. */
function withSymtab(symbols: Buffer): Buffer {
  const names = Buffer.from('\0evil\0.text\0.shstrtab\0.symtab\0');
  const dataStart = 64 + 4 * 64;
  const header = Buffer.alloc(dataStart);
  header.write('7f454c4602010100', 0, 'hex');
  header.writeUInt16LE(3, 16);
  header.writeUInt16LE(62, 18);
  header.writeBigUInt64LE(64n, 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(4, 60);
  header.writeUInt16LE(2, 62);
  const section = (index: number, name: string, type: number, flags: number, offset: number, size: number): void => {
    const at = 64 + index * 64;
    header.writeUInt32LE(names.indexOf(`${name}\0`), at);
    header.writeUInt32LE(type, at + 4);
    header.writeUInt32LE(flags, at + 8);
    header.writeBigUInt64LE(BigInt(offset), at + 24);
    header.writeBigUInt64LE(BigInt(size), at + 32);
    header.writeUInt32LE(2, at + 40);
  };
  section(1, '.text', 1, 6, 0, 0x10000);
  section(2, '.shstrtab', 3, 0, dataStart, names.length);
  section(3, '.symtab', 2, 0, dataStart + names.length, symbols.length);
  return Buffer.concat([header, names, symbols]);
}
