// Which host differs: never one of equals, always the one that was moved, and no judgement where there is no ground for one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findOutliers, type OutlierReport, outliersByKey } from '../../../controller/views/outliers.js';
import { hostTableText } from '../../../controller/views/outliers-text.js';
import { histogramOf, LOG2 } from '../../profile/arbitrary-histogram.js';

/** Latencies of a host: most of them near a power of two, with a tail; some hundreds to some thousands. */
const shape = fc.array(fc.integer({ min: 4, max: 14 }), { minLength: 5, maxLength: 12 });

/** As many values as asked for, moved up by doublings. Whole rounds of the exponents are counted, not listed. */
function host(name: string, exponents: readonly number[], count: number, doublings = 0, type = 'MINOR') {
  const rounds = count % exponents.length === 0 ? count / exponents.length : 1;
  const values = Array.from({ length: count / rounds }, (_, i) => 2 ** (exponents[i % exponents.length] + doublings));
  const round = histogramOf(values, LOG2, { labels: [{ key: 'fault_type', value: type }] });
  const buckets = round.buckets.map((bucket) => ({ ...bucket, count: bucket.count * rounds }));
  return { host: name, histogram: { ...round, buckets, sum: (round.sum ?? 0) * rounds } };
}

function marked(report: OutlierReport): string[] {
  return report.rows.filter((row) => row.isOutlier).map((row) => row.host);
}

describe('hosts that saw the same', () => {
  it('have no outlier, however unlike their numbers of values are', () => {
    fc.assert(
      fc.property(
        shape,
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 4, maxLength: 12 }),
        (exponents, sizes) => {
          const report = findOutliers(sizes.map((size, i) => host(`h${i}`, exponents, size * 30 * exponents.length)));
          expect(report.judgement).toBe('made');
          expect(marked(report)).toEqual([]);
          for (const row of report.rows) expect(row.distance).toBeCloseTo(0, 9);
        },
      ),
    );
  });
});

describe('one host that was moved', () => {
  it('is the outlier, up or down, however many values it has', () => {
    fc.assert(
      fc.property(
        shape,
        fc.integer({ min: 3, max: 30 }),
        fc.constantFrom(-3, -2, 2, 3, 6),
        fc.integer({ min: 1, max: 50 }),
        (exponents, others, doublings, size) => {
          const fleet = Array.from({ length: others }, (_, i) => host(`h${i}`, exponents, 300 * exponents.length));
          const report = findOutliers([...fleet, host('odd', exponents, 300 * exponents.length * size, doublings)]);
          expect(marked(report)).toEqual(['odd']);
          const [first] = report.rows;
          expect(first.host).toBe('odd');
          expect(first.distance).toBeCloseTo(Math.abs(doublings), 1);
          expect(first.shift).toBeCloseTo(doublings, 1);
          expect(first.why).toMatch(
            new RegExp(`values [\\d.]+ doublings ${doublings > 0 ? 'higher' : 'lower'}.*limit`),
          );
        },
      ),
    );
  });

  it('is found beside a second one, and hosts that only vary are not', () => {
    const fleet = Array.from({ length: 20 }, (_, i) => host(`h${i}`, [8, 9, 10, 10, 11, 9 + (i % 3)], 600));
    const report = findOutliers([
      ...fleet,
      host('slow', [8, 9, 10, 10, 11], 600, 4),
      host('slower', [8, 9, 10, 10, 11], 600, 5),
    ]);
    expect(marked(report)).toEqual(['slower', 'slow']);
  });
});

describe('judgement', () => {
  it('is not passed on fewer than four hosts with enough values', () => {
    const report = findOutliers([host('a', [8], 100), host('b', [8], 100), host('c', [20], 100), host('d', [20], 29)]);
    expect(report).toMatchObject({ judgement: 'too-few-hosts', threshold: undefined });
    expect(marked(report)).toEqual([]);
    expect(report.measure).toBe(
      'No judgement: it takes 4 hosts with 30 values each to say which one differs; there are 3.',
    );
    expect(report.rows.map((row) => row.why)).toEqual([
      'not judged: fewer than 4 hosts to compare',
      'not judged: fewer than 4 hosts to compare',
      'not judged: fewer than 4 hosts to compare',
      'not judged: 29 values, 30 are needed',
    ]);
  });

  it('allows a host of few values what chance explains, and a host of many not', () => {
    const even = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
    const fleet = Array.from({ length: 8 }, (_, i) => host(`h${i}`, even, 10_000));
    const skewed = [...even, 12, 13, 13];
    expect(marked(findOutliers([...fleet, host('few', skewed, 39)]))).toEqual([]);
    expect(marked(findOutliers([...fleet, host('many', skewed, 39_000)]))).toEqual(['many']);
  });

  it('says when a host differs but is neither higher nor lower', () => {
    const fleet = Array.from({ length: 6 }, (_, i) => host(`h${i}`, [8, 12], 1000));
    const [first] = findOutliers([...fleet, host('narrow', [10], 1000)]).rows;
    expect(first).toMatchObject({ host: 'narrow', isOutlier: true });
    expect(first.why).toContain('spread otherwise');
  });

  it('is passed per key; a host without that key is not in it', () => {
    const types = ['MAJOR', 'MINOR'];
    const hosts = Array.from({ length: 5 }, (_, i) => ({
      host: `h${i}`,
      histograms: types
        .slice(i === 0 ? 1 : 0)
        .map((type) => host('', [8], 100, type === 'MAJOR' && i === 4 ? 3 : 0, type).histogram),
    }));
    const reports = outliersByKey(hosts);
    expect(reports.map((report) => [report.merged.labels[0].value, report.rows.length, marked(report)])).toEqual([
      ['MAJOR', 4, ['h4']],
      ['MINOR', 5, []],
    ]);
  });

  it('is passed on a thousand hosts', () => {
    const fleet = Array.from({ length: 1000 }, (_, i) => host(`h${i}`, [8, 9, 10], 300, i === 777 ? 3 : 0));
    expect(marked(findOutliers(fleet))).toEqual(['h777']);
  });
});

it('the table marks the outlier, says why, and shows hostile names as text', () => {
  const fleet = Array.from({ length: 5 }, (_, i) => host(`h${i}`, [8, 9], 100));
  const report = findOutliers([...fleet, host('db\u001b[2J', [8, 9], 100, 3)]);
  const text = hostTableText(report, { width: 120 });
  expect(text).toMatch(
    /\n▲ {2}db␛\[2J +100 .* \+3\.00 {2}values 3 doublings higher than on the typical host \(limit [\d.]+\)\n/,
  );
  expect(text).toMatch(/Distance: earth mover's distance to the typical host/);
  expect(hostTableText(report, { width: 120, ascii: true })).toMatch(/\n! {2}db/);
  expect(hostTableText(report, { width: 120, colours: '256' })).toContain('\u001b[38;5;208m▲');
});
