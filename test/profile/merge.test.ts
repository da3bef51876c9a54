// The laws of merge: associative, commutative, the empty profile is neutral, weights are conserved, unlike profiles are refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkValid } from '../../profile/check-valid.js';
import { emptyProfile, mergeProfiles, ProfileMerger, UnlikeProfilesError } from '../../profile/merge.js';
import type { Profile } from '../../profile/profile.js';
import { arbitraryProfile, contentsOf } from './arbitrary-profile.js';
import { drawProfile } from './draw-profile.js';

const profile = arbitraryProfile();
function same(a: Profile, b: Profile): void {
  expect(contentsOf(a)).toEqual(contentsOf(b));
}
const totals = (p: Profile) => p.samples.values.map((column) => column.reduce((sum, value) => sum + value, 0));

describe('merging profiles', () => {
  it('is commutative', () => {
    fc.assert(fc.property(profile, profile, (a, b) => same(mergeProfiles([a, b]), mergeProfiles([b, a]))));
  });

  it('is associative', () => {
    fc.assert(
      fc.property(profile, profile, profile, (a, b, c) =>
        same(mergeProfiles([mergeProfiles([a, b]), c]), mergeProfiles([a, mergeProfiles([b, c])])),
      ),
    );
  });

  it('has the empty profile as its neutral element', () => {
    fc.assert(
      fc.property(profile, (a) => same(mergeProfiles([emptyProfile(), a, emptyProfile()]), mergeProfiles([a]))),
    );
  });

  it('conserves every weight to the unit and gives valid profiles', () => {
    fc.assert(
      fc.property(fc.array(profile, { minLength: 1, maxLength: 5 }), (list) => {
        const merged = mergeProfiles(list);
        expect(checkValid(merged)).toBeUndefined();
        const sums = list.map((p) => totals(mergeProfiles([p])));
        expect(totals(merged)).toEqual(
          totals(mergeProfiles([list[0]])).map((_, type) => sums.reduce((sum, t) => sum + t[type], 0)),
        );
      }),
    );
  });

  it('adds up equal stacks and keeps different ones', () => {
    const merged = mergeProfiles([drawProfile('main;read 3'), drawProfile('main;read 4')]);
    expect(merged.samples.length).toBe(1);
    expect([...merged.samples.values[1]]).toEqual([7]);
  });

  it('sets labels such as the host on every sample', () => {
    const merger = new ProfileMerger();
    merger.add(drawProfile('main 3'), [{ key: 'host', value: 'db1' }]);
    merger.add(drawProfile('main 4'), [{ key: 'host', value: 'db2' }]);
    const merged = merger.finish();
    expect(merged.labelSets.map((set) => set.map((label) => `${label.key}=${label.value}`).join())).toEqual([
      'comm=app,host=db1',
      'comm=app,host=db2',
    ]);
  });

  it('refuses profiles of other sample types and says which', () => {
    const clock = drawProfile('main 3', { event: 'cpu-clock' });
    expect(() => mergeProfiles([drawProfile('main 3'), clock])).toThrow(UnlikeProfilesError);
    expect(() => mergeProfiles([drawProfile('main 3'), clock])).toThrow(/cpu-clock\/nanoseconds.*page-faults\/count/);
  });

  it('finds each broken invariant', () => {
    const good = drawProfile('a;b 1');
    const broken: [Partial<Profile>, RegExp][] = [
      [{ strings: ['x'] }, /string 0/],
      [{ stacks: { ...good.stacks, parent: Int32Array.of(1, 0) } }, /parents come before children/],
      [{ samples: { ...good.samples, stack: Int32Array.of(2) } }, /samples.stack\[0\] is 2/],
      [{ samples: { ...good.samples, values: [Float64Array.of(1), Float64Array.of(0.5)] } }, /whole number/],
      [{ locations: { ...good.locations, mapping: Int32Array.of(0, 9) } }, /locations.mapping\[1\]/],
      [{ labelSets: [] }, /samples.labels/],
    ];
    expect(checkValid(good)).toBeUndefined();
    for (const [part, message] of broken) expect(checkValid({ ...good, ...part })).toMatch(message);
  });
});
