// The names of ELF code are those that `perf script` prints, for every byte of programs of several languages and layouts.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createLocalHost } from '../../../agent/symbolize/local-host.js';
import type { SymbolHost } from '../../../agent/symbolize/symbol-host.js';
import { perfNames } from './chosen-addresses.js';
import { C_SOURCE, CXX_SOURCE, INLINE_SOURCE, RUST_SOURCE } from './sources.js';
import { codeOffsets, compile, nameOf, ownDirectory, sectionRange, symbolizeAddresses } from './symbolized.js';

const BASE = 0x1_0000_0000;

interface Disagreement {
  readonly offset: string;
  readonly ours: string;
  readonly perf: string;
}

async function disagreements(file: string, step: number): Promise<Disagreement[]> {
  const offsets = codeOffsets(file, step);
  expect(offsets.length).toBeGreaterThan(100);
  const perf = perfNames(
    [{ start: BASE, length: 0x4000_0000, fileOffset: 0, file }],
    offsets.map((offset) => BASE + offset),
  );
  const { names } = await symbolizeAddresses({ context: { kind: 'elf', path: file }, addresses: offsets });
  return offsets.flatMap((offset, index) =>
    names[index] === perf[index].symbol
      ? []
      : [{ offset: offset.toString(16), ours: names[index], perf: perf[index].symbol }],
  );
}

/**
 * perf 6.1 searches a tree in which `_init` and `_fini`, which have no size, reach over what follows, so it misses or misnames some
 * stubs. Ours names every stub by the relocation it serves.
 */
function isStub({ ours, perf }: Disagreement): boolean {
  const isHidden = perf === '[unknown]' || perf === '_init' || perf === '_fini';
  return isHidden && (ours.endsWith('@plt') || ours === '_init' || ours === '_fini');
}

describe('every byte of code is named as perf script names it', () => {
  test.each([
    ['C', C_SOURCE, ['-O1']],
    ['C, not position-independent', C_SOURCE, ['-O1', '-no-pie']],
    ['C, static and position-independent', C_SOURCE, ['-O1', '-static-pie']],
    ['C, static', C_SOURCE, ['-O1', '-static']],
    ['C, lld-like separate code', C_SOURCE, ['-O1', '-Wl,-z,noseparate-code']],
    ['C++', CXX_SOURCE, ['-O0']],
    ['Rust, both manglings', RUST_SOURCE, ['-O1']],
  ])('%s', async (_, source, flags) => {
    const file = compile(ownDirectory(), source, flags);
    const found = await disagreements(file, 3);
    expect(found.filter((each) => !isStub(each))).toEqual([]);
  });

  test.each(['libc.so.6', 'libm.so.6', 'libstdc++.so.6'])('%s, as installed', async (library) => {
    const file = realpathSync(`/usr/lib/x86_64-linux-gnu/${library}`);
    const found = await disagreements(file, 101);
    expect(found.filter((each) => !isStub(each))).toEqual([]);
  });
});

describe('a stripped program is named by', () => {
  async function expectFullNames(file: string): Promise<void> {
    const { start, end } = sectionRange(file, '.text');
    const addresses = Array.from({ length: end - start }, (_, index) => start + index);
    const { names } = await symbolizeAddresses({ context: { kind: 'elf', path: file }, addresses });
    const perf = perfNames(
      [{ start: BASE, length: 0x4000_0000, fileOffset: 0, file }],
      addresses.map((address) => BASE + address),
    );
    expect(names).toContain('inner');
    expect(names).toEqual(perf.map(({ symbol }) => symbol));
  }

  test('the debug file next to it that its .gnu_debuglink names', async () => {
    const file = compile(ownDirectory(), C_SOURCE, ['-O1', '-g']);
    separateDebugFile(file, `${file}.debug`);
    await expectFullNames(file);
  });

  test('the debug file in .debug', async () => {
    const file = compile(ownDirectory(), C_SOURCE, ['-O1', '-g']);
    separateDebugFile(file, `${file}.debug`);
    mkdirSync(join(dirname(file), '.debug'));
    renameSync(`${file}.debug`, join(dirname(file), '.debug', `${basename(file)}.debug`));
    await expectFullNames(file);
  });

  test('the debug file whose checksum fits, when it has no build id; not by another one', async () => {
    const directory = ownDirectory();
    const file = compile(directory, C_SOURCE, ['-O1', '-g', '-Wl,--build-id=none']);
    const { start } = sectionRange(file, '.text');
    const addresses = Array.from({ length: 0x200 }, (_, index) => start + index);
    separateDebugFile(file, `${file}.debug`);
    const context = { kind: 'elf', path: file } as const;
    expect((await symbolizeAddresses({ context, addresses })).names).toContain('inner');
    execFileSync('objcopy', ['--add-section', `.extra=${join(directory, C_SOURCE.name)}`, `${file}.debug`]);
    expect((await symbolizeAddresses({ context, addresses })).names).not.toContain('inner');
  });

  test('the debug file in the build-id directories', async () => {
    const root = ownDirectory();
    const file = compile(root, C_SOURCE, ['-O1', '-g']);
    const buildId = buildIdOf(file);
    separateDebugFile(file, `${file}.debug`);
    const { start, end } = sectionRange(file, '.text');
    const addresses = Array.from({ length: end - start }, (_, index) => start + index);
    const ask = {
      context: { kind: 'elf', path: '/a.out' },
      addresses,
      host: createLocalHost({ root, home: '/home' }),
    } as const;
    for (const place of ['/usr/lib/debug/.build-id/XX/YY.debug', '/home/.debug/.build-id/XX/YY/debug']) {
      const path = root + place.replace('XX', buildId.slice(0, 2)).replace('YY', buildId.slice(2));
      mkdirSync(dirname(path), { recursive: true });
      renameSync(`${file}.debug`, path);
      expect((await symbolizeAddresses(ask)).names).toContain('inner');
      renameSync(path, `${file}.debug`);
    }
    renameSync(`${file}.debug`, join(root, 'elsewhere'));
    expect((await symbolizeAddresses(ask)).names).not.toContain('inner');
  });

  test('its .gnu_debugdata, which xz unpacks', async () => {
    const directory = ownDirectory();
    const file = compile(directory, C_SOURCE, ['-O1', '-g']);
    const { start, end } = sectionRange(file, '.text');
    const addresses = Array.from({ length: end - start }, (_, index) => start + index);
    const context = { kind: 'elf', path: file } as const;
    const before = await symbolizeAddresses({ context, addresses });
    addMiniDebugInfo(file);
    const after = await symbolizeAddresses({ context, addresses });
    expect(after.names).toContain('inner');
    expect(after.names.filter((name) => name === 'inner' || name === 'main')).toEqual(
      before.names.filter((name) => name === 'inner' || name === 'main'),
    );
  });

  test('nothing when xz is missing, and the loss says what to install', async () => {
    const file = compile(ownDirectory(), C_SOURCE, ['-O1', '-g']);
    addMiniDebugInfo(file);
    const { start } = sectionRange(file, '.text');
    const { losses } = await symbolizeAddresses({
      context: { kind: 'elf', path: file },
      addresses: [start],
      host: without('xz'),
    });
    expect(losses).toEqual([
      {
        kind: 'unsymbolized-frames',
        count: 1,
        detail: `${file}: its symbols are in .gnu_debugdata and the xz program is missing: install xz`,
      },
    ]);
  });
});

test('symbol tables compressed with zlib are read', async () => {
  const file = compile(ownDirectory(), C_SOURCE, ['-O1', '-g']);
  const { start } = sectionRange(file, '.text');
  const addresses = Array.from({ length: 0x200 }, (_, index) => start + index);
  const context = { kind: 'elf', path: file } as const;
  const before = (await symbolizeAddresses({ context, addresses })).names;
  compressSection(file, '.strtab');
  expect(execFileSync('readelf', ['-SW', file], { encoding: 'utf8' })).toMatch(/\.strtab .* C /);
  expect((await symbolizeAddresses({ context, addresses })).names).toEqual(before);
  expect(before).toContain('inner');
});

test('with -z ibtplt the stubs of .plt.sec have names, which perf 6.1 does not give', async () => {
  const file = compile(ownDirectory(), C_SOURCE, ['-fcf-protection=full', '-Wl,-z,ibtplt']);
  const { start, end } = sectionRange(file, '.plt.sec');
  const addresses = Array.from({ length: (end - start) / 16 }, (_, index) => start + index * 16);
  const { names } = await symbolizeAddresses({ context: { kind: 'elf', path: file }, addresses });
  const disassembly = execFileSync('objdump', ['-d', '-j', '.plt.sec', file], { encoding: 'utf8' });
  expect(names).toEqual([...disassembly.matchAll(/<(.*)>:/g)].map((match) => match[1]));
});

describe('a file is not used when', () => {
  test('its build id is not the recorded one', async () => {
    const file = compile(ownDirectory(), C_SOURCE, ['-O1']);
    const { start } = sectionRange(file, '.text');
    const { names, losses } = await symbolizeAddresses({
      context: { kind: 'elf', path: file, buildId: '00112233445566778899aabbccddeeff00112233' },
      addresses: [start],
    });
    expect(names).toEqual(['[unknown]']);
    expect(losses[0].detail).toBe(`${file}: the file now there has another build id`);
  });

  test('it is gone, no ELF file, of 32 bits, or no regular file', async () => {
    const directory = ownDirectory();
    const text = join(directory, 'text');
    writeFileSync(text, 'no program');
    const small = join(directory, 'small');
    writeFileSync(small, Buffer.from('7f454c4601010100'.padEnd(128, '0'), 'hex'));
    execFileSync('mkfifo', [join(directory, 'pipe')]);
    const reasonOf = async (path: string): Promise<string> =>
      (await symbolizeAddresses({ context: { kind: 'elf', path }, addresses: [64] })).losses[0].detail;
    expect(await reasonOf('/nowhere/at/all')).toBe('/nowhere/at/all: file is gone');
    expect(await reasonOf(text)).toBe(`${text}: not an ELF file`);
    expect(await reasonOf(small)).toBe(`${small}: a 32-bit ELF file, only 64-bit ones are read`);
    expect(await reasonOf(join(directory, 'pipe'))).toBe(`${join(directory, 'pipe')}: not a regular file`);
    expect(await reasonOf('/bin/\0evil')).toBe('/bin/\0evil: its path holds a NUL character');
  });

  test('the time budget is used up', async () => {
    const file = compile(ownDirectory(), C_SOURCE, ['-O1']);
    const { losses } = await symbolizeAddresses({
      context: { kind: 'elf', path: file },
      addresses: [sectionRange(file, '.text').start],
      options: { budget: 0 },
    });
    expect(losses[0].detail).toBe(`${file}: not looked up, the time budget was used up`);
  });
});

test('the system name is the mangled one; without demangling it is the name as well', async () => {
  const file = compile(ownDirectory(), CXX_SOURCE, ['-O0']);
  const { start, end } = sectionRange(file, '.text');
  const addresses = Array.from({ length: end - start }, (_, index) => start + index);
  const context = { kind: 'elf', path: file } as const;
  const { profile } = await symbolizeAddresses({ context, addresses });
  const systemNameOf = new Map(
    Array.from(profile.functions.name, (name, row) => [
      profile.strings[name],
      profile.strings[profile.functions.systemName[row]],
    ]),
  );
  expect(systemNameOf.get('Shape::operator<')).toBe('_ZNK5ShapeltERKS_');
  const raw = await symbolizeAddresses({ context, addresses, options: { demangle: false } });
  expect(raw.names).toContain('_ZNK5ShapeltERKS_');
});

describe('source lines and inlined functions, innermost first, when asked for', () => {
  async function expectLines(file: string, main: number): Promise<void> {
    const addresses = Array.from({ length: 16 }, (_, index) => main + index);
    const context = { kind: 'elf', path: file } as const;
    const { names, profile } = await symbolizeAddresses({ context, addresses, options: { lines: true } });
    const location = names.indexOf('innermost < middle < main');
    expect(location).toBeGreaterThanOrEqual(0);
    const from = profile.locations.lineStart[location];
    expect(nameOf(profile, location)).toBe(names[location]);
    expect([...profile.lines.line.slice(from, from + 3)]).toEqual([3, 6, 9]);
    const source = profile.functions.filename[profile.lines.function[from]];
    expect(profile.strings[source]).toBe(join(dirname(file), INLINE_SOURCE.name));
  }

  test('from the program itself', async () => {
    const file = compile(ownDirectory(), INLINE_SOURCE, ['-O2', '-g']);
    await expectLines(file, addressOfMain(file));
  });

  test('from its debug file, whether or not the program keeps its symbols', async () => {
    for (const strip of ['--strip-all', '--strip-debug']) {
      const file = compile(ownDirectory(), INLINE_SOURCE, ['-O2', '-g']);
      const main = addressOfMain(file);
      separateDebugFile(file, `${file}.debug`, strip);
      await expectLines(file, main);
    }
  });

  test('what has none is a loss with its reason', async () => {
    const file = compile(ownDirectory(), INLINE_SOURCE, ['-O2']);
    const context = { kind: 'elf', path: file } as const;
    const addresses = [addressOfMain(file)];
    const plain = await symbolizeAddresses({ context, addresses, options: { lines: true } });
    expect(plain.names).toEqual(['main']);
    expect(plain.losses).toEqual([
      { kind: 'frames-without-lines', count: 1, detail: `${file}: no debug information covers the address` },
    ]);
    const host = without('addr2line');
    const { losses } = await symbolizeAddresses({ context, addresses, host, options: { lines: true } });
    expect(losses[0].detail).toBe(`${file}: addr2line is missing: install binutils`);
  });
});

function addressOfMain(file: string): number {
  const symbols = execFileSync('readelf', ['-sW', file], { encoding: 'utf8' });
  return Number.parseInt(/([0-9a-f]{16})\s+\d+ FUNC .* main$/m.exec(symbols)?.[1] ?? '', 16);
}

function buildIdOf(file: string): string {
  return /Build ID: ([0-9a-f]+)/.exec(execFileSync('readelf', ['-nW', file], { encoding: 'utf8' }))?.[1] ?? '';
}

function separateDebugFile(file: string, debugFile: string, strip = '--strip-all'): void {
  execFileSync('objcopy', ['--only-keep-debug', file, debugFile]);
  execFileSync('strip', [strip, file]);
  execFileSync('objcopy', [`--add-gnu-debuglink=${debugFile}`, file]);
}

/** As `eu-strip`-using distributions make it: the function symbols alone, in an ELF file, xz-compressed, in a section. */
function addMiniDebugInfo(file: string): void {
  execFileSync('objcopy', ['--only-keep-debug', '--strip-debug', file, `${file}.mini`]);
  execFileSync('xz', ['-f', `${file}.mini`]);
  execFileSync('strip', ['--strip-all', file]);
  execFileSync('objcopy', ['--add-section', `.gnu_debugdata=${file}.mini.xz`, file]);
}

/** objcopy compresses debug sections only, so this does by hand to another one what it does to those (gABI, Elf64_Chdr). */
function compressSection(file: string, name: string): void {
  const data = readFileSync(file);
  const table = Number(data.readBigUInt64LE(40));
  const names = Number(data.readBigUInt64LE(table + data.readUInt16LE(62) * 64 + 24));
  const headers = Array.from({ length: data.readUInt16LE(60) }, (_, index) => table + index * 64);
  const at = headers.find((header) => {
    const start = names + data.readUInt32LE(header);
    return data.toString('latin1', start, data.indexOf(0, start)) === name;
  });
  if (at === undefined) throw new Error(`${file} has no section ${name}`);
  const start = Number(data.readBigUInt64LE(at + 24));
  const size = Number(data.readBigUInt64LE(at + 32));
  const header = Buffer.alloc(24);
  header.writeUInt32LE(1, 0);
  header.writeBigUInt64LE(BigInt(size), 8);
  header.writeBigUInt64LE(1n, 16);
  const packed = Buffer.concat([header, deflateSync(data.subarray(start, start + size))]);
  data.writeBigUInt64LE(data.readBigUInt64LE(at + 8) | 0x800n, at + 8);
  data.writeBigUInt64LE(BigInt(data.length), at + 24);
  data.writeBigUInt64LE(BigInt(packed.length), at + 32);
  writeFileSync(file, Buffer.concat([data, packed]));
}

/** This machine, but for one program. */
function without(program: string): SymbolHost {
  const host = createLocalHost();
  return {
    ...host,
    run: (argv, input, limits) => host.run(argv[0] === program ? [`/nowhere/${program}`] : argv, input, limits),
  };
}
