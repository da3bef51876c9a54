// Losses on the wire.
import type { Loss, LossKind } from '../profile/loss.js';
import { fail } from './failure.js';
import type { perftrawl } from './generated/perftrawl.js';

const KINDS: Record<LossKind, true> = {
  'lost-events': true,
  'lost-samples': true,
  throttled: true,
  'truncated-stacks': true,
  'unsymbolized-frames': true,
  'frames-without-lines': true,
  'skipped-records': true,
  'skipped-samples': true,
  'unreadable-bytes': true,
  'truncated-input': true,
  'skipped-lines': true,
  'not-counted': true,
  'not-supported': true,
  'out-of-budget': true,
  'missing-hosts': true,
  'skipped-probes': true,
  'damaged-histograms': true,
  'refused-processes': true,
  'dropped-lines': true,
  'missing-parts': true,
};

/** @throws FailureError `bad-data` for a kind that this version does not know or a count that is no whole number */
export function decodeLoss(message: perftrawl.v1.Loss.$Properties): Loss {
  const kind = message.kind ?? '';
  const count = message.count ?? 0;
  if (!isLossKind(kind))
    throw fail('bad-data', `unknown kind of loss ${JSON.stringify(kind)}`, 'update perftrawl on this machine');
  if (!Number.isSafeInteger(count) || count < 0) throw fail('bad-data', `a loss of ${count} is no whole number`);
  return { kind, count, detail: message.detail ?? '' };
}

function isLossKind(text: string): text is LossKind {
  return Object.hasOwn(KINDS, text);
}
