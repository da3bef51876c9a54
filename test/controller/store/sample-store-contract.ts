// What every SampleStore must do.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ResultKey, SampleStore } from '../../../controller/store/sample-store.js';
import type { CounterSeries } from '../../../profile/counter-series.js';
import { decodeProfile, encodeProfile, type ProfileChunk } from '../../../proto/profile-codec.js';
import { drawProfile } from '../../profile/draw-profile.js';

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
      await store.put(db, { chunks: [...encodeProfile(profile)], series: undefined });
      expect(decodeProfile(await chunksOf(db))).toEqual(profile);
      expect(await store.series(db)).toBeUndefined();
    });

    it('keeps many chunks in order', async () => {
      const chunks = Array.from({ length: 40 }, (_, index) => chunk(index, index === 39));
      await store.put(db, { chunks, series: undefined });
      expect(await chunksOf(db)).toEqual(chunks);
    });

    it('gives back counters as they came', async () => {
      await store.put(db, { chunks: [], series });
      expect(await store.series(db)).toEqual(series);
      expect(await chunksOf(db)).toEqual([]);
    });

    it('replaces what was there, whole', async () => {
      await store.put(db, { chunks: [chunk(0, false), chunk(1, true)], series });
      await store.put(db, { chunks: [chunk(0, true)], series: undefined });
      expect(await chunksOf(db)).toEqual([chunk(0, true)]);
      expect(await store.series(db)).toBeUndefined();
    });

    it('keeps the old result when the new one cannot be stored', async () => {
      await store.put(db, { chunks: [chunk(0, true)], series });
      const broken = {
        ...chunk(1, true),
        get data(): Uint8Array {
          throw new Error('the disk is on fire');
        },
      };
      await expect(store.put(db, { chunks: [chunk(0, false), broken], series: undefined })).rejects.toThrow('fire');
      expect([await chunksOf(db), await store.series(db)]).toEqual([[chunk(0, true)], series]);
    });

    it('tells hosts, jobs and the merged result apart', async () => {
      await store.put(db, { chunks: [chunk(0, true)], series: undefined });
      await store.put(merged, { chunks: [chunk(0, false), chunk(1, true)], series });
      await store.put({ jobId: 'a2', host: 'db' }, { chunks: [chunk(0, true)], series });
      expect([(await chunksOf(db)).length, (await chunksOf(merged)).length]).toEqual([1, 2]);
      await store.deleteJob('a1');
      expect([await chunksOf(db), await chunksOf(merged), await store.series(merged)]).toEqual([[], [], undefined]);
      expect(await chunksOf({ jobId: 'a2', host: 'db' })).toHaveLength(1);
    });

    it('writes while somebody reads', async () => {
      await store.put(db, { chunks: Array.from({ length: 5 }, (_, i) => chunk(i, i === 4)), series: undefined });
      let read = 0;
      for await (const _ of store.chunks(db)) {
        await store.put({ jobId: 'a1', host: `other${read++}` }, { chunks: [chunk(0, true)], series: undefined });
      }
      expect(read).toBe(5);
    });
  });
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
