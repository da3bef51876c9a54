// Losses in words that a person can act on: what is missing, and how much.
import type { Loss, LossKind } from '../../profile/loss.js';
import { withCommas } from './number-text.js';

/** `12 events lost (ring buffer of perf was full)`; the detail follows after a colon. */
export function lossText(loss: Loss): string {
  const [one, many] = WORDS[loss.kind];
  const detail = loss.detail === '' ? '' : `: ${loss.detail}`;
  return `${withCommas(loss.count)} ${loss.count === 1 ? one : many}${detail}`;
}

/** All losses that are not zero in one line, without their details: `12 events lost, 2 hosts missing`; '' when nothing is missing. */
export function lossSummary(losses: readonly Loss[]): string {
  const counts = new Map<LossKind, number>();
  for (const { kind, count } of losses) counts.set(kind, (counts.get(kind) ?? 0) + count);
  return [...counts]
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => lossText({ kind, count, detail: '' }))
    .join(', ');
}

const WORDS: Record<LossKind, readonly [one: string, many: string]> = {
  'lost-events': ['event lost', 'events lost'],
  'lost-samples': ['sample lost', 'samples lost'],
  throttled: ['time throttled', 'times throttled'],
  'truncated-stacks': ['stack truncated', 'stacks truncated'],
  'frames-without-lines': ['frame without a source line', 'frames without a source line'],
  'unsymbolized-frames': ['frame without a name', 'frames without a name'],
  'skipped-records': ['record skipped', 'records skipped'],
  'skipped-samples': ['sample skipped', 'samples skipped'],
  'unreadable-bytes': ['byte unreadable', 'bytes unreadable'],
  'truncated-input': ['input cut off', 'inputs cut off'],
  'skipped-lines': ['line skipped', 'lines skipped'],
  'not-counted': ['interval not counted', 'intervals not counted'],
  'not-supported': ['event not supported', 'events not supported'],
  'out-of-budget': ['piece of work given up at its bound', 'pieces of work given up at their bound'],
  'missing-hosts': ['host missing', 'hosts missing'],
  'skipped-probes': ['probe hit skipped by SystemTap', 'probe hits skipped by SystemTap'],
  'damaged-histograms': ['histogram damaged', 'histograms damaged'],
  'refused-processes': ['process left out by the policy', 'processes left out by the policy'],
  'dropped-lines': ['line of output dropped', 'lines of output dropped'],
  'missing-parts': ['part missing', 'parts missing'],
};
