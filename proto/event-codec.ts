// Entries of a capture's log: plain values to messages and back, and to the bytes that a spool keeps.
import type { CounterPoint, CounterStatus } from '../profile/counter-series.js';
import type { CaptureEvent, CaptureEventBody, CaptureState, Outcome } from './capture.js';
import { costFromMessage, costToMessage } from './cost-codec.js';
import { defined, oneOf } from './defined.js';
import { fail } from './failure.js';
import { failureFromMessage } from './failure-message.js';
import { perftrawl } from './generated/perftrawl.js';
import { histogramFromMessage, histogramToMessage, textFromMessage } from './histogram-codec.js';
import { decodeLoss } from './loss-codec.js';
import { chunkFromMessage, chunkToMessage } from './profile-codec.js';
import { firingFromMessage, firingToMessage } from './watch-codec.js';

type Props = perftrawl.v1.CaptureEvent.$Properties;

/** The bytes of one log entry (a CaptureEvent message). */
export function encodeEvent(event: CaptureEvent): Uint8Array {
  return perftrawl.v1.CaptureEvent.encode(eventToMessage(event)).finish();
}

/** @throws FailureError `bad-data` when the bytes are no event that this version knows */
export function decodeEvent(bytes: Uint8Array): CaptureEvent {
  let message: Props;
  try {
    message = perftrawl.v1.CaptureEvent.decode(bytes);
  } catch (cause) {
    throw fail('bad-data', 'cannot read a capture event: the bytes are no CaptureEvent message', '', cause);
  }
  return eventFromMessage(message);
}

export function eventToMessage(event: CaptureEvent): Props {
  return { sequence: event.sequence, timeMs: event.time, ...bodyToMessage(event.body) };
}

function eventFromMessage(message: Props): CaptureEvent {
  const body = bodyFromMessage(message);
  return { sequence: message.sequence ?? 0, time: message.timeMs ?? 0, body };
}

function bodyToMessage(body: CaptureEventBody): Props {
  switch (body.kind) {
    case 'state':
      return {
        state: {
          ...{ state: body.state, detail: body.detail },
          ...(body.start && { startedMs: body.start.time, lateMs: body.start.late }),
        },
      };
    case 'progress':
      return {
        progress: {
          elapsedMs: body.elapsed,
          samples: body.samples,
          bytes: body.bytes,
          lost: body.lost,
          ...(body.cost && { cost: costToMessage(body.cost) }),
        },
      };
    case 'counters':
      return { counters: { intervalMs: body.interval, points: body.points.map(pointToMessage) } };
    case 'histograms':
      return { histograms: { intervalMs: body.interval, points: body.points.map(histogramToMessage) } };
    case 'text':
      return { text: { lines: body.lines.map(({ time, ...line }) => ({ ...line, timeMs: time })) } };
    case 'part':
      return { part: { part: body.part, outcome: body.outcome, ...(body.failure && { failure: body.failure }) } };
    case 'triggered':
      return { triggered: firingToMessage(body.firing) };
    case 'profile-chunk':
      return { profileChunk: chunkToMessage(body.chunk) };
    case 'losses':
      return { losses: { losses: [...body.losses] } };
    case 'cost':
      return { cost: costToMessage(body.cost) };
    case 'artifact':
      return { artifact: { ...body.artifact } };
    case 'done':
      return {
        done: {
          outcome: body.outcome,
          commandLines: [...body.commandLines],
          ...(body.failure === undefined ? {} : { failure: body.failure }),
        },
      };
  }
}

function bodyFromMessage(message: Props): CaptureEventBody {
  const { state, progress, counters, histograms, text, part, profileChunk, losses, cost, artifact, done } = message;
  if (message.triggered) return { kind: 'triggered', firing: firingFromMessage(message.triggered) };
  if (state) {
    const start = state.startedMs ? { start: { time: state.startedMs, late: state.lateMs ?? 0 } } : {};
    return { kind: 'state', state: toState(state.state ?? ''), detail: state.detail ?? '', ...start };
  }
  if (progress) {
    return {
      kind: 'progress',
      elapsed: progress.elapsedMs ?? 0,
      samples: progress.samples ?? 0,
      bytes: progress.bytes ?? 0,
      lost: progress.lost ?? 0,
      ...(progress.cost ? { cost: costFromMessage(progress.cost) } : {}),
    };
  }
  if (counters) {
    return {
      kind: 'counters',
      interval: counters.intervalMs ?? 0,
      points: (counters.points ?? []).map(pointFromMessage),
    };
  }
  if (histograms) {
    const points = (histograms.points ?? []).map(histogramFromMessage);
    return { kind: 'histograms', interval: histograms.intervalMs ?? 0, points };
  }
  if (text) return { kind: 'text', lines: (text.lines ?? []).map(textFromMessage) };
  if (part) {
    return {
      kind: 'part',
      part: oneOf(PARTS, part.part ?? '', 'part of a kit'),
      outcome: toOutcome(part.outcome ?? ''),
      ...(part.failure ? { failure: failureFromMessage(part.failure) } : {}),
    };
  }
  if (profileChunk) return { kind: 'profile-chunk', chunk: chunkFromMessage(profileChunk) };
  if (losses) return { kind: 'losses', losses: (losses.losses ?? []).map(decodeLoss) };
  if (cost) return { kind: 'cost', cost: costFromMessage(cost) };
  if (artifact) {
    const { name = '', size = 0, sha256 = '', mediaType = '' } = defined(artifact);
    return { kind: 'artifact', artifact: { name, size, sha256, mediaType } };
  }
  if (done) {
    return {
      kind: 'done',
      outcome: toOutcome(done.outcome ?? ''),
      commandLines: done.commandLines ?? [],
      ...(done.failure ? { failure: failureFromMessage(done.failure) } : {}),
    };
  }
  throw fail(
    'bad-data',
    `capture event ${message.sequence ?? 0} is of no kind that this version knows`,
    'update perftrawl on this machine',
  );
}

const STATES: readonly CaptureState[] = ['resolving', 'compiling', 'armed', 'running', 'symbolizing', 'done'];
const PARTS = ['record', 'stat', 'stap'] as const;
const OUTCOMES: readonly Outcome[] = ['finished', 'stopped', 'discarded', 'failed'];
const STATUSES: readonly CounterStatus[] = ['counted', 'not-counted', 'not-supported'];

export function toState(text: string): CaptureState {
  return oneOf(STATES, text, 'capture state');
}

function toOutcome(text: string): Outcome {
  return oneOf(OUTCOMES, text, 'outcome');
}

function pointToMessage(point: CounterPoint): perftrawl.v1.CounterPoint.$Properties {
  const { time, event, scope, status, value, unit, runningPercent } = point;
  return { timeMs: time, event, scope, status, value, unit, runningPercent };
}

function pointFromMessage(message: perftrawl.v1.CounterPoint.$Properties): CounterPoint {
  const { timeMs = 0, event = '', scope = '', value = 0, unit = '', runningPercent = 0 } = defined(message);
  if (!Number.isFinite(value) || !Number.isFinite(timeMs)) throw fail('bad-data', `counter ${event} is not a number`);
  return {
    time: timeMs,
    event,
    scope,
    status: oneOf(STATUSES, message.status ?? '', 'counter status'),
    value,
    unit,
    runningPercent,
  };
}
