// Many at once, not too many; a defect stops the rest.
import { describe, expect, it } from 'vitest';
import { fanOut } from '../../../controller/jobs/fan-out.js';

describe('fan-out', () => {
  it('runs as many at a time as it may, and gives the results in order', async () => {
    let running = 0;
    let most = 0;
    const results = await fanOut([5, 1, 4, 2, 3], 2, async (n) => {
      most = Math.max(most, ++running);
      for (let turn = 0; turn < n; turn++) await Promise.resolve();
      running--;
      return n * 10;
    });
    expect([results, most]).toEqual([[50, 10, 40, 20, 30], 2]);
  });

  it('after a rejection starts nothing more, tells those that run, and waits for them', async () => {
    const log: string[] = [];
    const work = async (name: string, abandoned: AbortSignal) => {
      log.push(`start ${name}`);
      if (name === 'b') throw new Error('broken store');
      await new Promise((resolve) => abandoned.addEventListener('abort', resolve));
      log.push(`end ${name}`);
    };
    await expect(fanOut(['a', 'b', 'c'], 2, work)).rejects.toThrow('broken store');
    expect(log).toEqual(['start a', 'start b', 'end a']);
  });
});
