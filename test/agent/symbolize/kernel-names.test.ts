// Kernel addresses get the names that perf gives them from the same kallsyms; where the kernel hides them, the loss says so.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { kernelKey, scanKallsyms } from '../../../agent/symbolize/kallsyms.js';
import { createLocalHost } from '../../../agent/symbolize/local-host.js';
import type { SymbolHost } from '../../../agent/symbolize/symbol-host.js';
import { perfNames } from './chosen-addresses.js';
import { ownDirectory, symbolizeAddresses } from './symbolized.js';

function keyOf(address: bigint): number {
  return kernelKey(Number(address & 0xffffffffn), Number(address >> 32n));
}

function named(text: string, ...addresses: readonly bigint[]): readonly (string | undefined)[] {
  return scanKallsyms(Buffer.from(text), Float64Array.from(addresses, keyOf)).names;
}

test('every twentieth symbol of the running kernel, and addresses inside it, as perf script names them', () => {
  const text = readFileSync('/proc/kallsyms');
  const lines = text
    .toString('latin1')
    .split('\n')
    .filter((line, index) => index % 20 === 0 && line !== '');
  const addresses = lines
    .map((line) => BigInt(`0x${line.slice(0, 16)}`))
    .filter((address) => address > 0xffff_ffff_8000_0000n)
    .flatMap((address) => [address, address + 1n, address + 40n]);
  const keys = Float64Array.from(new Set(addresses.map(keyOf))).sort();
  const { names, isHidden } = scanKallsyms(text, keys);
  const rowOf = new Map(Array.from(keys, (key, row) => [key, row]));
  expect(isHidden).toBe(false);
  expect(addresses.length).toBeGreaterThan(1000);
  expect(addresses.map((address) => names[rowOf.get(keyOf(address)) ?? -1] ?? '[unknown]')).toEqual(
    perfNames([], addresses).map(({ symbol }) => symbol),
  );
});

describe('kallsyms', () => {
  const text = [
    'ffffffff81000000 T _text',
    'ffffffff81000010 T first',
    'ffffffff81000010 t alias_that_comes_last',
    'ffffffff81000020 r not_code',
    'ffffffff81000030 W weak',
    'ffffffffc0000000 t in_module\t[ext4]',
    'ffffffffc0000100 t next_in_module\t[ext4]',
    '',
  ].join('\n');

  test.each([
    [0xffffffff81000000n, '_text'],
    [0xffffffff8100000fn, '_text'],
    [0xffffffff81000010n, 'alias_that_comes_last'],
    [0xffffffff81000025n, 'alias_that_comes_last'],
    [0xffffffff81000030n, 'weak'],
    [0xffffffff81001fffn, 'weak'],
    [0xffffffff81003000n, undefined],
    [0xffffffffc00000ffn, 'in_module'],
    [0xffffffffc0000100n, 'next_in_module'],
    [0xffffffffc0002000n, undefined],
    [0xffffffff80000000n, undefined],
  ])('%s', (address, name) => {
    expect(named(text, address)).toEqual([name]);
  });

  test('is read to its end whether or not a newline follows, and may be cut anywhere', () => {
    for (let length = 0; length <= text.length; length++) {
      expect(named(text.slice(0, length), 0xffffffff81000000n)).toHaveLength(1);
    }
    expect(named(text.trimEnd(), 0xffffffffc0000100n)).toEqual(['next_in_module']);
  });
});

describe('the kernel of a profile', () => {
  const start = { lo: 0x81000000, hi: 0xffffffff };
  const kernel = { kind: 'kernel', path: '[kernel.kallsyms]', memoryStart: start, isLive: true } as const;

  test('is named relative to where it began', async () => {
    const host = hostWith({ '/proc/kallsyms': 'ffffffff81000000 T _text\nffffffff81000100 T schedule\n' });
    const { names, losses } = await symbolizeAddresses({ context: kernel, addresses: [0x10, 0x120], host });
    expect(names).toEqual(['_text', 'schedule']);
    expect(losses).toEqual([]);
  });

  test('stays unnamed where kallsyms hides its addresses', async () => {
    const host = hostWith({ '/proc/kallsyms': '0000000000000000 T _text\n0000000000000000 T schedule\n' });
    const { losses } = await symbolizeAddresses({ context: kernel, addresses: [0x10, 0x120], host });
    expect(losses).toEqual([
      {
        kind: 'unsymbolized-frames',
        count: 2,
        detail:
          '[kernel.kallsyms]: kernel addresses are hidden from this user: run as root, or set kernel.kptr_restrict to 0',
      },
    ]);
  });

  test('of another build is not named by the running one', async () => {
    const notes = Buffer.concat([
      Buffer.from('040000000400000003000000474e5500', 'hex'),
      Buffer.from('aabbccdd', 'hex'),
    ]);
    const host = hostWith({ '/proc/kallsyms': 'ffffffff81000000 T _text\n', '/sys/kernel/notes': notes });
    const context = { ...kernel, isLive: false };
    const same = await symbolizeAddresses({ context: { ...context, buildId: 'aabbccdd' }, addresses: [1], host });
    const other = await symbolizeAddresses({ context: { ...context, buildId: '00112233' }, addresses: [1], host });
    expect(same.names).toEqual(['_text']);
    expect(other.names).toEqual(['[unknown]']);
    expect(other.losses[0].detail).toBe('[kernel.kallsyms]: the running kernel has another build id');
  });

  test('of the same build from another boot is found where it lies now', async () => {
    const notes = Buffer.concat([
      Buffer.from('040000000400000003000000474e5500', 'hex'),
      Buffer.from('aabbccdd', 'hex'),
    ]);
    const moved = 'ffffffff9a000000 T _stext\nffffffff9a000100 T schedule\n';
    const host = hostWith({ '/proc/kallsyms': moved, '/sys/kernel/notes': notes });
    const context = { ...kernel, isLive: false };
    const known = await symbolizeAddresses({ context: { ...context, buildId: 'aabbccdd' }, addresses: [0x120], host });
    const unknown = await symbolizeAddresses({ context, addresses: [0x120], host });
    expect(known.names).toEqual(['schedule']);
    expect(unknown.losses[0].detail).toBe('[kernel.kallsyms]: it was recorded on another boot or with another kernel');
  });

  test('symbols registered while perf recorded come first: BPF programs', async () => {
    const host = hostWith({ '/proc/kallsyms': 'ffffffff81000000 T _text\nffffffffc0000000 t gone\t[bpf]\n' });
    const { names } = await symbolizeAddresses({
      context: { kind: 'bpf', path: 'bpf_prog_6deef7357e7b4530_open', memoryStart: { lo: 0xc0000000, hi: 0xffffffff } },
      addresses: [0, 0x3f, 0x40],
      host,
      options: {
        kernelSymbols: [{ lo: 0xc0000000, hi: 0xffffffff, length: 0x40, name: 'bpf_prog_6deef7357e7b4530_open' }],
      },
    });
    expect(names).toEqual(['bpf_prog_6deef7357e7b4530_open', 'bpf_prog_6deef7357e7b4530_open', 'gone']);
  });
});

/** This machine with a root directory that holds just these files. */
function hostWith(files: Readonly<Record<string, string | Buffer>>): SymbolHost {
  const root = ownDirectory();
  for (const [path, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), contents);
  }
  return createLocalHost({ root });
}
