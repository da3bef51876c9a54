// How many sampled frames each location stands for, so that the most sampled objects go first and misses can be counted.
import type { Profile } from '../../profile/profile.js';

/** Per location: the sum over all samples of how often it is in the sample's stack. */
export function countFrames(profile: Profile): Float64Array {
  const { stacks, samples, sampleTypes } = profile;
  const counts = sampleTypes.flatMap((type, column) =>
    type.type.startsWith('samples:') ? [samples.values[column]] : [],
  );
  const below = new Float64Array(stacks.length);
  for (let row = 0; row < samples.length; row++) {
    const stack = samples.stack[row];
    if (stack < 0) continue;
    for (const column of counts) below[stack] += column[row];
  }
  const frames = new Float64Array(profile.locations.length);
  // Parents come before children, so going backwards every path's count is complete before it is added to its parent's.
  for (let row = stacks.length - 1; row >= 0; row--) {
    frames[stacks.location[row]] += below[row];
    if (stacks.parent[row] >= 0) below[stacks.parent[row]] += below[row];
  }
  return frames;
}
