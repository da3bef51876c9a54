// The call tree against drawings: merging by function, roots, filters, callers, bounds; nothing is ever lost from the total.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CallTree, type CallTreeOptions, callTree } from '../../../controller/views/call-tree.js';
import { UnknownEventError } from '../../../controller/views/event-columns.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawings } from './drawings.js';

const TWO_PROCESSES = `
  {comm=web host=a} main;serve;read@[kernel.kallsyms]   5
  {comm=web host=b} main;serve                          3
  {comm=db host=b}  main;scan;serve                     2
`;

test('samples that came down the same functions are one node, below their process', () => {
  expect(draw(TWO_PROCESSES)).toEqual([
    'all 0/10',
    '  db 0/2',
    '    main 0/2',
    '      scan 0/2',
    '        serve 2/2',
    '  web 0/8',
    '    main 0/8',
    '      serve 3/8',
    '        read 5/5',
  ]);
});

test('the root can be any label, or none', () => {
  expect(draw(TWO_PROCESSES, { rootLabel: 'host' }).filter((line) => /^ {2}\S/.test(line))).toEqual([
    '  a 0/5',
    '  b 0/5',
  ]);
  expect(draw(TWO_PROCESSES, { rootLabel: '' })).toEqual([
    'all 0/10',
    '  main 0/10',
    '    scan 0/2',
    '      serve 2/2',
    '    serve 3/8',
    '      read 5/5',
  ]);
});

test('the same function at other addresses or in other files is the same node; kernel and user code of one name are not', () => {
  expect(
    draw('main@/v1/app;f@/v1/app 1\n main@/v2/app;f@/v2/app 2\n main@/v1/app;f@[kernel.kallsyms] 4', { rootLabel: '' }),
  ).toEqual(['all 0/7', '  main 0/7', '    f 4/4', '    f 3/3']);
});

test('inlined functions are frames of their own, and addresses without a name are called after their file', () => {
  expect(
    draw('main;outer>inner 2\n main;?0x1f@/lib/libc.so.6 1\n main;?0x2f@/lib/libc.so.6 1', { rootLabel: '' }),
  ).toEqual(['all 0/4', '  main 0/4', '    [libc.so.6] 2/2', '    outer 0/2', '      inner 2/2']);
});

test('inverted: who called the functions that samples fell in', () => {
  expect(draw(TWO_PROCESSES, { inverted: true })).toEqual([
    'all 0/10',
    '  read 0/5',
    '    serve 0/5',
    '      main 0/5',
    '        web 5/5',
    '  serve 0/5',
    '    main 0/3',
    '      web 3/3',
    '    scan 0/2',
    '      main 0/2',
    '        db 2/2',
  ]);
});

test('a filter keeps samples by label and by the functions on their stacks', () => {
  const total = (options: CallTreeOptions): number => callTree(drawProfile(TWO_PROCESSES), options).total[0];
  expect(total({ labels: { comm: 'web' } })).toBe(8);
  expect(total({ labels: { host: /^[bc]$/g } })).toBe(5);
  expect(total({ labels: { nothing: 'x' } })).toBe(0);
  expect(total({ withFrame: /scan|read/ })).toBe(7);
  expect(total({ withoutFrame: /^scan$/ })).toBe(8);
  expect(total({ labels: { comm: 'web' }, withFrame: /read/ })).toBe(5);
});

test('each event has its own weights; samples can be counted instead; an unknown event is refused by name', () => {
  const profile = drawProfile('main 100/4', { event: 'cpu-clock', more: { 'page-faults': 'main;fault 7' } });
  expect(callTree(profile).total[0]).toBe(100);
  expect(callTree(profile, { countSamples: true }).total[0]).toBe(4);
  expect(callTree(profile, { event: 'page-faults' }).total[0]).toBe(7);
  expect(() => callTree(profile, { event: 'cycles' })).toThrow(UnknownEventError);
  expect(() => callTree(profile, { event: 'cycles' })).toThrow('it has cpu-clock, page-faults');
});

test('tracepoints weigh their number of samples, as in folded stacks', () => {
  expect(callTree(drawProfile('main 100/4', { event: 'sched:sched_switch' })).total[0]).toBe(4);
});

test('frames below the depth limit are cut, and their weight stays', () => {
  const tree = callTree(drawProfile('a;b;c;d 3\n a;b 1'), { maxDepth: 3 });
  expect(lines(tree)).toEqual(['all 0/4', '  app 0/4', '    a 0/4', '      b 4/4']);
  expect(tree.cutStacks).toBe(1);
});

test('samples without frames count for their process', () => {
  expect(draw('- 4\n main 1')).toEqual(['all 0/5', '  app 4/5', '    main 1/1']);
});

test('a profile of nothing is a root of weight 0', () => {
  expect(draw('')).toEqual(['all 0/0']);
});

test('upright and inverted trees hold the whole weight, and each node its children', () => {
  fc.assert(
    fc.property(
      drawings(),
      fc.boolean(),
      fc.constantFrom('comm', 'host', ''),
      ({ text, weight }, inverted, rootLabel) => {
        const tree = callTree(drawProfile(text), { inverted, rootLabel });
        const inChildren = new Float64Array(tree.length);
        for (let node = 1; node < tree.length; node++) inChildren[tree.parent[node]] += tree.total[node];
        expect(tree.total[0]).toBe(weight);
        expect(tree.self.reduce((sum, value) => sum + value, 0)).toBe(weight);
        for (let node = 0; node < tree.length; node++)
          expect(inChildren[node] + tree.self[node]).toBe(tree.total[node]);
      },
    ),
  );
});

function draw(text: string, options: CallTreeOptions = {}): string[] {
  return lines(callTree(drawProfile(text), options));
}

/** `name self/total`, indented by depth, siblings by name. */
function lines(tree: CallTree): string[] {
  const below = (node: number): string[] => {
    const children = [];
    for (let child = 1; child < tree.length; child++) if (tree.parent[child] === node) children.push(child);
    const blocks = children.map((child) => ({ name: tree.frames[tree.frame[child]].name, lines: below(child) }));
    blocks.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : b.lines[0] < a.lines[0] ? -1 : 1));
    const own = `${'  '.repeat(tree.depth[node])}${tree.frames[tree.frame[node]].name} ${tree.self[node]}/${tree.total[node]}`;
    return [own, ...blocks.flatMap((block) => block.lines)];
  };
  return below(0);
}
