// Histograms, text and parts of kits come back from the wire exactly; what no histogram can be is refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Bucket, Histogram } from '../../profile/histogram.js';
import type { CaptureEvent, CaptureEventBody } from '../../proto/capture.js';
import { decodeEvent, encodeEvent } from '../../proto/event-codec.js';
import { histogramFromMessage, histogramToMessage, MAX_BUCKETS } from '../../proto/histogram-codec.js';

const counts = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

/** Disjoint buckets in order, with gaps, negative values too. */
const buckets = fc
  .uniqueArray(fc.integer({ min: -(2 ** 53), max: 2 ** 53 }), { minLength: 0, maxLength: 40 })
  .chain((edges) => {
    const sorted = [...edges].sort((a, b) => a - b);
    const pairs = sorted.slice(1).map((to, i) => ({ from: sorted[i], to }));
    return fc.tuple(...pairs.map((pair) => counts.map((count): Bucket => ({ ...pair, count }))));
  });

const histogram: fc.Arbitrary<Histogram> = fc.record(
  {
    title: fc.string({ unit: 'binary' }),
    labels: fc.array(fc.record({ key: fc.string(), value: fc.string({ unit: 'binary' }) }), { maxLength: 3 }),
    unit: fc.constantFrom('', 'ns', 'bytes'),
    scale: fc.oneof(
      fc.constant({ kind: 'log2' as const }),
      fc
        .tuple(fc.integer(), fc.nat(), fc.integer({ min: 1, max: 1e6 }))
        .map(([from, width, step]) => ({ kind: 'linear' as const, from, to: from + width, step })),
    ),
    buckets,
    underflow: fc.maxSafeNat(),
    overflow: fc.maxSafeNat(),
    sum: fc.maxSafeInteger(),
    min: fc.maxSafeInteger(),
    max: fc.maxSafeInteger(),
  },
  { requiredKeys: ['title', 'labels', 'unit', 'scale', 'buckets', 'underflow', 'overflow'] },
);

function there(body: CaptureEventBody): CaptureEventBody {
  const event: CaptureEvent = { sequence: 7, time: 1_700_000_000_000, body };
  const back = decodeEvent(encodeEvent(event));
  expect(back).toMatchObject({ sequence: 7, time: 1_700_000_000_000 });
  return back.body;
}

describe('an event of the log', () => {
  it('carries histograms exactly', () => {
    fc.assert(
      fc.property(fc.array(histogram, { maxLength: 5 }), fc.nat(), (histograms, time) => {
        const points = histograms.map((one) => ({ time, histogram: one }));
        const body: CaptureEventBody = { kind: 'histograms', interval: 1000, points };
        expect(there(body)).toEqual(body);
      }),
    );
  });

  it('carries lines of text, whatever is in them', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
        const lines = texts.map((text, i) => ({ time: i * 10, number: i + 1, stream: 'stdout' as const, text }));
        expect(there({ kind: 'text', lines })).toEqual({ kind: 'text', lines });
      }),
    );
  });

  it('tells how a part of a kit ended', () => {
    const failure = {
      code: 'tool-missing' as const,
      message: 'no staprun',
      remedy: 'apt-get install systemtap-runtime',
    };
    for (const body of [
      { kind: 'part', part: 'stap', outcome: 'failed', failure },
      { kind: 'part', part: 'record', outcome: 'finished' },
    ] satisfies CaptureEventBody[]) {
      expect(there(body)).toEqual(body);
    }
  });
});

describe('a histogram from a lying agent', () => {
  const good = histogramToMessage({
    time: 10,
    histogram: {
      title: 't',
      labels: [],
      unit: 'ns',
      scale: { kind: 'log2' },
      buckets: [
        { from: 1, to: 2, count: 3 },
        { from: 4, to: 8, count: 1 },
      ],
      underflow: 0,
      overflow: 0,
    },
  });

  it.each([
    ['columns of unlike lengths', { count: [3] }],
    ['overlapping buckets', { from: [1, 1] }],
    ['buckets out of order', { from: [4, 1], to: [8, 2] }],
    ['a bucket without width', { to: [1, 8] }],
    ['a bucket without a bound', { to: [2, Number.POSITIVE_INFINITY] }],
    ['an empty bucket', { count: [3, 0] }],
    ['a negative count', { count: [3, -1] }],
    ['half a count', { count: [3, 0.5] }],
    ['a count that is no number', { count: [3, Number.NaN] }],
    ['a count beyond exactness', { count: [3, 2 ** 60] }],
    ['a negative underflow', { underflow: -1 }],
    ['a time before the beginning', { timeMs: -1 }],
    ['a sum that is no number', { sum: Number.NaN }],
    ['no scale', { scale: null }],
    ['a scale without steps', { scale: { linear: { from: 0, to: 10, step: 0 } } }],
    [
      'too many buckets',
      {
        from: Array.from({ length: MAX_BUCKETS + 1 }, (_, i) => i),
        to: Array.from({ length: MAX_BUCKETS + 1 }, (_, i) => i + 1),
        count: Array.from({ length: MAX_BUCKETS + 1 }, () => 1),
      },
    ],
  ])('is refused: %s', (_what, change) => {
    expect(() => histogramFromMessage(good)).not.toThrow();
    expect(() => histogramFromMessage({ ...good, ...change })).toThrow(
      expect.objectContaining({ failure: expect.objectContaining({ code: 'bad-data' }) }),
    );
  });
});
