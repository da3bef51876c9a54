// Recordings joined before their names are looked up: the objects go with their mappings.
import { expect, it } from 'vitest';
import { joinRecordings } from '../../../agent/capture/joined-recording.js';
import type { RawProfile } from '../../../agent/capture/profile-source.js';
import type { ObjectContext } from '../../../agent/symbolize/object-context.js';
import { ProfileBuilder } from '../../../profile/profile-builder.js';
import { samplesOf, weightOf } from '../../../profile/sample-type.js';

interface Seen {
  readonly path: string;
  readonly pids: readonly number[];
}

/** One sample in each object, of weight 3. */
function recording(...seen: readonly Seen[]): RawProfile {
  const builder = new ProfileBuilder([samplesOf('cpu-clock'), weightOf('cpu-clock')]);
  const objects = seen.map(({ path, pids }): ObjectContext => {
    const mapping = builder.mapping(path);
    const sample = builder.sample(builder.stack(-1, builder.location(mapping, 16, 0)), builder.labelSet([]));
    builder.add(sample, 0, 1);
    builder.add(sample, 1, 3);
    return { mapping, kind: 'elf', path, buildId: '', pids, memoryStart: { lo: 0, hi: 0 }, isLive: true };
  });
  return { profile: builder.freeze(), losses: [], objects, kernelSymbols: [], needsUnwinding: false };
}

it('has each object once, under its new mapping, with the processes of all pieces', () => {
  const first = recording({ path: '/bin/a', pids: [1, 2] }, { path: '/lib/c.so', pids: [1] });
  const second = recording({ path: '/lib/c.so', pids: [7, 1] }, { path: '/bin/b', pids: [7] });
  const { profile, objects } = joinRecordings([first, second]);
  const names = objects.map(({ mapping }) => profile.strings[profile.mappings.filename[mapping]]);
  expect(objects.map(({ mapping }) => mapping)).toEqual([0, 1, 2]);
  expect(names).toEqual(['/bin/a', '/lib/c.so', '/bin/b']);
  expect(objects.map(({ path, pids }) => ({ path, pids }))).toEqual([
    { path: '/bin/a', pids: [1, 2] },
    { path: '/lib/c.so', pids: [7, 1] },
    { path: '/bin/b', pids: [7] },
  ]);
  expect(profile.samples.values[1].reduce((sum, weight) => sum + weight, 0)).toBe(12);
});

it('keeps at most eight processes of an object, the latest', () => {
  const pids = (from: number) => [0, 1, 2, 3, 4, 5].map((i) => from + i);
  const joined = joinRecordings([
    recording({ path: '/bin/a', pids: pids(1) }),
    recording({ path: '/bin/a', pids: pids(11) }),
  ]);
  expect(joined.objects[0].pids).toEqual([5, 6, ...pids(11)]);
});
