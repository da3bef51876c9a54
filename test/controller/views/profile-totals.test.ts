// Sums by function, process and object, against folded text that is added up here, and against the call tree.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldedText } from '../../../controller/export/folded.js';
import { objectName } from '../../../controller/views/frame-table.js';
import { type ProfileTotals, profileTotals } from '../../../controller/views/profile-totals.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawings } from './drawings.js';

const EVENT = 'page-faults';

/** Weight by name: at the end of a stack, and anywhere on it; the process is the first frame. */
function sumsOf(folded: string) {
  const [self, total, comms] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()];
  const add = (sums: Map<string, number>, key: string, weight: number) => sums.set(key, (sums.get(key) ?? 0) + weight);
  for (const line of folded.split('\n').filter(Boolean)) {
    const at = line.lastIndexOf(' ');
    const weight = Number(line.slice(at + 1));
    const [comm, ...frames] = line.slice(0, at).split(';');
    add(comms, comm, weight);
    const last = frames.at(-1);
    if (last !== undefined) add(self, last, weight);
    for (const name of new Set(frames)) add(total, name, weight);
  }
  return { self, total, comms };
}

/** Those with anything in them, as objects. */
function rowsOf(totals: ProfileTotals) {
  const rows = totals.names.map((name, row) => ({
    ...{ name, object: totals.objects[row] },
    self: { samples: totals.selfSamples[row], weight: totals.selfWeight[row] },
    total: { samples: totals.totalSamples[row], weight: totals.totalWeight[row] },
  }));
  return rows.filter(({ total }) => total.weight > 0 || total.samples > 0);
}
type TotalsRow = ReturnType<typeof rowsOf>[number];

/** By name, whatever the object is. A name in two objects may be on one stack: its total is then more than the folded one. */
function byName(rows: readonly TotalsRow[], amountOf: (row: TotalsRow) => number) {
  const sums = new Map<string, number>();
  for (const row of rows) if (amountOf(row) > 0) sums.set(row.name, (sums.get(row.name) ?? 0) + amountOf(row));
  return sums;
}

const textOf = (parts: Iterable<string | Uint8Array>) => [...parts].join('');
const sorted = (sums: ReadonlyMap<string, number>) => [...sums].sort(([a], [b]) => (a < b ? -1 : 1));

describe('sums of any profile', () => {
  it('by function are those of its folded text', () => {
    fc.assert(
      fc.property(drawings(), ({ text }) => {
        // One object, so that a name is a function.
        const profile = drawProfile(text.replaceAll(/@[^;\s]+/g, '').replaceAll(/\?0x[0-9a-f]+/g, 'anon'));
        const rows = rowsOf(profileTotals(profile, EVENT, 'functions'));
        // Inlined frames carry a mark in folded text.
        const { self, total } = sumsOf(textOf(foldedText(profile)));
        expect(sorted(byName(rows, (row) => row.self.weight))).toEqual(sorted(self));
        expect(sorted(byName(rows, (row) => row.total.weight))).toEqual(sorted(total));
      }),
    );
  });

  it('add up to what was counted', () => {
    fc.assert(
      fc.property(drawings(), fc.constantFrom('functions', 'comms', 'objects'), ({ text, weight }, of) => {
        const profile = drawProfile(text);
        const totals = profileTotals(profile, EVENT, of);
        const { all } = totals;
        const rows = rowsOf(totals);
        expect(all.weight).toBe(weight);
        const bare = [...profile.samples.stack].reduce(
          (sum, stack, row) => sum + (stack < 0 ? profile.samples.values[1][row] : 0),
          0,
        );
        const self = rows.reduce((sum, row) => sum + row.self.weight, 0);
        expect(self).toBe(of === 'comms' ? weight : weight - bare);
        for (const row of rows) {
          expect(row.total.weight).toBeGreaterThanOrEqual(row.self.weight);
          expect(row.total.weight).toBeLessThanOrEqual(weight);
        }
        expect(new Set(rows.map(({ name, object }) => `${name} ${object}`)).size).toBe(rows.length);
      }),
    );
  });

  it('by process are the first frames of its folded text', () => {
    fc.assert(
      fc.property(drawings(), ({ text }) => {
        const profile = drawProfile(text.replaceAll('{host=a} ', ''));
        const rows = byName(rowsOf(profileTotals(profile, EVENT, 'comms')), (row) => row.total.weight);
        const { comms } = sumsOf(textOf(foldedText(profile)));
        expect(sorted(new Map([...rows].map(([name, sum]) => [name.replaceAll(' ', '_'), sum])))).toEqual(
          sorted(comms),
        );
      }),
    );
  });
});

describe('sums', () => {
  const row = (rows: readonly TotalsRow[], name: string, object = '') =>
    rows.find((found) => found.name === name && found.object === object);

  it('count a function that calls itself once, and keep those of other objects apart', () => {
    const totals = profileTotals(
      drawProfile('f;f;f 10/2\nf;g;f@/lib/x/libc.so.6 5\nf@/usr/lib/libc.so.6 7\n- 3'),
      EVENT,
      'functions',
    );
    const rows = rowsOf(totals);
    expect(totals.all).toEqual({ samples: 17, weight: 25 });
    expect(row(rows, 'f', 'app')).toMatchObject({
      self: { weight: 10, samples: 2 },
      total: { weight: 15, samples: 7 },
    });
    // The same library in another directory.
    expect(row(rows, 'f', 'libc.so.6')).toMatchObject({ self: { weight: 12 }, total: { weight: 12 } });
  });

  it('leave out what folded stacks leave out: its callers have it', () => {
    const rows = rowsOf(profileTotals(drawProfile('f;(skipped) 3\nf;(skipped);g 2\n(skipped) 4'), EVENT, 'functions'));
    expect(rows.map(({ name, self, total }) => [name, self.weight, total.weight])).toEqual([
      ['f', 3, 5],
      ['g', 2, 2],
    ]);
  });

  it('of objects count the innermost for self, and each once for total', () => {
    const rows = rowsOf(profileTotals(drawProfile('f;g@/lib/a.so;h 4\nf;g@/lib/a.so 2'), EVENT, 'objects'));
    expect(row(rows, 'app')).toMatchObject({ self: { weight: 4 }, total: { weight: 6 } });
    expect(row(rows, 'a.so')).toMatchObject({ self: { weight: 2 }, total: { weight: 6 } });
  });

  it.each([
    ['/usr/lib/libc.so.6', 'libc.so.6'],
    ['/opt/app (deleted)', 'app'],
    ['/tmp/perf-123.map', '[jit]'],
    ['/tmp/jitted-123-4.so', '[jit]'],
    ['[kernel.kallsyms]', '[kernel.kallsyms]'],
    ['', '[unknown]'],
  ])('call the object %j %s', (mapping, name) => {
    expect(objectName(mapping)).toBe(name);
  });
});
