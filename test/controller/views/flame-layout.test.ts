// Where frames lie: children inside their parents, siblings apart, weights exact, narrow ones gone with all above them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { callTree } from '../../../controller/views/call-tree.js';
import { type FlameLayout, flameLayout } from '../../../controller/views/flame-layout.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawings } from './drawings.js';

test('frames stand in order of their names, scaled to the width', () => {
  const tree = callTree(drawProfile('main;b 1\n main;a;x 2\n main 1'), { rootLabel: '' });
  const layout = flameLayout(tree, { width: 400 });
  const rows = Array.from({ length: layout.length }, (_, row) => [
    tree.frames[tree.frame[layout.node[row]]].name,
    layout.depth[row],
    layout.x[row],
    layout.width[row],
  ]);
  expect(rows).toEqual([
    ['all', 0, 0, 400],
    ['main', 1, 0, 400],
    ['a', 2, 0, 200],
    ['x', 3, 0, 200],
    ['b', 2, 200, 100],
  ]);
  expect(layout.maxDepth).toBe(3);
});

test('what is too narrow is left out and counted, and nothing else moves', () => {
  const tree = callTree(drawProfile('main;a;x;y 1\n main;b 99'), { rootLabel: '' });
  const layout = flameLayout(tree, { width: 100, minWidth: 1.5 });
  expect(layout.hiddenFrames).toBe(3);
  expect(layout.length).toBe(3);
  expect([layout.start[2], layout.weight[2], layout.weight[0]]).toEqual([1, 99, 100]);
  expect(layout.maxDepth).toBe(2);
});

test('a profile of nothing is a root as wide as everything', () => {
  const layout = flameLayout(callTree(drawProfile('')), { width: 300 });
  expect([layout.length, layout.width[0], layout.weight[0]]).toEqual([1, 300, 0]);
});

test('in any layout children lie inside their parents and siblings do not overlap', () => {
  fc.assert(
    fc.property(
      drawings(),
      fc.boolean(),
      fc.double({ min: 0, max: 50, noNaN: true }),
      ({ text, weight }, inverted, minWidth) => {
        const tree = callTree(drawProfile(text), { inverted });
        const layout = flameLayout(tree, { width: 1000, minWidth });
        expect(layout.weight[0]).toBe(weight);
        expectNested(layout, tree.parent);
      },
    ),
  );
});

function expectNested(layout: FlameLayout, parentOf: Int32Array): void {
  const rowOf = new Map(Array.from(layout.node, (node, row) => [node, row]));
  const filledTo = new Map<number, number>();
  for (let row = 1; row < layout.length; row++) {
    const parent = rowOf.get(parentOf[layout.node[row]]) ?? -1;
    expect(parent).toBeGreaterThanOrEqual(0);
    expect(layout.depth[row]).toBe(layout.depth[parent] + 1);
    expect(layout.start[row]).toBeGreaterThanOrEqual(filledTo.get(parent) ?? layout.start[parent]);
    const end = layout.start[row] + layout.weight[row];
    expect(end).toBeLessThanOrEqual(layout.start[parent] + layout.weight[parent]);
    filledTo.set(parent, end);
  }
}
