// What a capture may be asked to do over HTTP: nothing that would reach the agent as something else.
import { expect, it } from 'vitest';
import { specSchema } from '../../../controller/http-api/spec-schema.js';
import { KIT, RECORD, STAP, STAT } from '../specs.js';

it.each([RECORD, STAT, STAP, KIT])('takes a $kind as it is', (spec) => {
  expect(specSchema.parse(spec)).toEqual(spec);
});

it('takes the ends of what travels', () => {
  const spec = {
    ...{ ...RECORD, target: { kind: 'pids', pids: [1, 4_194_304] }, rate: { frequency: 2 ** 32 - 1 } },
    ...{ callGraph: { mode: 'dwarf', stackBytes: 2 ** 32 - 1 }, mmapPages: 2 ** 32 - 1 },
  };
  expect(specSchema.parse(spec)).toEqual(spec);
});

// 2^32 + 1 would travel as 1, 99.5 as 99, and half of a character as U+FFFD.
it.each([
  ['target.pids.0', { ...RECORD, target: { kind: 'pids', pids: [2 ** 32 + 1] } }],
  ['target.pids.0', { ...RECORD, target: { kind: 'pids', pids: [0] } }],
  ['target.tids.0', { ...RECORD, target: { kind: 'tids', tids: [4_194_305] } }],
  ['rate.frequency', { ...RECORD, rate: { frequency: 2 ** 32 + 99 } }],
  ['rate', { ...RECORD, rate: { frequency: 99.5 } }],
  ['callGraph.stackBytes', { ...RECORD, callGraph: { mode: 'dwarf', stackBytes: 2 ** 32 + 8192 } }],
  ['mmapPages', { ...RECORD, mmapPages: 2 ** 32 + 64 }],
  ['target.path', { ...RECORD, target: { kind: 'cgroup', path: '/a\ud800' } }],
  ['target.selector.comms.0', { ...RECORD, target: { kind: 'processes', selector: { comms: ['\udc00'] } } }],
  ['command.1', { ...STAP, command: ['sleep', '\ud83d'] }],
])('refuses %s that an agent would read as another', (place, spec) => {
  const result = specSchema.safeParse(spec);
  expect(result.error?.issues.map(({ path }) => path.join('.'))).toEqual([place]);
});
