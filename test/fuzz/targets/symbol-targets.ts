// Where names come from: ELF files, kallsyms, perf maps, what addr2line, xz and c++filt print.

import { readModuleFacts } from '../../../agent/stap/module-file.js';
import { memorySource } from '../../../agent/symbolize/byte-source.js';
import { findDebugSymbols } from '../../../agent/symbolize/debug-files.js';
import { demangleNames, withoutParameters } from '../../../agent/symbolize/demangle.js';
import {
  addressOfOffset,
  buildIdInNotes,
  buildIdOf,
  debugLinkOf,
  parseElf,
  sectionContents,
} from '../../../agent/symbolize/elf.js';
import { scanElf } from '../../../agent/symbolize/elf-symbols.js';
import { kernelKey, scanKallsyms } from '../../../agent/symbolize/kallsyms.js';
import { scanPerfMap } from '../../../agent/symbolize/perf-map.js';
import { findSourceLines } from '../../../agent/symbolize/source-lines.js';
import type { ProgramResult, SymbolFile, SymbolHost } from '../../../agent/symbolize/symbol-host.js';
import { moduleElf } from '../../agent/stap/module-elf.js';
import { seedFiles, texts } from '../seeds.js';
import { type FuzzTarget, promise } from '../target.js';

const OFFSETS = Float64Array.from({ length: 64 }, (_, i) => 0x200 + 24 * i);
const ELF_SEEDS = () => seedFiles('tiny.elf', 'debug.elf', 'stripped.elf');
const ELF_REFUSALS = ['ElfError', 'OverlappingSymbolsError'];

/** A host on which every program answers `output`, and every file holds `file`. */
function answering(output: Uint8Array, state: ProgramResult['state'], file?: Uint8Array): SymbolHost {
  const opened: SymbolFile = {
    ...memorySource(file ?? new Uint8Array(0)),
    path: '/x',
    owner: 0,
    close: () => undefined,
  };
  return {
    open: async () => (file === undefined ? { kind: 'gone', reason: 'file is gone' } : { kind: 'file', file: opened }),
    readAll: async () => output,
    readLink: async () => undefined,
    run: async () => ({ state, output }),
    now: () => 0,
    home: '/root',
    user: 0,
    kept: undefined,
  };
}

const elf: FuzzTarget = {
  name: 'elf',
  grammar: 'bytes',
  refusals: ELF_REFUSALS,
  seeds: ELF_SEEDS,
  run: (input, random) => {
    const file = parseElf(memorySource(input));
    buildIdOf(file);
    debugLinkOf(file);
    addressOfOffset(file, 0x300);
    for (const section of file.sections.slice(0, 64)) sectionContents(file, section).read(0, 4096);
    const debug = random.once(3) ? file : undefined;
    const names = scanElf({ runtime: file, debug, mini: random.once(3) ? file : undefined }, OFFSETS, () => undefined);
    promise(names.length === OFFSETS.length, 'not one answer for each offset');
  },
};

/** Also the inflated `.gnu_debugdata`: the input is what xz printed. */
const debugSymbols: FuzzTarget = {
  name: 'debug-symbols',
  grammar: 'bytes',
  refusals: ELF_REFUSALS,
  seeds: ELF_SEEDS,
  run: async (input, random) => {
    const [runtime] = seedFiles('stripped.elf');
    const host = answering(input, 'ended', random.once(2) ? input : undefined);
    const opened = {
      elf: parseElf(memorySource(runtime)),
      file: { ...memorySource(runtime), path: '/x', owner: 0, close: () => undefined },
    };
    const { debug, mini } = await findDebugSymbols(
      host,
      { kind: 'found', path: '/usr/bin/x', prefix: '', ...opened },
      random.once(2),
      () => 1000,
    );
    scanElf({ runtime: opened.elf, debug: debug?.elf, mini }, OFFSETS, () => undefined);
  },
};

const notes: FuzzTarget = {
  name: 'build-id-notes',
  grammar: 'bytes',
  seeds: () => [
    Buffer.from('040000001400000003000000474e5500'.replace('0474e5500', '474e5500') + '11'.repeat(20), 'hex'),
    Buffer.alloc(64),
  ],
  run: (input) => promise(/^(?:[0-9a-f]{2}){0,64}$/.test(buildIdInNotes(input)), 'no build id'),
};

const kallsyms: FuzzTarget = {
  name: 'kallsyms',
  grammar: 'text',
  seeds: () => seedFiles('kallsyms.txt'),
  run: (input) => {
    const keys = Float64Array.from([0x0, 0x15, 0x45, 0x90, 0x980, 0xc0201010, 0xc0202100, 0xffffff00], (lo) =>
      kernelKey(lo < 0xc0000000 ? 0x81000000 + lo : lo, 0xffffffff),
    ).sort();
    const { names } = scanKallsyms(input, keys);
    promise(names.length === keys.length, 'not one answer for each address');
  },
};

const perfMap: FuzzTarget = {
  name: 'perf-map',
  grammar: 'text',
  seeds: () =>
    texts(
      '7f0010 20 LazyCompile:~f /a.js:1\n7f0030 10 Function:g\n0x7f0040 0x8 Interpreter\n7f0000 100 overlapping\n',
      '1000 10 a\n\n1010 f b c d\n',
    ),
  run: (input) => {
    const addresses = Float64Array.from([0x1000, 0x1011, 0x7f0010, 0x7f0035, 0x7f0041, 2 ** 47]);
    promise(scanPerfMap(input, addresses).length === addresses.length, 'not one answer for each address');
  },
};

const sourceLines: FuzzTarget = {
  name: 'addr2line',
  grammar: 'text',
  seeds: () =>
    texts(
      '0x0000000000001139\ninner\n/a/b.c:12\nouter\n/a/b.c:20 (discriminator 3)\n0x0000000000001150\n??\n??:0\n0x0000000000001160\n??\n??:?\n',
    ),
  run: async (input, random) => {
    const { frames } = await findSourceLines(
      answering(input, random.pick(['ended', 'failed', 'stopped'])),
      '/x',
      [1, 2, 3],
      1000,
    );
    promise(
      frames.length === 3 && frames.flat().every(({ line }) => Number.isSafeInteger(line) || line > 0),
      'not one answer for each address',
    );
  },
};

const demangle: FuzzTarget = {
  name: 'demangle',
  grammar: 'text',
  seeds: () =>
    texts(
      '_ZN3foo3barIiEEvT_',
      '_ZNSt6vectorIiSaIiEE9push_backERKi',
      '_ZN4core3ptr13drop_in_place17h0123456789abcdefE',
      '_RINvNtC3std3mem8align_ofdE',
      '_GLOBAL__sub_I_main',
      'camlFoo__bar_123',
      '_ZZN1aC1EvENKUlvE_clEv',
      'caml$2b$$__x',
    ),
  run: async (input, random) => {
    const names = Buffer.from(input).toString('utf8').split('\n').slice(0, 50);
    // Half of the time a c++filt answers, with any words.
    const host = answering(input, random.once(2) ? 'ended' : 'missing');
    await demangleNames(host, names, 1000);
    for (const name of names) withoutParameters(names[0] ?? '', name);
  },
};

const moduleFile: FuzzTarget = {
  name: 'module-file',
  grammar: 'bytes',
  seeds: () => [moduleElf(`perftrawl_${'0'.repeat(32)}`, '6.1.0-1-amd64')],
  run: (input) => void readModuleFacts(input, 'the module'),
  refusals: ['ElfError'],
};

export const SYMBOL_TARGETS: readonly FuzzTarget[] = [
  elf,
  debugSymbols,
  notes,
  kallsyms,
  perfMap,
  sourceLines,
  demangle,
  moduleFile,
];
