// What every SampleStore must do.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Result, ResultKey, SampleStore } from '../../../controller/store/sample-store.js';
import type { TopCapture, TopGroup, TopQuery } from '../../../controller/store/top-query.js';
import type { CounterSeries } from '../../../profile/counter-series.js';
import type { HistogramSeries } from '../../../profile/histogram-series.js';
import type { TextLine } from '../../../profile/text-line.js';
import { toFailure } from '../../../proto/failure.js';
import { decodeProfile, encodeProfile, type ProfileChunk } from '../../../proto/profile-codec.js';
import { type DrawOptions, drawProfile } from '../../profile/draw-profile.js';
import { drawPoint, drawSeries } from '../draw-histogram.js';

export function sampleStoreContract(
  name: string,
  open: () => Promise<{ store: SampleStore; close(): Promise<void> }>,
): void {
  describe(`sample store ${name}`, () => {
    let store: SampleStore;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ store, close } = await open());
    });
    afterEach(() => close());
    const db: ResultKey = { jobId: 'a1', host: 'db' };
    const merged: ResultKey = { jobId: 'a1', host: undefined };
    const chunksOf = async (key: ResultKey): Promise<ProfileChunk[]> => {
      const all: ProfileChunk[] = [];
      for await (const chunk of store.chunks(key)) all.push({ ...chunk, data: Uint8Array.from(chunk.data) });
      return all;
    };

    it('gives back a profile as it came', async () => {
      const profile = drawProfile('main;läuft@/lib/ü.so 3\nmain 2');
      await store.put(db, result({ chunks: [...encodeProfile(profile)] }));
      expect(decodeProfile(await chunksOf(db))).toEqual(profile);
      expect(await store.series(db)).toBeUndefined();
    });

    it('tells how large the results of a job are', async () => {
      expect(await store.bytesOf('a1')).toBe(0);
      await store.put(db, result({ chunks: [chunk(0, false), chunk(1, true)] }));
      const profile = await store.bytesOf('a1');
      expect(profile).toBe(chunk(0, false).data.length + chunk(1, true).data.length);
      await store.put(merged, result({ histograms: drawSeries('1:1') }));
      expect(await store.bytesOf('a1')).toBeGreaterThan(profile);
      expect(await store.bytesOf('a2')).toBe(0);
    });

    it('keeps many chunks in order', async () => {
      const chunks = Array.from({ length: 40 }, (_, index) => chunk(index, index === 39));
      await store.put(db, result({ chunks }));
      expect(await chunksOf(db)).toEqual(chunks);
    });

    it('gives back counters as they came', async () => {
      await store.put(db, result({ chunks: [], series }));
      expect(await store.series(db)).toEqual(series);
      expect(await chunksOf(db)).toEqual([]);
    });

    it('gives back histograms as they came, with names, scales and what was not printed', async () => {
      const scale = { kind: 'linear', from: -10, to: 90, step: 10 } as const;
      const labels = [
        { key: 'fault_type', value: 'MINOR' },
        { key: 'prozeß', value: '\u{1f600}' },
      ];
      const histograms: HistogramSeries = {
        points: [
          drawPoint(1000.5, '0:1 1:2 1024:9007199254740000', { labels, sum: 12, min: -3, max: 2 ** 60 }),
          drawPoint(1000.5, '', { scale, unit: '', underflow: 3, overflow: 4 }),
          drawPoint(2000, '4:1', { labels }),
        ],
        interval: 1000,
        losses: [{ kind: 'damaged-histograms', count: 1, detail: 'line 12' }],
      };
      await store.put(db, result({ histograms }));
      expect(await store.histograms(db)).toEqual(histograms);
      expect([await store.series(db), await store.text(db)]).toEqual([undefined, []]);
    });

    it('gives back any histograms', async () => {
      const word = fc.string({ unit: 'binary', maxLength: 5 });
      const point = fc.tuple(
        fc.integer({ min: 0, max: 9 }),
        word,
        word,
        fc.array(fc.integer({ min: 1, max: 1e9 }), { maxLength: 5 }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(point, { maxLength: 10 }), async (points) => {
          const histograms: HistogramSeries = {
            points: points.map(([time, title, value, counts]) =>
              drawPoint(time, counts.map((count, i) => `${2 ** i}:${count}`).join(' '), {
                title,
                labels: [{ key: '', value }],
              }),
            ),
            ...{ interval: 0, losses: [] },
          };
          await store.put(db, result({ histograms }));
          expect(await store.histograms(db)).toEqual(histograms);
        }),
        { numRuns: 40 },
      );
    });

    it('gives back lines of text as they came', async () => {
      const text: TextLine[] = [
        { time: 0.5, number: 1, stream: 'stdout', text: '' },
        { time: 7, number: 2, stream: 'stdout', text: 'same' },
        { time: 7, number: 1, stream: 'stderr', text: 'same' },
        { time: 8, number: 3, stream: 'stdout', text: '\u001b[31m läuft\u0000' },
      ];
      await store.put(db, result({ text }));
      expect(await store.text(db)).toEqual(text);
      await store.put(db, result({}));
      expect(await store.text(db)).toEqual([]);
    });

    it('replaces what was there, whole', async () => {
      await store.put(db, result({ chunks: [chunk(0, false), chunk(1, true)], series }));
      await store.put(db, result({ chunks: [chunk(0, true)] }));
      expect(await chunksOf(db)).toEqual([chunk(0, true)]);
      expect(await store.series(db)).toBeUndefined();
    });

    it('keeps the old result when the new one cannot be stored', async () => {
      await store.put(db, result({ chunks: [chunk(0, true)], series }));
      const broken = {
        ...chunk(1, true),
        get data(): Uint8Array {
          throw new Error('the disk is on fire');
        },
      };
      await expect(store.put(db, result({ chunks: [chunk(0, false), broken] }))).rejects.toThrow('fire');
      expect([await chunksOf(db), await store.series(db)]).toEqual([[chunk(0, true)], series]);
    });

    it('takes no result of somebody who does not own the job, and keeps what was there', async () => {
      await store.put(db, result({ chunks: [chunk(0, true)] }));
      const late = store.put(db, result({ chunks: [chunk(0, false), chunk(1, true)] }), 'nobody');
      expect(toFailure(await late.catch((error: unknown) => error))).toMatchObject({ code: 'conflict' });
      expect(await chunksOf(db)).toEqual([chunk(0, true)]);
    });

    it('tells hosts, jobs and the merged result apart', async () => {
      const line: TextLine[] = [{ time: 1, number: 1, stream: 'stdout', text: 'x' }];
      await store.put(db, result({ chunks: [chunk(0, true)] }));
      await store.put(
        merged,
        result({ chunks: [chunk(0, false), chunk(1, true)], series, histograms: drawSeries('1:1'), text: line }),
      );
      await store.put({ jobId: 'a2', host: 'db' }, result({ chunks: [chunk(0, true)], series }));
      expect([(await chunksOf(db)).length, (await chunksOf(merged)).length]).toEqual([1, 2]);
      await store.deleteJob('a1');
      expect([await chunksOf(db), await chunksOf(merged), await store.series(merged)]).toEqual([[], [], undefined]);
      expect([await store.histograms(merged), await store.text(merged)]).toEqual([undefined, []]);
      expect(await chunksOf({ jobId: 'a2', host: 'db' })).toHaveLength(1);
    });

    describe('asked what weighs most', () => {
      const { signal } = new AbortController();
      const query: TopQuery = {
        ...{ captures: [], event: 'page-faults', of: 'functions', sortBy: 'self', eachHostEqual: false, limit: 10 },
      };
      const capture = (jobId: string, host: string, group = ''): TopCapture => ({ jobId, host, group });
      const keep = (jobId: string, host: string, text: string, options: DrawOptions = {}) =>
        store.put({ jobId, host }, result({ chunks: [...encodeProfile(drawProfile(text, options))] }));
      const shares = ({ rows }: TopGroup) => rows.map(({ name, selfShare }) => [name, selfShare]);

      it('adds up jobs and hosts, and says what it covers', async () => {
        const losses = [{ kind: 'lost-events', count: 2, detail: 'cpu 1' }] as const;
        await keep('a1', 'db', 'main;parse 6/3\nmain;write 2', { duration: 1000, losses });
        await keep('a1', 'web', 'main;parse 2', { duration: 1000, losses });
        await keep('a2', 'db', 'main;write 10/1', { duration: 500 });
        const captures = [capture('a1', 'db'), capture('a2', 'db'), capture('a1', 'web')];
        const steps: number[] = [];
        const answer = await store.topFunctions(
          { ...query, captures, limit: 2 },
          { signal, onProgress: ({ done }) => steps.push(done) },
        );
        expect(answer).toMatchObject({
          ...{ event: 'page-faults', type: { unit: 'count' }, captures: 3, jobs: 2, hosts: 2, samples: 8, weight: 20 },
          ...{ recorded: 2500, losses: [{ kind: 'lost-events', count: 4, detail: '' }], leftOut: [] },
        });
        expect(answer.groups).toMatchObject([{ group: '', captures: 3, hosts: 2, weight: 20, rowCount: 3 }]);
        expect(answer.groups[0].rows).toEqual([
          {
            ...{ name: 'write', object: 'app', selfShare: 0.6, totalShare: 0.6 },
            ...{ self: { samples: 3, weight: 12 }, total: { samples: 3, weight: 12 } },
          },
          {
            ...{ name: 'parse', object: 'app', selfShare: 0.4, totalShare: 0.4 },
            ...{ self: { samples: 5, weight: 8 }, total: { samples: 5, weight: 8 } },
          },
        ]);
        expect(steps).toEqual([0, 1, 2, 3]);
      });

      it('keeps groups apart, and lets each host count the same', async () => {
        await keep('a1', 'db1', 'f 90\ng 10');
        await keep('a1', 'db2', 'g 1');
        await keep('a2', 'db2', 'g 1');
        await keep('a1', 'idle', '');
        await keep('a1', 'web', 'h 5');
        const captures = [
          ...[capture('a1', 'web', 'web'), capture('a1', 'db1', 'db'), capture('a1', 'db2', 'db')],
          ...[capture('a2', 'db2', 'db'), capture('a1', 'idle', 'db')],
        ];
        const summed = await store.topFunctions({ ...query, captures }, { signal });
        expect(summed.groups.map(({ group, captures: count, hosts }) => [group, count, hosts])).toEqual([
          ['db', 4, 3],
          ['web', 1, 1],
        ]);
        expect(shares(summed.groups[0])).toEqual([
          ['f', 90 / 102],
          ['g', 12 / 102],
        ]);
        const equal = await store.topFunctions({ ...query, captures, eachHostEqual: true }, { signal });
        expect(shares(equal.groups[0])).toEqual([
          ['g', (0.1 + 1) / 2],
          ['f', 0.9 / 2],
        ]);
      });

      it('leaves out what counts something else, is not there or cannot be read', async () => {
        await keep('a1', 'db', 'f 1');
        await keep('a2', 'db', 'f 7000', { event: 'cpu-clock' });
        const [chunk] = encodeProfile(drawProfile('f 1'));
        await store.put({ jobId: 'a3', host: 'db' }, result({ chunks: [{ ...chunk, crc32: chunk.crc32 ^ 1 }] }));
        const captures = ['a1', 'a2', 'a3', 'a4'].map((id) => capture(id, 'db'));
        const answer = await store.topFunctions({ ...query, captures }, { signal });
        expect(answer).toMatchObject({ captures: 1, weight: 1 });
        expect(answer.leftOut).toMatchObject([
          { reason: 'other-event', detail: 'cpu-clock', captures: 1 },
          { reason: 'unreadable', captures: 1 },
          { reason: 'no-profile', detail: '', captures: 1 },
        ]);
        const any = await store.topFunctions({ ...query, captures, event: undefined }, { signal });
        expect([any.event, any.weight]).toEqual(['page-faults', 1]);
        const none = await store.topFunctions({ ...query, captures: [], event: undefined }, { signal });
        expect(none).toMatchObject({ event: '', captures: 0, groups: [] });
      });

      it('by process and by object', async () => {
        await keep('a1', 'db', '{comm=pg} main;read@[kernel.kallsyms] 6\n{comm=sh} main 2');
        const captures = [capture('a1', 'db')];
        const of = async (rows: TopQuery['of']) =>
          (await store.topFunctions({ ...query, captures, of: rows }, { signal })).groups[0];
        expect(shares(await of('comms'))).toEqual([
          ['pg', 0.75],
          ['sh', 0.25],
        ]);
        expect(shares(await of('objects'))).toEqual([
          ['[kernel.kallsyms]', 0.75],
          ['app', 0.25],
        ]);
      });

      it('stops when nobody wants to know any more', async () => {
        await keep('a1', 'db', 'f 1');
        const stop = new AbortController();
        const captures = ['a1', 'a2', 'a3'].map((id) => capture(id, 'db'));
        const asked = store.topFunctions(
          { ...query, captures },
          { signal: stop.signal, onProgress: ({ done }) => done === 1 && stop.abort(new Error('enough')) },
        );
        await expect(asked).rejects.toThrow('enough');
      });
    });

    it('writes while somebody reads', async () => {
      await store.put(db, result({ chunks: Array.from({ length: 5 }, (_, i) => chunk(i, i === 4)) }));
      let read = 0;
      for await (const _ of store.chunks(db)) {
        await store.put({ jobId: 'a1', host: `other${read++}` }, result({ chunks: [chunk(0, true)] }));
      }
      expect(read).toBe(5);
    });
  });
}

function result(part: Partial<Result>): Result {
  return { chunks: [], series: undefined, histograms: undefined, text: [], ...part };
}

function chunk(index: number, isLast: boolean): ProfileChunk {
  const data = Uint8Array.of(index, 0, 255);
  return { name: '', index, isLast, encoding: 'brotli', crc32: 0xffff_fff0 + index, rawLength: 7, data };
}

const series: CounterSeries = {
  interval: 1000,
  points: [
    { time: 1000.25, event: 'cycles', scope: '', status: 'not-supported', value: 0, unit: '', runningPercent: 0 },
    {
      time: 1000.25,
      event: 'task-clock',
      scope: 'CPU0',
      status: 'counted',
      value: 12.5,
      unit: 'msec',
      runningPercent: 100,
    },
    { time: 2000, event: 'page-faults', scope: 'CPU0', status: 'not-counted', value: 0, unit: '', runningPercent: 50 },
  ],
  losses: [{ kind: 'not-supported', count: 1, detail: 'cycles' }],
};
