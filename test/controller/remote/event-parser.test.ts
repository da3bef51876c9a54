// Server-sent events cut anywhere are the same events.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EventParser } from '../../../controller/remote/event-parser.js';

const text = [
  ...[
    'id: f-1',
    'event: host-run',
    'data: {"run":1}',
    '',
    ': still at it',
    '',
    'event: job',
    'data: {"a":',
    'data: 2}',
  ],
  ...['', 'data:no space', '', 'event: nothing follows', '', ''],
].join('\n');

const expected = [
  { id: 'f-1', event: 'host-run', data: '{"run":1}' },
  { id: '', event: 'job', data: '{"a":\n2}' },
  { id: '', event: '', data: 'no space' },
];

it('reads events, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const parser = new EventParser();
      const at = [0, ...cuts.sort((a, b) => a - b), text.length];
      const events = at.slice(1).flatMap((end, i) => [...parser.push(text.slice(at[i], end))]);
      expect(events).toEqual(expected);
    }),
  );
});

it('refuses an event without an end', () => {
  const parser = new EventParser();
  const piece = 'x'.repeat(2 ** 24);
  expect(() => {
    for (let i = 0; i < 8; i++) for (const _event of parser.push(piece)) expect.fail('an event');
  }).toThrow(/does not end/);
});
