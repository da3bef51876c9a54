// From a parsed recording to profile chunks in the spool: names, losses, then the chunks. The one place that wires these parts.
import { mergeLosses } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import type { Detail, Milliseconds } from '../../proto/capture.js';
import { encodeProfile } from '../../proto/profile-codec.js';
import { createLocalHost } from '../symbolize/local-host.js';
import type { KeptObjects } from '../symbolize/symbol-host.js';
import { createSymbolizer } from '../symbolize/symbolizer.js';
import type { CaptureContext } from './capture-context.js';
import type { RawProfile } from './profile-source.js';

const NAME_BUDGET: Milliseconds = 60_000;
const LINE_BUDGET: Milliseconds = 180_000;
/** How the symbolizer's losses of frames begin that lie in no object. */
const UNMAPPED = 'no mapping: ';

export interface RecordingTimes {
  /** Milliseconds since 1970 UTC; 0 when unknown. */
  readonly startTime: number;
  readonly duration: Milliseconds;
}

/** `tellsUnmapped`: its losses say of each frame without a mapping why, so the symbolizer need not. */
type NameableProfile = RawProfile & { readonly tellsUnmapped?: boolean };

/** Symbolize `raw` and spool it. */
export async function spoolProfile(
  context: CaptureContext,
  raw: NameableProfile,
  detail: Detail,
  times: RecordingTimes | undefined,
  kept?: KeptObjects,
): Promise<void> {
  const { profile, losses } = await withNames(raw, detail, kept);
  context.stop.discard.throwIfAborted();
  const all = mergeLosses([losses, context.losses]);
  context.losses.splice(0, context.losses.length, ...all);
  const { startTime, duration } = times ?? profile;
  const whole: Profile = { ...profile, losses: all, startTime, duration };
  for (const chunk of encodeProfile(whole, '')) {
    context.stop.discard.throwIfAborted();
    await context.capture.log.append({ kind: 'profile-chunk', chunk });
  }
}

async function withNames(raw: NameableProfile, detail: Detail, kept: KeptObjects | undefined) {
  if (raw.objects.length === 0) return raw;
  const symbolizer = createSymbolizer(createLocalHost(kept === undefined ? {} : { kept }));
  const { profile, losses } = await symbolizer.symbolize(raw.profile, raw.objects, {
    lines: detail.lines,
    budget: detail.lines ? LINE_BUDGET : NAME_BUDGET,
    demangle: true,
    kernelSymbols: raw.kernelSymbols,
  });
  const untold = raw.tellsUnmapped === true ? losses.filter(({ detail }) => !detail.startsWith(UNMAPPED)) : losses;
  return { profile, losses: [...raw.losses, ...untold] };
}
