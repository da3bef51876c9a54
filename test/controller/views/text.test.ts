// The small texts that views are made of: numbers, losses, sparklines, tables, harmless names.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lossSummary, lossText } from '../../../controller/views/loss-text.js';
import { percentText, valueText, weightText, withCommas } from '../../../controller/views/number-text.js';
import { printable } from '../../../controller/views/printable.js';
import { sparkline } from '../../../controller/views/sparkline.js';
import { textTable, textWidth } from '../../../controller/views/text-table.js';

test('numbers', () => {
  expect([0, 999, 1000, 1234567].map(withCommas)).toEqual(['0', '999', '1,000', '1,234,567']);
  expect([12.3456, -1234, 1234.5, 0.5, 100].map(valueText)).toEqual(['12.346', '-1,234', '1,235', '0.5', '100']);
  expect([percentText(1, 3), percentText(1, 3, 0), percentText(0, 0)]).toEqual(['33.33%', '33%', '-']);
  expect([weightText(999, 'nanoseconds'), weightText(1_500_000, 'nanoseconds')]).toEqual(['999 ns', '1.50 ms']);
  expect([weightText(2048, 'bytes'), weightText(12345, 'count')]).toEqual(['2.00 KiB', '12,345']);
});

test('losses in words, added up by kind', () => {
  expect(lossText({ kind: 'lost-events', count: 1, detail: 'db1' })).toBe('1 event lost: db1');
  const losses = [
    { kind: 'lost-events', count: 12, detail: 'db1' },
    { kind: 'missing-hosts', count: 1, detail: 'db3' },
    { kind: 'lost-events', count: 1000, detail: 'db2' },
    { kind: 'throttled', count: 0, detail: '' },
  ] as const;
  expect(lossSummary(losses)).toBe('1,012 events lost, 1 host missing');
  expect(lossSummary([])).toBe('');
});

test('sparklines scale to the greatest value, leave gaps and stay within their width', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█');
  expect(sparkline([5, undefined, 5])).toBe('█ █');
  expect(sparkline([0, 0])).toBe('▁▁');
  expect(sparkline([])).toBe('');
  expect(sparkline([-4, 0, 4])).toBe('▁▅█');
  expect(sparkline([0, 0, 8, 8], { width: 2 })).toBe('▁█');
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.double({ min: -1e18, max: 1e18, noNaN: true }), { nil: undefined })),
      (values) => {
        const line = sparkline(values, { width: 10 });
        expect(line).toMatch(/^[ ▁▂▃▄▅▆▇█]*$/);
        expect(line).toHaveLength(Math.min(10, values.length));
      },
    ),
  );
});

test('tables line up by what a terminal shows', () => {
  const columns = [
    { heading: 'name', align: 'left' },
    { heading: 'n', align: 'right' },
  ] as const;
  expect(
    textTable(columns, [
      ['日本', '1'],
      ['a', '22'],
    ]),
  ).toBe('name   n\n日本   1\na     22\n');
  expect(textWidth('日本a')).toBe(5);
});

test('names from elsewhere become harmless: no control characters, no broken surrogates, no turned reading direction', () => {
  expect(printable('a\x1b[31mb\n\x7f\u0085\ud800\u202ec')).toBe('a␛[31mb␊␡���c');
  expect(printable('std::vector<int>::push_back 日本 🙂')).toBe('std::vector<int>::push_back 日本 🙂');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cs}\p{Bidi_Control}]/u);
    }),
  );
});
