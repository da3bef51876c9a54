// The bound on what a script may print: whole lines go on or are counted, whatever the pieces.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { OutputBound } from '../../../agent/stap/output-bound.js';

const lines = fc.array(fc.stringMatching(/^[ -~]{0,30}$/), { maxLength: 60 });
const linesIn = (text: string) => text.split('\n').length - 1;

function passed(bound: OutputBound, text: string, cuts: readonly number[], time = 0): string {
  const bytes = Buffer.from(text);
  const at = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  const parts = at.slice(1).map((end, index) => Buffer.from(bound.pass(bytes.subarray(at[index], end), time)));
  return Buffer.concat(parts).toString();
}

it('lets all through below its limits, in any pieces', () => {
  fc.assert(
    fc.property(lines, fc.array(fc.nat()), (list, cuts) => {
      const text = list.map((line) => `${line}\n`).join('');
      const bound = new OutputBound({ total: 1e9, rate: 1, burst: 1e9 });
      expect(passed(bound, text, cuts)).toBe(text);
      expect(bound.losses()).toEqual([]);
    }),
  );
});

it('counts each line that does not go on, in any pieces', () => {
  fc.assert(
    fc.property(
      lines,
      fc.array(fc.nat()),
      fc.integer({ min: 1, max: 400 }),
      fc.boolean(),
      (list, cuts, limit, isTotal) => {
        const text = list.map((line) => `${line}\n`).join('');
        const bound = new OutputBound(
          isTotal ? { total: limit, rate: 0, burst: 1e9 } : { total: 1e9, rate: 0, burst: limit },
        );
        const kept = passed(bound, text, cuts);
        const dropped = bound.losses().reduce((sum, { count }) => sum + count, 0);
        expect(kept.length).toBeLessThanOrEqual(limit);
        // A line that was cut is both: its begin was kept, its rest is counted.
        const isCut = kept !== '' && !kept.endsWith('\n') ? 1 : 0;
        expect(linesIn(kept) + dropped).toBeGreaterThanOrEqual(list.length);
        expect(linesIn(kept) + dropped - list.length).toBeLessThanOrEqual(cuts.length + isCut);
        if (kept.length < text.length) expect(dropped).toBeGreaterThan(0);
      },
    ),
  );
});

it('fills again with time', () => {
  const bound = new OutputBound({ total: 1e9, rate: 1000, burst: 100 });
  const line = `${'x'.repeat(49)}\n`;
  expect(passed(bound, line.repeat(4), [])).toBe(line.repeat(2));
  expect(passed(bound, line.repeat(4), [], 60)).toBe(line);
  expect(passed(bound, line.repeat(4), [], 10_000)).toBe(line.repeat(2));
  expect(bound.losses()).toEqual([{ kind: 'dropped-lines', count: 7, detail: expect.stringContaining('per second') }]);
});
