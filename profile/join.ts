// Join recordings that one host made one after the other: as merging does, and with the single samples on one clock.
import { addSamples } from './merge.js';
import type { Profile } from './profile.js';
import { ProfileBuilder } from './profile-builder.js';

/**
 * Weights are conserved to the unit; timed samples are carried over. The length is the sum of the lengths.
 * @param pieces at least one, in the order of time, whose sample times come from the same clock
 * @throws UnlikeProfilesError when they count different things
 */
export function joinProfiles(pieces: readonly Profile[]): Profile {
  const counting = pieces.filter(({ sampleTypes }) => sampleTypes.length > 0);
  const builder = new ProfileBuilder(counting[0]?.sampleTypes ?? []);
  const clockStart = Math.min(...counting.map((piece) => (piece.timed === undefined ? Infinity : piece.clockStart)));
  for (const piece of counting) {
    const { sampleOf, typeOf } = addSamples(builder, piece);
    const { timed } = piece;
    if (timed === undefined) continue;
    for (let i = 0; i < timed.length; i++) {
      // Columns come in pairs, so events keep together.
      const event = typeOf[2 * timed.event[i]] / 2;
      const time = timed.time[i] + piece.clockStart - clockStart;
      builder.timed(sampleOf[timed.sample[i]], event, time, timed.cpu[i], timed.weight[i]);
    }
  }
  return builder.freeze({
    startTime: pieces.find(({ startTime }) => startTime > 0)?.startTime ?? 0,
    duration: pieces.reduce((sum, { duration }) => sum + duration, 0),
    clockStart: Number.isFinite(clockStart) ? clockStart : 0,
    comments: pieces.flatMap(({ comments }) => comments),
    losses: pieces.flatMap(({ losses }) => losses),
  });
}
