// Folded stacks as text: `comm;outer;inner 12`, one line per distinct stack, sorted. What `perftrawl fold` prints.
import { type FoldOptions, foldedStacks } from '../../profile/folded.js';
import type { Profile } from '../../profile/profile.js';
import { eventColumns } from '../views/event-columns.js';
import { addressText } from './address-text.js';
import type { ExportOptions, ExportParts } from './exporter.js';

/** @throws UnknownEventError for an event that the profile does not have */
export function* foldedText(profile: Profile, options: ExportOptions = {}): ExportParts {
  const { event } = eventColumns(profile, options.event);
  let text = '';
  for (const { stack, weight } of foldedStacks(profile, { ...foldOptions(profile, options), event })) {
    text += `${stack} ${weight}\n`;
    if (text.length > 1 << 16) {
      yield text;
      text = '';
    }
  }
  yield text;
}

function foldOptions(profile: Profile, options: ExportOptions): FoldOptions {
  return {
    withPid: options.process === 'comm-pid',
    withTid: options.process === 'comm-pid-tid',
    countSamples: options.countSamples === true,
    marksKernel: options.annotate?.kernel === true,
    marksJit: options.annotate?.jit === true,
    ...(options.withAddresses === true ? { addressOf: (location: number) => addressText(profile, location) } : {}),
  };
}
