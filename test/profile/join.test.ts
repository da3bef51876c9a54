// Recordings of one host joined: weights conserved to the unit, timed samples on one clock.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkValid } from '../../profile/check-valid.js';
import { joinProfiles } from '../../profile/join.js';
import { mergeProfiles } from '../../profile/merge.js';
import type { Profile } from '../../profile/profile.js';
import { arbitraryProfile, contentsOf } from './arbitrary-profile.js';

const pieces = fc.array(arbitraryProfile(true), { minLength: 1, maxLength: 4 });
const totals = (p: Profile) => p.samples.values.map((column) => column.reduce((sum, value) => sum + value, 0));
const sum = (lists: readonly (readonly number[])[]) =>
  lists[0].map((_, i) => lists.reduce((all, one) => all + one[i], 0));
/** Absolute time, event, CPU and weight of each, in order. */
const timesOf = ({ timed, clockStart }: Profile) =>
  Array.from({ length: timed?.length ?? 0 }, (_, i) =>
    [(timed?.time[i] ?? 0) + clockStart, timed?.event[i], timed?.cpu[i], timed?.weight[i]].join(' '),
  ).sort();

describe('joining recordings', () => {
  it('conserves weights to the unit, and gives what merging gives', () => {
    fc.assert(
      fc.property(pieces, (list) => {
        const joined = joinProfiles(list);
        expect(checkValid(joined)).toBeUndefined();
        expect(totals(joined)).toEqual(sum(list.map(totals)));
        // But for the length, which is that of all of them. (Merging orders the columns, and keeps no single samples.)
        const { duration } = joined;
        expect(contentsOf(mergeProfiles([joined]))).toEqual(
          contentsOf({ ...mergeProfiles(list), duration, startTime: joined.startTime }),
        );
        expect(duration).toBe(list.reduce((all, piece) => all + piece.duration, 0));
      }),
    );
  });

  it('carries every timed sample over at its own moment', () => {
    fc.assert(
      fc.property(pieces, fc.array(fc.nat(2 ** 40), { minLength: 4, maxLength: 4 }), (list, starts) => {
        const clocked = list.map((piece, i) =>
          piece.timed === undefined ? piece : { ...piece, clockStart: starts[i] },
        );
        expect(timesOf(joinProfiles(clocked))).toEqual(clocked.flatMap(timesOf).sort());
      }),
    );
  });
});
