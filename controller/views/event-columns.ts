// Which columns of a profile belong to an event.
import { eventsOf } from '../../profile/folded.js';
import type { Profile } from '../../profile/profile.js';
import { isTracepoint, type SampleType } from '../../profile/sample-type.js';

/** One event of a profile; `samples` and `weight` are columns of `profile.samples.values`, as long as the sample table. */
export interface EventColumns {
  readonly event: string;
  /** What the weight is counted in. The weight of tracepoints is their number of samples, as in folded stacks. */
  readonly type: SampleType;
  readonly samples: Float64Array;
  readonly weight: Float64Array;
}

export class UnknownEventError extends Error {
  override readonly name = 'UnknownEventError';
}

/**
 * The columns of an event, by default the first one. The empty profile has columns of no rows.
 * @throws UnknownEventError when the profile has other events only; the message names them
 */
export function eventColumns(profile: Profile, event?: string): EventColumns {
  const events = eventsOf(profile);
  const index = event === undefined ? 0 : events.indexOf(event);
  const type = profile.sampleTypes[2 * index + 1];
  if (index < 0 || (type === undefined && event !== undefined)) {
    throw new UnknownEventError(
      `no event ${JSON.stringify(event)} in this profile; it has ${events.join(', ') || 'none'}`,
    );
  }
  if (type === undefined) {
    const none = new Float64Array(profile.samples.length);
    return { event: '', type: { type: '', unit: 'count' }, samples: none, weight: none };
  }
  const { values } = profile.samples;
  const samples = values[2 * index];
  return { event: type.type, type, samples, weight: isTracepoint(type.type) ? samples : values[2 * index + 1] };
}
