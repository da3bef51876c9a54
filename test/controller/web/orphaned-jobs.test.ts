// Jobs whose controller is gone are taken over: not too early, and not for ever.
import { describe, expect, it } from 'vitest';
import type { Job } from '../../../controller/api.js';
import type { Clock } from '../../../controller/clock.js';
import { StoreAway } from '../../../controller/store/store-away.js';
import { JobRunner } from '../../../controller/web/job-runner.js';
import { takeOverOrphans } from '../../../controller/web/orphaned-jobs.js';
import type { LogEntry } from '../../../controller/web/server-log.js';
import { fail } from '../../../proto/failure.js';

describe('looking for jobs without owners', () => {
  /** One look per call of `look`, a second apart. @param found ids, or ids with owners that are gone: `a/owner` */
  function looking(found: () => Promise<readonly string[]>, run: (id: string) => Promise<Job>, mostJobs = 2) {
    const log: LogEntry[] = [];
    const app = { resume: () => expect.fail('nothing is resumed'), jobs: async () => [] };
    const runner = new JobRunner({ app, log: (entry) => void log.push(entry), mostJobs, random: Math.random });
    const stop = new AbortController();
    let wake: () => void = () => undefined;
    let asleep: () => void = () => undefined;
    let looks = 0;
    const ownerships = async () =>
      (await found()).map((text) => ({ id: text.split('/')[0], owner: text.split('/')[1] ?? '', ownerSilence: 1e6 }));
    const clock: Clock = {
      now: () => 0,
      monotonic: () => looks * 1000,
      sleep: (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve('aborted'));
          wake = () => resolve('elapsed');
          asleep();
        }),
    };
    const over = takeOverOrphans(
      { app: { orphans: ownerships, run }, runner, clock, log: (entry) => void log.push(entry) },
      stop.signal,
    );
    return {
      log,
      look: () =>
        new Promise<void>((resolve) => {
          asleep = resolve;
          looks++;
          wake();
        }),
      async close() {
        stop.abort();
        await over;
      },
    };
  }

  it('takes over what has lost its owner for five seconds on end, and the store was there all the time', async () => {
    const ran: string[] = [];
    const run = async (id: string) => {
      ran.push(id);
      throw fail('conflict', 'it ends at once');
    };
    let owner = 'x';
    let trouble = false;
    const found = async () => {
      if (trouble) throw fail('unreachable', 'the store is away');
      return [`a/${owner}`];
    };
    const { look, close } = looking(found, run);
    for (let i = 0; i < 5; i++) await look();
    // Somebody else has it, and is gone too.
    owner = 'y';
    for (let i = 0; i < 5; i++) await look();
    trouble = true;
    await look();
    trouble = false;
    for (let i = 0; i < 5; i++) await look();
    expect(ran).toEqual([]);
    await look();
    expect(ran).toEqual(['a']);
    await close();
  });

  it('does not take up for ever what fails each time', async () => {
    const ran: string[] = [];
    const run = async (id: string) => {
      ran.push(id);
      throw fail('internal', 'it fails');
    };
    const { look, close } = looking(async () => ['a/x'], run);
    for (let i = 0; i < 30; i++) await look();
    expect(ran).toHaveLength(5);
    await close();
  });

  it('takes up as often as that takes what failed for want of a store', async () => {
    const ran: string[] = [];
    const run = async (id: string) => {
      ran.push(id);
      throw new StoreAway({ code: 'exhausted', message: 'no room', remedy: '' }, undefined);
    };
    const { look, close, log } = looking(async () => ['a/x'], run);
    for (let i = 0; i < 60; i++) await look();
    expect(ran.length).toBeGreaterThan(5);
    // Told once, not each time.
    expect(log).toEqual([expect.objectContaining({ event: 'jobs-not-read' })]);
    await close();
  });

  it('leaves those for which there is no room until there is', async () => {
    const ran: string[] = [];
    const { look, close } = looking(
      async () => ['a/x', 'b/x'],
      (id) => {
        ran.push(id);
        return new Promise<Job>(() => undefined);
      },
      0,
    );
    for (let i = 0; i < 9; i++) await look();
    expect(ran).toEqual([]);
    await close();
  });
});
