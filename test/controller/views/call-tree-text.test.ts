// The call tree as people see it in a terminal.
import { expect, test } from 'vitest';
import { callTree } from '../../../controller/views/call-tree.js';
import { type CallTreeTextOptions, callTreeText } from '../../../controller/views/call-tree-text.js';
import { drawProfile } from '../../profile/draw-profile.js';

const SERVER = `
  {comm=web} main;serve;read@[kernel.kallsyms];fault@[kernel.kallsyms] 600
  {comm=web} main;serve;parse 300
  {comm=web} main;rare 4
  {comm=web} main;seldom 3
  {comm=db} scan 93
`;

test('chains go straight down, forks branch, what is too small is summed up', () => {
  expect(text(SERVER)).toBe(`
  total    self     weight  page-faults
 100.0%    0.0%      1,000  all
  90.7%    0.0%        907  ├─ web
  90.7%    0.0%        907  │  main  app
  90.0%    0.0%        900  │  ├─ serve  app
  60.0%    0.0%        600  │  │  ├─ read  [kernel.kallsyms]
  60.0%   60.0%        600  │  │  │  fault  [kernel.kallsyms]
  30.0%   30.0%        300  │  │  └─ parse  app
   0.7%                     │  └─ (2 more, each below 1%)
   9.3%    0.0%         93  └─ db
   9.3%    9.3%         93     scan  app
`);
});

test('the threshold and the number of lines are the reader’s choice', () => {
  expect(text(SERVER, { minPercent: 50 })).toContain('(one more below 50%)');
  expect(text(SERVER, { minPercent: 0 })).toContain('seldom');
  expect(text(SERVER, { maxLines: 3 }).trim().split('\n')).toHaveLength(5);
  expect(text(SERVER, { maxLines: 3 })).toContain('… and 3 more branches');
});

test('colours only when asked for', () => {
  expect(text(SERVER)).not.toContain('\x1b');
  expect(text(SERVER, { isColored: true })).toContain('\x1b[31m 100.0%');
});

test('names from other machines cannot steer the terminal', () => {
  expect(text('main;evil\x1b[2Jname 1')).toContain('evil␛[2Jname');
});

test('nothing counted is said, not divided by', () => {
  expect(callTreeText(callTree(drawProfile('')))).toBe(
    '  total    self     weight  page-faults\n      -       -          0  all\n',
  );
});

test('clocks are shown as times', () => {
  const profile = drawProfile('main 2500000000/9', { event: 'cpu-clock' });
  expect(callTreeText(callTree(profile))).toContain('2.50 s');
});

function text(drawing: string, options: CallTreeTextOptions = {}): string {
  return `\n${callTreeText(callTree(drawProfile(drawing)), options)}`;
}
