// What SystemTap prints and what is told about it: output of scripts, stap's messages, headers of scripts.
import { isDeepStrictEqual } from 'node:util';
import { StapOutputParser } from '../../../agent/stap/output/output-parser.js';
import { StapMessages } from '../../../agent/stap/output/stap-messages.js';
import { readScriptHeader } from '../../../agent/stap/script-header.js';
import { stapFailure } from '../../../agent/stap/stap-failure.js';
import { checkValid } from '../../../profile/check-valid.js';
import { stapFixtures, texts } from '../seeds.js';
import { type FuzzTarget, pieces, promise } from '../target.js';

const STRUCTURED = [
  '#pt1 start name=x interval_ms=1000',
  '#pt1 begin t_ms=1000',
  '#pt1 hist title="page fault latency" unit=ns count=3 sum=30 min=9 max=11 fault_type=MINOR',
  'value |-------------------------------------------------- count',
  '    2 |                                                   0',
  '    4 |                                                   0',
  '    8 |@@@                                                3',
  '   16 |                                                   0',
  '   32 |                                                   0',
  '',
  '#pt1 stack count=17 value=123456 type=off-cpu unit=ns comm="a \\"b\\"" pid=12',
  ' 0xffffffff81234567 : schedule+0x12/0x90 [kernel]',
  ' 0x00007f3a11223344 : main+0x1f/0x60 at main.c:12 [/usr/bin/x] (inexact)',
  '0x7f3a11223344 0x55d0c0ffee00',
  '#pt1 skipped what="entries" count=12',
  '#pt1 end',
  '',
].join('\n');

const output: FuzzTarget = {
  name: 'stap-output',
  grammar: 'text',
  seeds: () => [...stapFixtures('.stdout'), ...texts(STRUCTURED)],
  run: (input, random) => {
    const clock = random.pick(['arrival', 'rounds'] as const);
    const limits = random.once(4) ? { lines: 10, lineBytes: 64, rows: 16, stacks: 4, frames: 8 } : {};
    const read = (chunks: readonly Uint8Array[]) => {
      const parser = new StapOutputParser({ interval: 1000, clock, limits });
      const parts = chunks.map((chunk) => parser.push(chunk, 1000));
      const { profile, objects: _, ...last } = parser.end(1000);
      const all = [...parts, last];
      return {
        profile,
        points: all.flatMap(({ points }) => points),
        lines: all.flatMap(({ lines }) => lines),
        losses: all.flatMap(({ losses }) => losses),
      };
    };
    const result = read(pieces(input, random));
    const problem = result.profile === undefined ? undefined : checkValid(result.profile);
    promise(problem === undefined, `the profile is not valid: ${problem}`);
    promise(
      result.losses.every(({ count }) => Number.isSafeInteger(count) && count >= 0),
      'a loss is no number',
    );
    promise(
      result.points.every(
        ({ time, histogram }) =>
          Number.isFinite(time) && histogram.buckets.every(({ count }) => Number.isSafeInteger(count) && count > 0),
      ),
      'a histogram has no counts',
    );
    if (random.once(3)) promise(isDeepStrictEqual(result, read([input])), 'other chunks give another result');
  },
};

const messages: FuzzTarget = {
  name: 'stap-messages',
  grammar: 'text',
  seeds: () => stapFixtures('.stderr'),
  run: (input, random) => {
    const reader = new StapMessages();
    for (const chunk of pieces(input, random)) reader.push(chunk, 0);
    const { losses } = reader.end(0);
    promise(
      losses.every(({ count }) => Number.isSafeInteger(count) && count >= 0),
      'a loss is no number',
    );
    const distribution = { name: 'Debian', ids: ['debian'], kernelRelease: '6.1.0' };
    const { failure } = stapFailure({
      phase: random.pick(['compile', 'run']),
      stderr: reader.text,
      end: 'exit status 1',
      distribution,
    });
    promise(failure.message.length < 4000 && failure.code !== 'internal', 'its words are too many');
  },
};

/** Only scripts of the catalogue have one, and a bad one is a defect: so it may throw, but never hang. */
const header: FuzzTarget = {
  name: 'stap-header',
  grammar: 'text',
  refusals: ['Error'],
  seeds: () =>
    texts(
      '// page faults\n// summary: how long\n// doc: long words\n//   and more\n// variants: kprobe debuginfo\n// needs: kprobe:handle_mm_fault|x tracepoint:a:b kernel>=4.5\n// parameter: top integer 20 range=1..100 | how many\n// parameter: names text a choices=a,b list=name unit=ns | which\n// tested: debian-12\n// cost: little\n\nprobe begin {}\n',
    ),
  run: (input) => void readScriptHeader('x.stp', Buffer.from(input).toString('utf8')),
};

export const STAP_TARGETS: readonly FuzzTarget[] = [output, messages, header];
