// Whether two profiles may be compared at all: what was counted, how it was sampled, how stacks were taken, of what. And what to bear in mind.
import type { Loss, LossKind } from '../../profile/loss.js';
import { isTracepoint, type SampleType } from '../../profile/sample-type.js';
import type { CaptureSpec, RecordSpec, Target } from '../../proto/capture.js';
import { lossSummary } from './loss-text.js';

/** What is known of one side. */
export interface ComparableFacts {
  /** As it is called in messages. */
  readonly name: string;
  readonly spec: CaptureSpec;
  /** Of the event that is compared. */
  readonly samples: number;
  readonly losses: readonly Loss[];
}

export interface Comparability {
  /** Why the two cannot be compared; each a sentence without its end. */
  readonly refusals: readonly string[];
  /** What does not forbid it, and a reader must know. */
  readonly warnings: readonly string[];
}

/** Losses above this share of all samples are warned of. */
const LOSS_SHARE = 0.02;

/** Samples that the kernel took and nobody has; of frames and files others tell. */
const LOST: readonly LossKind[] = ['lost-events', 'lost-samples', 'skipped-samples'];

/** @param event the events of a and b that are to be compared */
export function comparability(
  a: ComparableFacts,
  b: ComparableFacts,
  event: { readonly a: SampleType; readonly b: SampleType },
): Comparability {
  const refusals: string[] = [];
  const warnings: string[] = [];
  if (event.a.unit !== event.b.unit) {
    refusals.push(`units differ: ${event.a.type} is counted in ${event.a.unit}, ${event.b.type} in ${event.b.unit}`);
  } else if (event.a.type !== event.b.type) {
    refusals.push(`events differ: ${a.name} counted ${event.a.type}, ${b.name} ${event.b.type}`);
  }
  const [recordA, recordB] = [recordPart(a.spec), recordPart(b.spec)];
  if (recordA !== undefined && recordB !== undefined) {
    const [rateA, rateB] = [rateOf(recordA, event.a.type), rateOf(recordB, event.b.type)];
    // A clock that is sampled 99 times a second is one that is sampled every 10 ms.
    const isClock = event.a.unit === 'nanoseconds';
    if (rateA.kind !== rateB.kind && !isClock) {
      refusals.push(
        `sampled in unlike ways: ${a.name} ${rateA.text}, ${b.name} ${rateB.text}; a frequency misses short bursts that a period counts`,
      );
    } else if (rateA.text !== rateB.text) {
      warnings.push(
        `sampled at unlike rates: ${a.name} ${rateA.text}, ${b.name} ${rateB.text}; weights account for it`,
      );
    }
    if (recordA.callGraph.mode !== recordB.callGraph.mode) {
      refusals.push(
        `call graphs were taken in unlike ways: ${a.name} by ${recordA.callGraph.mode}, ${b.name} by ${recordB.callGraph.mode}; stacks end at other places`,
      );
    }
    if (recordA.target.kind !== recordB.target.kind) {
      refusals.push(
        `targets differ in kind: ${a.name} recorded ${targetText(recordA.target)}, ${b.name} ${targetText(recordB.target)}`,
      );
    } else if (JSON.stringify(recordA.target) !== JSON.stringify(recordB.target)) {
      warnings.push(
        `targets differ: ${a.name} recorded ${targetText(recordA.target)}, ${b.name} ${targetText(recordB.target)}`,
      );
    }
  } else {
    for (const { name, spec } of [a, b]) {
      if (recordPart(spec) === undefined) {
        warnings.push(
          `how ${name} was sampled is not known: it is ${spec.kind === 'file' ? `the file ${spec.path}` : `of kind ${spec.kind}`}`,
        );
      }
    }
  }
  warnings.push(...[a, b].flatMap(lossWarning));
  return { refusals, warnings };
}

/** The recording of a capture, where it has one. */
export function recordPart(spec: CaptureSpec): RecordSpec | undefined {
  if (spec.kind === 'record') return spec;
  if (spec.kind !== 'kit') return undefined;
  return spec.parts.find((part) => part.kind === 'record');
}

/** perf's own defaults: 4,000 Hz, every hit of a tracepoint. */
export function rateOf(
  { rate }: RecordSpec,
  event: string,
): { readonly kind: 'frequency' | 'period'; readonly text: string } {
  if (rate === undefined) {
    return isTracepoint(event) ? { kind: 'period', text: 'every event' } : { kind: 'frequency', text: 'at 4000 Hz' };
  }
  if ('frequency' in rate) return { kind: 'frequency', text: `at ${rate.frequency} Hz` };
  return { kind: 'period', text: rate.period === 1 ? 'every event' : `every ${rate.period} events` };
}

function targetText(target: Target): string {
  switch (target.kind) {
    case 'system':
      return target.cpus === undefined ? 'the whole system' : `the CPUs ${target.cpus}`;
    case 'pids':
      return 'processes by pid';
    case 'tids':
      return 'threads by tid';
    case 'cgroup':
      return `the cgroup ${target.path}`;
    case 'processes':
      return `processes by ${Object.entries(target.selector)
        .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(',') : value}`)
        .join(' and ')}`;
  }
}

function lossWarning({ name, samples, losses }: ComparableFacts): string[] {
  const counted = losses.filter(({ count }) => count > 0);
  const lost = counted.filter(({ kind }) => LOST.includes(kind));
  const sum = lost.reduce((total, { count }) => total + count, 0);
  const hosts = counted.filter(
    ({ kind }) => kind === 'missing-hosts' || kind === 'throttled' || kind === 'truncated-stacks',
  );
  const isMuch = sum > LOSS_SHARE * (samples + sum);
  const told = [...(isMuch ? lost : []), ...hosts];
  if (told.length === 0) return [];
  const share = isMuch ? ` (${((100 * sum) / (samples + sum)).toFixed(1)}% of its samples)` : '';
  return [`${name} is not whole: ${lossSummary(told)}${share}`];
}
