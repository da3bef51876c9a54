// Single samples as perf prints them: read back by our own parser and by the collapse that people use on perf's text.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ScriptParser } from '../../../agent/perf/script-parser.js';
import { ExportError } from '../../../controller/export/exporter.js';
import type { Profile } from '../../../profile/profile.js';
import { collapse } from '../../oracle/perf-tools.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { writtenText } from './written.js';

const TIMED = { timed: true, clockStart: 5_067_123_456_789 } as const;

test('one header per sample, its frames innermost first, an empty line behind', () => {
  const profile = drawProfile('{comm=pg_writer pid=7 tid=8} main;outer>inner;?0x1f@/lib/libc.so.6 5/2', TIMED);
  expect(writtenText('perf-script', profile)).toBe(
    [
      'pg writer 7/8 [000] 5067.123456:          3 page-faults: ',
      '\t              1f [unknown] (/lib/libc.so.6)',
      '\t            1010 inner (inlined)',
      '\t            1010 outer (/bin/app)',
      '\t            1000 main (/bin/app)',
      '',
      'pg writer 7/8 [000] 5067.124456:          2 page-faults: ',
      '\t              1f [unknown] (/lib/libc.so.6)',
      '\t            1010 inner (inlined)',
      '\t            1010 outer (/bin/app)',
      '\t            1000 main (/bin/app)',
      '',
      '',
    ].join('\n'),
  );
});

test('several events keep their order in time', () => {
  const profile = drawProfile('main 1', { ...TIMED, more: { 'cpu-clock': 'main 250000/1' } });
  expect(writtenText('perf-script', profile).match(/\d+ [\w-]+:(?= \n)/g)).toEqual([
    '1 page-faults:',
    '250000 cpu-clock:',
  ]);
});

test('a name with control characters stays on its line', () => {
  const profile = drawProfile('{comm=x pid=1 tid=1} ma\x0bin 1', TIMED);
  expect(writtenText('perf-script', profile)).toContain(' ma?in (/bin/app)\n');
});

test('without timestamps it says what to do', () => {
  expect(() => writtenText('perf-script', drawProfile('main 1'))).toThrow(ExportError);
  expect(() => writtenText('perf-script', drawProfile('main 1'))).toThrow('record it with timestamps');
});

test('the classic collapse makes the same folded stacks of it as we do of the profile', async () => {
  const profile = drawProfile(
    `
    {comm=app pid=1 tid=1} main;parse;read@[kernel.kallsyms]        30
    {comm=java_vm pid=7 tid=8} run;?0x1f@/lib/libc.so.6             120/3
    {comm=java_vm pid=7 tid=9} run;std::map<int>;f(int)             4
    `,
    TIMED,
  );
  expect(await collapsed(writtenText('perf-script', profile))).toBe(writtenText('folded', profile));
});

test('our own parser reads back the same samples', () => {
  const frames = fc.array(fc.constantFrom('main', 'f', 'g@[kernel.kallsyms]', '?0x10@/lib/a.so'), {
    minLength: 1,
    maxLength: 6,
  });
  const lines = fc.array(fc.tuple(frames, fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 3 })), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(lines, (drawn) => {
      const text = drawn.map(
        ([stack, weight, samples]) => `{comm=app pid=3 tid=4} ${stack.join(';')} ${weight * samples}/${samples}`,
      );
      const profile = drawProfile(text.join('\n'), TIMED);
      const again = parsed(writtenText('perf-script', profile));
      expect(writtenText('folded', again)).toBe(writtenText('folded', profile));
      expect(again.timed?.weight).toEqual(profile.timed?.weight);
    }),
  );
});

function parsed(text: string): Profile {
  const parser = new ScriptParser({ split: 'tid', keepTimestamps: true });
  parser.push(Buffer.from(text));
  return parser.end().profile;
}

async function collapsed(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'perftrawl-script-'));
  try {
    const file = join(folder, 'script.txt');
    await writeFile(file, text);
    return await collapse(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}
