// What an agent tells, taken within its limits; and agents that break the rules.
import { describe, expect, it } from 'vitest';
import { CaptureIntake, defaultIntakeLimits, type IntakeLimits } from '../../../controller/jobs/capture-intake.js';
import type { CounterPoint } from '../../../profile/counter-series.js';
import type { CaptureEventBody, CaptureKind } from '../../../proto/capture.js';
import { toFailure } from '../../../proto/failure.js';
import { encodeProfile } from '../../../proto/profile-codec.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { finished, profileLog } from '../fake-agent.js';

const profile = drawProfile('main;parse 3\nmain 2', { losses: [{ kind: 'lost-samples', count: 2, detail: 'cpu 0' }] });
const chunks = [...encodeProfile(profile)];
const [chunk] = chunks;
const point: CounterPoint = {
  ...{ time: 1000, event: 'page-faults', scope: '', status: 'counted' },
  ...{ value: 5, unit: '', runningPercent: 100 },
};

function take(
  kind: CaptureKind,
  bodies: readonly CaptureEventBody[],
  limits: Partial<IntakeLimits> = {},
): CaptureIntake {
  const intake = new CaptureIntake(kind, { ...defaultIntakeLimits, ...limits });
  for (const [i, body] of bodies.entries()) intake.take({ sequence: i + 1, time: 0, body });
  return intake;
}

describe('a good capture', () => {
  it('gives its profile and facts', () => {
    const intake = take('record', profileLog(profile));
    expect(intake.finish()).toMatchObject({ outcome: 'finished', profile, series: undefined });
    expect(intake.losses).toEqual(profile.losses);
    expect(intake.commandLines).toEqual(['perf record -e page-faults']);
    expect(intake.cost?.toolCpu).toBe(10);
  });

  it('gives its counters', () => {
    const counters: CaptureEventBody = { kind: 'counters', interval: 1000, points: [point] };
    const losses: CaptureEventBody = {
      kind: 'losses',
      losses: [{ kind: 'not-supported', count: 1, detail: 'cycles' }],
    };
    const { series, chunks } = take('stat', [counters, losses, counters, losses, finished]).finish();
    expect(series).toEqual({
      interval: 1000,
      points: [point, point],
      losses: [{ kind: 'not-supported', count: 2, detail: 'cycles' }],
    });
    expect(chunks).toEqual([]);
  });

  it('counts profiles that it does not know as a loss', () => {
    const more: CaptureEventBody = { kind: 'profile-chunk', chunk: { ...chunk, name: 'off-cpu' } };
    const intake = take('record', [
      ...chunks.map((part): CaptureEventBody => ({ kind: 'profile-chunk', chunk: part })),
      ...[more, more, finished],
    ]);
    expect(intake.finish().profile).toEqual(profile);
    expect(intake.losses).toMatchObject([{ kind: 'skipped-records', count: 2 }]);
  });
});

describe('an agent that breaks the rules is refused', () => {
  const bad = (what: string) => ({ code: 'bad-data', message: expect.stringContaining(what) });
  const tooMuch = (what: string) => ({ code: 'exhausted', message: expect.stringContaining(what) });
  const state: CaptureEventBody = { kind: 'state', state: 'running', detail: '' };
  const withChunk = (change: Partial<typeof chunk>): CaptureEventBody => ({
    kind: 'profile-chunk',
    chunk: { ...chunk, ...change },
  });
  const detail = 'x'.repeat(1000);

  it.each<[string, () => unknown, unknown]>([
    [
      'a gap',
      () => new CaptureIntake('record').take({ sequence: 2, time: 0, body: state }),
      bad('event 2 comes where event 1'),
    ],
    ['done twice', () => take('record', [finished, finished]), bad('comes after the capture was done')],
    ['a wrong checksum', () => take('record', [withChunk({ crc32: 1 })]), bad('checksum')],
    ['a chunk out of order', () => take('record', [withChunk({ index: 1 })]), bad('chunk 1 where 0')],
    [
      'no end of the profile',
      () => take('record', [withChunk({ isLast: false }), finished]).finish(),
      bad('not its last'),
    ],
    ['no profile', () => take('record', [state, finished]).finish(), bad('without a profile')],
    ['a profile from stat', () => take('stat', [withChunk({})]), bad("kind 'stat'")],
    [
      'counters from record',
      () => take('record', [{ kind: 'counters', interval: 1, points: [] }]),
      bad("kind 'record'"),
    ],
    [
      'intervals that change',
      () =>
        take(
          'stat',
          [1000, 500].map((interval) => ({ kind: 'counters', interval, points: [] })),
        ),
      bad('500 ms intervals after ones of 1000'),
    ],
    [
      'progress that is no number',
      () => take('record', [{ kind: 'progress', elapsed: 1, samples: Number.NaN, bytes: 1, lost: 1 }]),
      bad('NaN'),
    ],
    [
      'negative losses',
      () => take('record', [{ kind: 'losses', losses: [{ kind: 'throttled', count: -1, detail: '' }] }]),
      bad('-1 throttled'),
    ],
    [
      'an artifact that is a path',
      () =>
        take('record', [
          { kind: 'artifact', artifact: { name: '../x', size: 1, sha256: 'a'.repeat(64), mediaType: '' } },
        ]),
      bad('strange name'),
    ],
    [
      'failed without a reason',
      () => take('record', [{ kind: 'done', outcome: 'failed', commandLines: [] }]).finish(),
      bad('not told'),
    ],
    ['endless events', () => take('record', new Array(11).fill(state), { maxEvents: 10 }), tooMuch('10 events')],
    ['a huge profile', () => take('record', [withChunk({})], { maxProfileBytes: 10 }), tooMuch('10 bytes')],
    [
      'a profile that unpacks to too much',
      () => take('record', [withChunk({})], { decode: { maxRawBytes: 10, maxRows: 1e6 } }),
      tooMuch('larger than 10 bytes'),
    ],
    [
      'too many rows',
      () => take('record', [withChunk({})], { decode: { maxRawBytes: 1e6, maxRows: 3 } }),
      tooMuch('more than 3 rows'),
    ],
    [
      'too many counters',
      () => take('stat', [{ kind: 'counters', interval: 1, points: new Array(11).fill(point) }], { maxPoints: 10 }),
      tooMuch('10 counter values'),
    ],
    [
      'endless texts',
      () =>
        take(
          'record',
          Array.from({ length: 20 }, (_, i) => ({
            kind: 'losses',
            losses: [{ kind: 'throttled', count: 1, detail: `${detail}${i}` }],
          })),
          { maxText: 10_000 },
        ),
      tooMuch('10000 characters'),
    ],
  ])('%s', (_what, act, failure) => {
    expect(failureOf(act)).toMatchObject(failure as object);
  });

  it('but equal texts, however many, are kept once', () => {
    const losses: CaptureEventBody = { kind: 'losses', losses: [{ kind: 'throttled', count: 1, detail }] };
    expect(take('record', new Array(100).fill(losses), { maxText: 10_000 }).losses).toEqual([
      { kind: 'throttled', count: 100, detail },
    ]);
  });
});

function failureOf(act: () => unknown) {
  try {
    act();
  } catch (error) {
    return toFailure(error);
  }
  return expect.fail('it was not refused');
}
