// What an agent tells, taken within its limits; and agents that break the rules.
import { describe, expect, it } from 'vitest';
import { CaptureIntake, defaultIntakeLimits, type IntakeLimits } from '../../../controller/jobs/capture-intake.js';
import type { CounterPoint } from '../../../profile/counter-series.js';
import type { CaptureEventBody, Firing } from '../../../proto/capture.js';
import { toFailure } from '../../../proto/failure.js';
import { encodeProfile } from '../../../proto/profile-codec.js';
import { parseCondition } from '../../../proto/watch-condition.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawPoint } from '../draw-histogram.js';
import { finished, profileLog } from '../fake-agent.js';
import { SPECS } from '../specs.js';

const profile = drawProfile('main;parse 3\nmain 2', { losses: [{ kind: 'lost-samples', count: 2, detail: 'cpu 0' }] });
const chunks = [...encodeProfile(profile)];
const [chunk] = chunks;
const point: CounterPoint = {
  ...{ time: 1000, event: 'page-faults', scope: '', status: 'counted' },
  ...{ value: 5, unit: '', runningPercent: 100 },
};

function take(
  kind: keyof typeof SPECS,
  bodies: readonly CaptureEventBody[],
  limits: Partial<IntakeLimits> = {},
): CaptureIntake {
  const intake = new CaptureIntake(SPECS[kind], { ...defaultIntakeLimits, ...limits });
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

describe('a script', () => {
  const histograms = (interval: number, ...points: ReturnType<typeof drawPoint>[]): CaptureEventBody => ({
    kind: 'histograms',
    interval,
    points,
  });
  const line = (number: number, text: string) => ({ time: number, number, stream: 'stdout' as const, text });
  const text = (...texts: string[]): CaptureEventBody => ({
    kind: 'text',
    lines: texts.map((words, i) => line(i + 1, words)),
  });

  it('gives histograms in order of time, and its text', () => {
    const losses: CaptureEventBody = {
      kind: 'losses',
      losses: [{ kind: 'skipped-probes', count: 3, detail: 'told by stap' }],
    };
    const [late, early] = [drawPoint(2000, '4:1'), drawPoint(1000, '2:5')];
    const result = take('stap', [
      histograms(1000, late),
      text('hello'),
      histograms(1000, early),
      losses,
      finished,
    ]).finish();
    expect(result).toMatchObject({ profile: undefined, series: undefined, chunks: [] });
    expect(result.histograms).toEqual({
      points: [early, late],
      interval: 1000,
      losses: [{ kind: 'skipped-probes', count: 3, detail: 'told by stap' }],
    });
    expect(result.text).toEqual([line(1, 'hello')]);
  });

  it('that prints nothing has finished all the same; so has saved output with nothing in it', () => {
    const nothing = { points: [], interval: 0, losses: [] };
    for (const kind of ['stap', 'stap-text'] as const) {
      expect(take(kind, [finished]).finish()).toMatchObject({ outcome: 'finished', histograms: nothing, text: [] });
    }
    expect(take('record', profileLog(profile)).finish()).toMatchObject({ histograms: undefined, text: [] });
  });

  it('may be what a file turns out to be', () => {
    const result = take('file', [histograms(0, drawPoint(1, '1:1')), finished]).finish();
    expect(result).toMatchObject({ profile: undefined, histograms: { points: [{ time: 1 }] } });
    expect(take('file', profileLog(profile)).finish().histograms).toBeUndefined();
    expect(failureOf(() => take('file', [finished]).finish()).message).toContain('without a profile');
  });

  it('may bring stacks', () => {
    expect(take('stap', profileLog(profile)).finish().profile).toEqual(profile);
  });

  it('that prints without end loses lines, not the capture', () => {
    const intake = take('stap', [text('a', 'b', 'c'), text('d', 'e'), finished], { maxLines: 4 });
    expect(intake.finish().text.map((kept) => kept.text)).toEqual(['a', 'b', 'c', 'd']);
    expect(intake.losses).toMatchObject([{ kind: 'dropped-lines', count: 1 }]);
    const long = take('stap', [text('x'.repeat(60), 'y'.repeat(60)), finished], { maxLineText: 100 });
    expect(long.finish().text).toHaveLength(1);
    expect(long.losses).toMatchObject([{ kind: 'dropped-lines', count: 1 }]);
  });

  it.each<[string, () => unknown, string]>([
    ['other intervals', () => take('stap', [histograms(1000), histograms(500)]), '500 ms intervals after ones of 1000'],
    [
      'endless buckets',
      () => take('stap', [histograms(1, drawPoint(1, '1:1 2:1 4:1'))], { maxBuckets: 2 }),
      '2 buckets',
    ],
    [
      'endless empty ones',
      () => take('stap', [histograms(1, drawPoint(1, ''), drawPoint(1, ''))], { maxBuckets: 1 }),
      '1 b',
    ],
    [
      'more values than can be counted',
      () => take('stap', [histograms(1, drawPoint(1, `1:${2 ** 52}`), drawPoint(2, `1:${2 ** 52}`))]),
      '2^53 values',
    ],
    ['histograms from perf', () => take('record', [histograms(1)]), "histograms from a capture of kind 'record'"],
    ['text from perf', () => take('stat', [text('x')]), "text from a capture of kind 'stat'"],
    ['histograms of perf.data', () => take('perf-data', [histograms(1)]), "kind 'file'"],
    ['counters from stap', () => take('stap', [{ kind: 'counters', interval: 1, points: [] }]), "kind 'stap'"],
    [
      'titles without end',
      () => take('stap', [histograms(1, drawPoint(1, '1:1', { title: 'x'.repeat(20_000) }))], { maxText: 10_000 }),
      '10000 characters',
    ],
  ])('with %s is refused', (_what, act, message) => {
    expect(failureOf(act).message).toContain(message);
  });
});

describe('a kit', () => {
  const counters: CaptureEventBody = { kind: 'counters', interval: 1000, points: [point] };
  const failure = {
    code: 'tool-missing',
    message: 'stap is not installed',
    remedy: 'apt-get install systemtap',
  } as const;
  const ended = (part: 'stat' | 'record' | 'stap'): CaptureEventBody => ({ kind: 'part', part, outcome: 'finished' });
  const failed: CaptureEventBody = { kind: 'part', part: 'stap', outcome: 'failed', failure };

  it('gives what its parts bring, and says how each ended', () => {
    const log = profileLog(profile).slice(0, -1);
    const intake = take('kit', [counters, ...log, ended('stat'), failed, ended('record'), finished]);
    expect(intake.finish()).toMatchObject({
      profile,
      series: { points: [point], interval: 1000 },
      histograms: { points: [] },
    });
    expect(intake.parts).toEqual([
      { part: 'stat', outcome: 'finished' },
      { part: 'stap', outcome: 'failed', failure },
      { part: 'record', outcome: 'finished' },
    ]);
  });

  it('needs none of its parts', () => {
    expect(take('kit', [failed, finished]).finish()).toMatchObject({ profile: undefined, series: undefined });
  });

  it('remembers the part that the agent was not asked for', () => {
    const intake = new CaptureIntake(SPECS.kit);
    intake.missPart('stap', failure);
    expect(intake.parts).toEqual([{ part: 'stap', outcome: 'failed', failure }]);
    expect(intake.losses).toEqual([{ kind: 'missing-parts', count: 1, detail: 'stap: stap is not installed' }]);
  });

  it.each<[string, () => unknown, string]>([
    ['a part twice', () => take('kit', [ended('stat'), ended('stat')]), "part 'stat' ends twice"],
    ['a part that it has not', () => take('record', [ended('stat')]), "part 'stat' of a capture of kind 'record'"],
    ['a failure untold', () => take('kit', [{ kind: 'part', part: 'stap', outcome: 'failed' }]), 'not told'],
    ['a success with a failure', () => take('kit', [{ ...failed, outcome: 'finished' }]), 'its failure is told'],
  ])('with %s is refused', (_what, act, message) => {
    expect(failureOf(act).message).toContain(message);
  });
});

describe('a watch', () => {
  const fired = (number: number, change: Partial<Firing> = {}): CaptureEventBody => {
    const capture = { ok: true as const, captureId: `job.host.t${number}` };
    const cause = { kind: 'asked' as const, who: 'alice', reason: 'pager' };
    return { kind: 'triggered', firing: { number, time: 1, cause, capture, ...change } };
  };
  const held = (values: readonly number[]): CaptureEventBody => {
    const condition = parseCondition('page-faults/s > 5000');
    return fired(1, { cause: { kind: 'held', condition, observed: [{ time: 1, interval: 1000, values }] } });
  };

  it('gives what it counted, if that is nothing', () => {
    expect(take('watch', [fired(1), fired(2), finished]).finish()).toMatchObject({ series: { points: [] } });
    const counters: CaptureEventBody = { kind: 'counters', interval: 1000, points: [point] };
    expect(take('watch', [held([6000]), counters, finished]).finish()).toMatchObject({ series: { points: [point] } });
  });

  it.each<[string, () => unknown, string]>([
    ['a firing of what is no watch', () => take('stat', [fired(1)]), "more than 0 firings of a capture of kind 'stat'"],
    [
      'more firings than it may have',
      () => take('watch', [fired(1), fired(2), fired(3), fired(4)]),
      'more than 3 firings',
    ],
    ['a firing twice', () => take('watch', [fired(1), fired(1)]), 'firing 1 where firing 2 was expected'],
    ['another time', () => take('watch', [fired(1, { time: Number.NaN })]), 'its firing says NaN'],
    ['other values', () => take('watch', [held([1, 2])]), 'does not tell what its condition is about'],
    ['no numbers', () => take('watch', [held([Number.POSITIVE_INFINITY])]), 'its firing says Infinity'],
  ])('with %s is refused', (_what, act, message) => {
    expect(failureOf(act).message).toContain(message);
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
      () => new CaptureIntake(SPECS.record).take({ sequence: 2, time: 0, body: state }),
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

describe('the account of a budget', () => {
  const amounts = { toolCpu: 1, agentCpu: 2, peakMemoryBytes: 3, recordedBytes: 4, spooledBytes: 5, wall: 6 };
  const limits = { cpuPercent: 1, memoryBytes: 0, spoolBytes: 0 };
  const account = { limits, cpuCount: 2, allowedCpu: 2200, recordingCpu: 300, recording: 1000, overBudget: '' };
  const progress = (change: object): CaptureEventBody => ({
    ...{ kind: 'progress', elapsed: 1, samples: 1, bytes: 1, lost: 0 },
    cost: { ...amounts, budget: { ...account, ...change } },
  });

  it('is known while the capture runs, so that one which is lost has it too', () => {
    expect(take('record', [progress({ recordingCpu: 200 }), progress({})]).cost?.budget).toEqual(account);
  });

  it.each([
    { recordingCpu: Number.NaN },
    { allowedCpu: -1 },
    { recording: Number.POSITIVE_INFINITY },
    { limits: { ...limits, memoryBytes: -1 } },
  ])('of %j is refused', (change) => {
    expect(() => take('record', [progress(change)])).toThrow(/its budget says/);
  });

  it('may not fill the memory with its reasons', () => {
    const reasons = Array.from({ length: 20 }, (_, i) => progress({ overBudget: `${i}${'x'.repeat(1000)}` }));
    expect(() => take('record', reasons, { maxText: 10_000 })).toThrow(/characters of text/);
  });
});
