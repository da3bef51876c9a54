// What belongs to watches: conditions, firings and why they happened; plain values to messages and back.
import type { TriggerCapture } from './agent-api.js';
import type { Firing, FiringCause } from './capture.js';
import { defined, oneOf } from './defined.js';
import { fail } from './failure.js';
import { failureFromMessage } from './failure-message.js';
import type { perftrawl } from './generated/perftrawl.js';
import { COMPARISONS, type Condition, type Measure } from './watch-condition.js';

type V1 = typeof perftrawl.v1;
type Props<K extends keyof V1> = V1[K] extends { encode(message: infer P, ...rest: never[]): unknown } ? P : never;

export function conditionToMessage({ terms }: Condition): Props<'Condition'> {
  return {
    terms: terms.map(({ measure, comparison, threshold }) => ({
      event: measure.event,
      perSecond: measure.kind === 'rate',
      ofEvent: measure.kind === 'ratio' ? measure.of : '',
      ...{ comparison, threshold },
    })),
  };
}

export function conditionFromMessage(message: Props<'Condition'>): Condition {
  return {
    terms: (message.terms ?? []).map((term) => ({
      measure: measureFromMessage(term),
      comparison: oneOf(COMPARISONS, term.comparison ?? '', 'comparison'),
      threshold: term.threshold ?? 0,
    })),
  };
}

function measureFromMessage(message: Props<'Term'>): Measure {
  const { event = '', perSecond = false, ofEvent = '' } = defined(message);
  if (ofEvent !== '') return { kind: 'ratio', event, of: ofEvent };
  return { kind: perSecond ? 'rate' : 'count', event };
}

export function firingToMessage({ number, time, cause, capture, lookBackId }: Firing): Props<'Triggered'> {
  return {
    number,
    timeMs: time,
    cause: causeToMessage(cause),
    ...(capture.ok ? { captureId: capture.captureId } : { failure: capture.failure }),
    lookBackId: lookBackId ?? '',
  };
}

export function firingFromMessage(message: Props<'Triggered'>): Firing {
  const { number = 0, timeMs = 0, captureId = '', lookBackId = '' } = defined(message);
  return {
    number,
    time: timeMs,
    cause: causeFromMessage(message.cause ?? {}),
    capture: message.failure ? { ok: false, failure: failureFromMessage(message.failure) } : { ok: true, captureId },
    ...(lookBackId === '' ? {} : { lookBackId }),
  };
}

function causeToMessage(cause: FiringCause): Props<'FiringCause'> {
  if (cause.kind === 'asked') return { asked: { who: cause.who, reason: cause.reason } };
  const observed = cause.observed.map(({ time, interval, values }) => ({
    timeMs: time,
    intervalMs: interval,
    values: [...values],
  }));
  return { held: { condition: conditionToMessage(cause.condition), observed } };
}

function causeFromMessage({ held, asked }: Props<'FiringCause'>): FiringCause {
  if (asked) return { kind: 'asked', who: asked.who ?? '', reason: asked.reason ?? '' };
  if (!held) throw fail('bad-data', 'a firing without a cause that this version knows', 'update perftrawl here');
  return {
    kind: 'held',
    condition: conditionFromMessage(held.condition ?? {}),
    observed: (held.observed ?? []).map(({ timeMs, intervalMs, values }) => ({
      time: timeMs ?? 0,
      interval: intervalMs ?? 0,
      values: values ?? [],
    })),
  };
}

export function triggerFromMessage(message: Props<'TriggerCaptureRequest'>): TriggerCapture {
  const { captureId = '', who = '', reason = '', requestId = '' } = defined(message);
  return { captureId, who, reason, requestId };
}
