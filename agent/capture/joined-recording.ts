// Recordings that perf made one after the other into one, before names are looked up.
import { joinProfiles } from '../../profile/join.js';
import type { Profile } from '../../profile/profile.js';
import type { ObjectContext } from '../symbolize/object-context.js';
import type { RawProfile } from './profile-source.js';

/** As the symbolizer takes them. */
const MOST_PIDS = 8;

/** @param pieces at least one, of the same events on the same host */
export function joinRecordings(pieces: readonly RawProfile[]): RawProfile {
  if (pieces.length === 1) return pieces[0];
  const profile = joinProfiles(pieces.map((piece) => piece.profile));
  return {
    profile,
    losses: pieces.flatMap(({ losses }) => losses),
    objects: objectsOf(profile, pieces),
    kernelSymbols: pieces.flatMap(({ kernelSymbols }) => kernelSymbols),
    needsUnwinding: pieces.some(({ needsUnwinding }) => needsUnwinding),
  };
}

/** One for each mapping, which is the same object in all pieces that have it; later processes last. */
function objectsOf(joined: Profile, pieces: readonly RawProfile[]): ObjectContext[] {
  const known = new Map<string, ObjectContext>();
  for (const { profile, objects } of pieces) {
    for (const object of objects) {
      const key = nameOf(profile, object.mapping);
      const before = known.get(key)?.pids ?? [];
      const pids = [...before.filter((pid) => !object.pids.includes(pid)), ...object.pids].slice(-MOST_PIDS);
      known.set(key, { ...object, pids });
    }
  }
  const objects: ObjectContext[] = [];
  for (let mapping = 0; mapping < joined.mappings.length; mapping++) {
    const object = known.get(nameOf(joined, mapping));
    if (object !== undefined) objects.push({ ...object, mapping });
  }
  return objects;
}

function nameOf({ strings, mappings }: Profile, mapping: number): string {
  return `${strings[mappings.filename[mapping]]}\0${strings[mappings.buildId[mapping]]}`;
}
