// Garbled, mutated and endless output: no exception, no growth, nothing silent.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { StapOutputParser } from '../../../../agent/stap/output/output-parser.js';
import { countValues, printHistogram } from './print-histogram.js';
import { readOutput } from './read-output.js';

const directory = join(dirname(fileURLToPath(import.meta.url)), '../../../fixtures/stap');
const structured = [
  '#pt1 start name=x interval_ms=1000',
  '#pt1 begin t_ms=1000',
  '#pt1 hist title="page fault latency" unit=ns count=3 sum=30 min=9 max=11 fault_type=MINOR',
  printHistogram({ kind: 'log2' }, countValues({ kind: 'log2' }, [9n, 10n, 11n])).replace(/\n$/, ''),
  '#pt1 stack count=17 value=123456 type=off-cpu unit=ns comm="a \\"b\\"" pid=12',
  ' 0xffffffff81234567 : schedule+0x12/0x90 [kernel]',
  ' 0x00007f3a11223344 : main+0x1f/0x60 at main.c:12 [/usr/bin/x] (inexact)',
  '0x7f3a11223344 0x55d0c0ffee00',
  '#pt1 skipped what="entries" count=12',
  '#pt1 end',
  '',
].join('\n');
const seeds = [
  Buffer.from(structured),
  readFileSync(join(directory, '53_elided.stdout')),
  readFileSync(join(directory, '54b_intervals_by_key.stdout')).subarray(0, 6000),
  readFileSync(join(directory, '57_both_stacks.stdout')).subarray(-3000),
];

const change = fc.record({
  at: fc.nat(10_000),
  kind: fc.constantFrom('drop', 'put', 'turn', 'double'),
  length: fc.integer({ min: 1, max: 80 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
});

it('mutated output: never an exception, every line is text or understood, losses are numbers', () => {
  fc.assert(
    fc.property(fc.constantFrom(...seeds), fc.array(change, { minLength: 1, maxLength: 6 }), (seed, changes) => {
      let bytes = [...seed];
      for (const { at: given, kind, length, bytes: put } of changes) {
        const at = given % (bytes.length + 1);
        if (kind === 'drop') bytes.splice(at, length);
        else if (kind === 'put') bytes.splice(at, 0, ...put);
        else if (kind === 'double') bytes.splice(at, 0, ...bytes.slice(at, at + length));
        else bytes = bytes.map((byte, i) => (i === at ? put[0] : byte));
      }
      const whole = readOutput([Uint8Array.from(bytes)]);
      for (const { count } of whole.losses) expect(Number.isSafeInteger(count) && count > 0).toBe(true);
      const numbers = whole.lines.map(({ number }) => number);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      const half = Math.floor(bytes.length / 2);
      const pieces = [Uint8Array.from(bytes.slice(0, half)), Uint8Array.from(bytes.slice(half))];
      expect(JSON.stringify(readOutput(pieces))).toBe(JSON.stringify(whole));
    }),
    { numRuns: 200 },
  );
});

it('any bytes at all', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), (chunks) => {
      const output = readOutput(chunks, { limits: { lineBytes: 64, lines: 5 } });
      expect(output.lines.length).toBeLessThanOrEqual(5);
    }),
  );
});

/** Bytes without sense, the same every time. */
function junk(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

const MIB = 1 << 20;
const floods: readonly (readonly [number, string, Buffer])[] = [
  [64, 'junk', junk(MIB)],
  [64, 'one endless line', Buffer.alloc(MIB, 'x')],
  [2, 'empty lines', Buffer.from('\n'.repeat(65_536))],
  [8, 'headers of histograms', Buffer.from('value |---------- count\n'.repeat(2000))],
  [8, 'rows without end', Buffer.from(`value |---------- count\n${'    1 |           0\n'.repeat(3000)}`)],
  [8, 'frames without end', Buffer.from(' 0xffffffff81234567 : schedule+0x12/0x90 [kernel]\n'.repeat(1000))],
  [4, 'lines of figures', Buffer.from('count=1 sum=2 min=3 max=4 avg=5\n'.repeat(2000))],
  [4, 'structured lines that are none', Buffer.from('#pt1 hist title= count="\n'.repeat(2000))],
  [
    4,
    'lines that a slow pattern would hang on',
    Buffer.from(`${' 0x1 : a+0x1 at '.repeat(200)}[\n${'a=b '.repeat(900)}\nvalue |-\n`),
  ],
];

it.each(floods)('%i MiB of %s: no more than the bounds', (mebibytes, _, chunk) => {
  const parser = new StapOutputParser({ interval: 0, clock: 'arrival', limits: { lines: 1000 } });
  let lines = 0;
  let points = 0;
  let losses = 0;
  for (let sent = 0; sent < mebibytes * MIB; sent += chunk.length) {
    const part = parser.push(chunk, 0);
    lines += part.lines.length;
    points += part.points.length;
    losses += part.losses.length;
  }
  const { lines: last, profile, losses: told } = parser.end(0);
  expect(lines + last.length).toBeLessThanOrEqual(1000);
  expect(points).toBe(0);
  expect(losses + told.length).toBeLessThan(100);
  expect(profile?.stacks.length ?? 0).toBeLessThanOrEqual(2000);
});

it('a stack for every line: no more than the bounds, and the rest told', () => {
  const parser = new StapOutputParser({ interval: 0, clock: 'arrival', limits: { lines: 1000, stacks: 500 } });
  for (let i = 0; i < 20_000; i++) {
    parser.push(Buffer.from(` 0xffffffff8${String(i).padStart(7, '0')} : f${i}+0x1/0x2 [kernel]\n\n`), 0);
  }
  const { profile } = parser.end(0);
  expect(profile?.samples.length).toBe(500);
  expect(profile?.losses.find(({ kind }) => kind === 'skipped-samples')?.count).toBe(19_500);
});
