// Scales: where buckets lie, what two scales have in common, and counting again in wider buckets.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countOf, UnlikeHistogramsError } from '../../profile/histogram.js';
import { rebucket } from '../../profile/histogram-rebucket.js';
import { commonScale, endOfBucket, gridOf, type Scale, scaleRange, scaleText } from '../../profile/histogram-scale.js';
import { histogramOf, LOG2, value } from './arbitrary-histogram.js';

const linear = (from: number, to: number, step: number): Scale => ({ kind: 'linear', from, to, step });

const anyLinear = fc
  .record({
    from: fc.integer({ min: -200, max: 200 }),
    rows: fc.integer({ min: 0, max: 60 }),
    step: fc.integer({ min: 1, max: 30 }),
  })
  .map(({ from, rows, step }) => linear(from, from + rows * step, step));

describe('ranges of scales', () => {
  it("hold what stap's rows hold: the last row begins at or below `to`", () => {
    expect(scaleRange(linear(0, 100, 10))).toEqual({ from: 0, end: 110 });
    expect(scaleRange(linear(0, 100, 30))).toEqual({ from: 0, end: 120 });
    expect(scaleText(linear(-8000, 8000, 2000))).toBe('linear -8000 to 8000 by 2000');
  });

  it('end log2 buckets as stap does, mirrored below zero', () => {
    const ends = [-7, -3, -1, 0, 1, 2, 4, 1024].map((from) => endOfBucket(LOG2, from));
    expect(ends).toEqual([-3, -1, 0, 1, 2, 4, 8, 2048]);
    for (const single of [-1000, -8, -7, -2, -1, 0, 1, 2, 3, 1000]) {
      const [bucket] = histogramOf([single], LOG2).buckets;
      expect(endOfBucket(LOG2, bucket.from)).toBe(bucket.to);
    }
  });

  it('name a grid by its step and where its bounds fall', () => {
    expect(gridOf(linear(0, 100, 10))).toBe(gridOf(linear(-50, 20, 10)));
    expect(gridOf(linear(0, 100, 10))).not.toBe(gridOf(linear(5, 105, 10)));
  });
});

describe('the common scale of two', () => {
  it('is one that both can be counted in without splitting a bucket, and every value is in one place', () => {
    let found = 0;
    fc.assert(
      fc.property(
        anyLinear,
        anyLinear,
        fc.array(value, { maxLength: 30 }),
        fc.array(value, { maxLength: 30 }),
        (a, b, x, y) => {
          const [first, second] = [histogramOf(x, a), histogramOf(y, b)];
          const common = commonScale(first, second);
          const turned = commonScale(second, first);
          expect(common.ok && common.scale).toEqual(turned.ok && turned.scale);
          if (!common.ok) return;
          found++;
          for (const [histogram, values] of [[first, x] as const, [second, y] as const]) {
            const fit = rebucket(histogram, common.scale);
            expect(fit).toEqual({ ...histogramOf(values, common.scale), ...{ scale: common.scale } });
            expect(countOf(fit)).toBe(values.length);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(found).toBeGreaterThan(50);
  });

  it('has steps of the least common multiple, and bounds where both have some', () => {
    const common = commonScale(histogramOf([], linear(0, 90, 4)), histogramOf([], linear(2, 92, 6)));
    expect(common.ok && common.scale).toMatchObject({ step: 12, kind: 'linear' });
    expect(common.ok && scaleRange(common.scale)).toEqual({ from: -4, end: 104 });
  });

  it('says why there is none', () => {
    const reason = (a: Scale, b: Scale) => {
      const common = commonScale(histogramOf([-999, 999_999], a), histogramOf([-999, 999_999], b));
      return common.ok ? '' : common.reason;
    };
    expect(reason(linear(0, 90, 4), linear(1, 91, 6))).toMatch(/bounds never meet/);
    expect(reason(linear(0, 90, 10), LOG2)).toMatch(/powers of two/);
    expect(reason(linear(0, 20, 10), linear(100, 200, 10))).toMatch(/no bucket is left/);
    expect(reason(linear(0, 2 ** 52, 2 ** 40 - 1), linear(0, 2 ** 52, 2 ** 41 - 3))).not.toBe('');
  });
});

describe('counting again in wider buckets', () => {
  const histogram = histogramOf([3, 17, 25, 150, -4], linear(0, 90, 10));
  it('refuses to split a bucket or to look inside of underflow and overflow', () => {
    expect(rebucket(histogram, linear(0, 80, 20)).buckets).toEqual([
      { from: 0, to: 20, count: 2 },
      { from: 20, to: 40, count: 1 },
    ]);
    const refused: [Scale, RegExp][] = [
      [linear(0, 90, 5), /would have to be split/],
      [linear(-100, 80, 20), /1 values below 0 may lie inside/],
      [linear(0, 180, 20), /1 values from 100 on may lie inside/],
      [LOG2, /do not fit in each other/],
    ];
    for (const [scale, why] of refused) {
      expect(() => rebucket(histogram, scale)).toThrow(UnlikeHistogramsError);
      expect(() => rebucket(histogram, scale)).toThrow(why);
    }
    expect(rebucket(histogramOf([5], LOG2), LOG2)).toEqual(histogramOf([5], LOG2));
  });
});
