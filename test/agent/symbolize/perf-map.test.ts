// Perf maps of JIT compilers: both spellings, overlapping entries, noise, and whose file is believed.
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLocalHost } from '../../../agent/symbolize/local-host.js';
import { scanPerfMap } from '../../../agent/symbolize/perf-map.js';
import { perfNames } from './chosen-addresses.js';
import { ownDirectory, symbolizeAddresses } from './symbolized.js';

function named(text: string, ...addresses: readonly number[]): readonly (string | undefined)[] {
  return scanPerfMap(Buffer.from(text), Float64Array.from(addresses));
}

describe('an entry', () => {
  test.each([
    ['node writes bare numbers', '7f0010 20 LazyCompile:~add /srv/a b.js:1:2\n', 'LazyCompile:~add /srv/a b.js:1:2'],
    ['the JVM writes 0x', '0x7f0010 0x20 Ljava/lang/String;::hashCode\n', 'Ljava/lang/String;::hashCode'],
    ['capital digits', '7F0010 20 upper\n', 'upper'],
    ['no newline at the end', '7f0010 20 last', 'last'],
    ['after noise', 'garbage\n\n7f0010\n7f0010 20\n7f0010 zz name\n7f0010 20 found\n', 'found'],
    ['of two that overlap the later one', '7f0000 100 old\n7f0010 10 new\n', 'new'],
    ['of two that overlap the later one, though it begins before', '7f0010 10 old\n7f0000 100 new\n', 'new'],
  ])('%s', (_, text, name) => {
    expect(named(text, 0x7f0010)).toEqual([name]);
  });

  test('covers its bytes and no more', () => {
    expect(named('1000 10 a\n1010 10 b\n', 0xfff, 0x1000, 0x100f, 0x1010, 0x101f, 0x1020)).toEqual([
      undefined,
      'a',
      'a',
      'b',
      'b',
      undefined,
    ]);
  });

  test('that is cut off anywhere is no entry or a shorter name', () => {
    const text = '1000 10 name of a function';
    for (let length = 0; length <= text.length; length++) {
      const [name] = named(text.slice(0, length), 0x1000);
      expect(name === undefined || 'name of a function'.startsWith(name)).toBe(true);
    }
  });
});

test('a map without overlaps gives the names that perf script prints', async () => {
  const pid = 3_999_998;
  const lines = Array.from({ length: 500 }, (_, index) => {
    const prefix = index % 2 === 0 ? '0x' : '';
    return `${prefix}${(0x10000 + index * 64).toString(16)} ${prefix}${((index % 60) + 1).toString(16)} function ${index} (a, b) [x]`;
  });
  writeFileSync(`/tmp/perf-${pid}.map`, `${lines.join('\n')}\n`);
  onTestFinished(() => rmSync(`/tmp/perf-${pid}.map`));
  const addresses = Array.from({ length: 4000 }, (_, index) => 0x10000 + index * 8);
  const { names } = await symbolizeAddresses({ context: { kind: 'jit', path: `/tmp/perf-${pid}.map` }, addresses });
  const anonymous = [{ start: 0x10000, length: 0x10000, fileOffset: 0, file: '//anon' }];
  expect(names).toEqual(perfNames(anonymous, addresses, pid).map(({ symbol }) => symbol));
  expect(names).toContain('function 499 (a, b) [x]');
});

describe('a map is not believed when', () => {
  async function lossWith(prepare: (path: string, root: string) => void): Promise<string> {
    const root = ownDirectory();
    mkdirSync(join(root, 'tmp'));
    prepare(join(root, 'tmp/perf-7.map'), root);
    const { losses } = await symbolizeAddresses({
      context: { kind: 'jit', path: '/tmp/perf-7.map' },
      addresses: [0x1000],
      host: createLocalHost({ root }),
    });
    return losses.map(({ detail }) => detail).join();
  }

  test('it belongs to somebody else', async () => {
    const loss = await lossWith((path) => {
      writeFileSync(path, '1000 10 planted\n');
      chownSync(path, 12_345, 12_345);
    });
    expect(loss).toBe('/tmp/perf-7.map: the map belongs to another user');
  });

  test('it is a link or a pipe', async () => {
    const link = await lossWith((path, root) => {
      writeFileSync(join(root, 'elsewhere'), '1000 10 planted\n');
      symlinkSync(join(root, 'elsewhere'), path);
    });
    expect(link).toBe('/tmp/perf-7.map: the map cannot be used: cannot be opened (ELOOP)');
    const pipe = await lossWith((path) => execFileSync('mkfifo', [path]));
    expect(pipe).toBe('/tmp/perf-7.map: the map cannot be used: not a regular file');
  });

  test('there is none', async () => {
    expect(await lossWith(() => undefined)).toMatch(/^\/tmp\/perf-7\.map: there is no such map: run node with /);
  });
});
