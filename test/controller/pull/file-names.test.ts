// Names from elsewhere as names of files: never the same for two, never a way out, whatever the file system makes of them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileName, fileNames, isInnerPath } from '../../../controller/pull/file-names.js';

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ maxLength: 20 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom(
    ...[
      '',
      '.',
      '..',
      '../../etc/passwd',
      '/etc/passwd',
      'a/b',
      'a\\b',
      'C:',
      'nul',
      'NUL.txt',
      'Con',
      'com1',
      'lpt9.log',
    ],
    ...[
      'db1',
      'DB1',
      'Db1',
      'web.part',
      'web.PART',
      'web',
      'web.',
      '-rf',
      '~',
      'a~0000',
      '.ssh',
      'x'.repeat(4096),
      'ä',
      'a\u0308',
    ],
    ...['a\0b', 'a\nb', '\u202egnp.exe', '\ud800', '\udc00', '\ud801', 'K', '\u212a', 'k', 'ß', 'SS'],
  ),
);

describe('names of files', () => {
  it('are sound, and distinct also where upper and lower case are the same', () => {
    fc.assert(
      fc.property(fc.uniqueArray(hostile, { maxLength: 30 }), (names) => {
        const made = fileNames(names);
        expect([...made.keys()]).toEqual(names);
        const files = [...made.values()];
        expect(files.every((file) => isInnerPath(file) && Buffer.byteLength(`${file}.part`) < 255)).toBe(true);
        expect(files.filter((file) => /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(file))).toEqual([]);
        expect(new Set(files.map((file) => file.normalize('NFKC').toLowerCase())).size).toBe(names.length);
        expect(fileNames([...names].reverse())).toEqual(made);
      }),
      { numRuns: 2000 },
    );
  });

  it('stay as they are where they can', () => {
    const plain = ['db1', 'web-1.example.net', 'perf.data', '10.0.0.1', '_x', 'Localhost'];
    expect([...fileNames(plain).values()]).toEqual(plain);
    expect([...fileNames(['db1', 'DB1']).values()]).toEqual(['db1', expect.stringMatching(/^DB1~[0-9a-f]{16}$/)]);
    expect(fileName('sched:sched_switch')).toMatch(/^sched_sched_switch~[0-9a-f]{16}$/);
  });
});

describe('a path of a manifest', () => {
  it('leads nowhere else', () => {
    for (const path of ['job1/merged/flame.svg', 'a/b~0123/c.d', 'manifest.json']) expect(isInnerPath(path)).toBe(true);
    for (const path of [
      '',
      '/',
      '/etc/passwd',
      '..',
      'a/../b',
      'a/./b',
      'a//b',
      'a/',
      '.ssh/x',
      'a\\b',
      'a\0',
      'a\n',
      'a b',
      'x.part',
      'nul',
      '-x',
    ]) {
      expect(isInnerPath(path), path).toBe(false);
    }
  });
});
