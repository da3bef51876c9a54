// From a parsed recording to profile chunks in the spool: names, losses, then the chunks. The one place that wires these parts.
import { mergeLosses } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import type { Detail, Milliseconds } from '../../proto/capture.js';
import { encodeProfile } from '../../proto/profile-codec.js';
import { createLocalHost, type ProgramCost } from '../symbolize/local-host.js';
import type { KeptObjects } from '../symbolize/symbol-host.js';
import { createSymbolizer } from '../symbolize/symbolizer.js';
import { LINES_ALLOWANCE, NAMES_ALLOWANCE } from './budget-limits.js';
import type { CaptureContext } from './capture-context.js';
import type { RawProfile } from './profile-source.js';

const NAME_BUDGET: Milliseconds = 60_000;
const LINE_BUDGET: Milliseconds = 180_000;

/** Time as the symbolizer sees it: it runs faster where more CPU time is used than the allowance has for it. */
function nameClock(
  { cost, accounting }: CaptureContext,
  { lines }: Detail,
): { now: () => Milliseconds; budget: Milliseconds } {
  const budget = lines ? LINE_BUDGET : NAME_BUDGET;
  const allowance = lines ? LINES_ALLOWANCE : NAMES_ALLOWANCE;
  const start = performance.now();
  const now = () => {
    cost.sample();
    const share = accounting.purse.allowed === 0 ? 0 : accounting.namesCpu / allowance;
    return Math.max(performance.now() - start, share * budget);
  };
  return { now, budget };
}

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
  const { profile, losses } = await withNames(context, raw, detail, kept);
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

async function withNames(context: CaptureContext, raw: NameableProfile, detail: Detail, kept?: KeptObjects) {
  if (raw.objects.length === 0) return raw;
  const { now, budget } = nameClock(context, detail);
  const onCost = (program: ProgramCost) => context.cost.addProgram(program);
  const host = createLocalHost({ onCost, ...(kept === undefined ? {} : { kept }) });
  const symbolizer = createSymbolizer({ ...host, now });
  const { profile, losses } = await symbolizer.symbolize(raw.profile, raw.objects, {
    lines: detail.lines,
    budget,
    demangle: true,
    kernelSymbols: raw.kernelSymbols,
  });
  const untold = raw.tellsUnmapped === true ? losses.filter(({ detail }) => !detail.startsWith(UNMAPPED)) : losses;
  return { profile, losses: [...raw.losses, ...untold] };
}
