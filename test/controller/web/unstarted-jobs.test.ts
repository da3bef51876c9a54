// Jobs that were approved where no server starts them: by a command on the same machine, or before a server died.
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { App, Job } from '../../../controller/api.js';
import { createApp, type LocalApp } from '../../../controller/app.js';
import type { Clock } from '../../../controller/clock.js';
import { JobRunner } from '../../../controller/web/job-runner.js';
import type { LogEntry } from '../../../controller/web/server-log.js';
import { startUnstarted } from '../../../controller/web/unstarted-jobs.js';
import type { StapSpec } from '../../../proto/capture.js';
import { fail } from '../../../proto/failure.js';
import { type ServedApp, servedApp } from './served-app.js';

const own: StapSpec = {
  ...{ kind: 'stap', target: { kind: 'system' }, duration: 1000, interval: 0, overheadPercent: 0, keepRaw: false },
  script: { from: 'request', name: 'own.stp', text: 'probe begin {}', arguments: [], isGuru: false },
};

describe('a server', () => {
  let served: ServedApp;
  let local: LocalApp | undefined;
  afterEach(async () => {
    await local?.close();
    local = undefined;
    await served.close();
  });

  const openLocal = () =>
    createApp({
      ...{ dataDir: join(served.fleet.directory, 'data'), configDir: served.fleet.directory },
      ...{ agentCommand: ['/nonexistent'], approve: 'stap-own' as const },
    });
  const submit = (app: App): Promise<Job> =>
    app.submit({
      ...{ spec: own, hosts: app.hosts(''), selectorText: '', requester: 'alice@server', maxParallel: 1 },
      ...{ grace: 2000, note: '' },
    });
  const approve = async (app: App, { id }: Job): Promise<void> =>
    app.approvals.approve(id, 'bob@server', (await app.approvals.get(id)).requestSha256);

  it('starts what another process on its store approved, and says to the host who did', async () => {
    served = await servedApp({ web1: async ({ stopped }) => void (await stopped) }, { approve: 'stap-own' });
    local = await openLocal();
    const job = await submit(local);
    await approve(local, job);
    await vi.waitFor(() => expect(served.agents.web1.requests).toHaveLength(1), 60_000);
    expect(served.agents.web1.requests).toMatchObject([{ origin: { jobId: job.id, approvers: ['bob@server'] } }]);
    expect(served.log).toContainEqual({ level: 'info', event: 'job-started', job: job.id });
    await served.app.cancel(job.id, new AbortController().signal);
  });

  it('leaves what waits, and what another process runs', async () => {
    served = await servedApp({ web1: async ({ stopped }) => void (await stopped) }, { approve: 'stap-own' });
    local = await openLocal();
    const waits = await submit(local);
    const runs = await submit(local);
    await approve(local, runs);
    const stop = new AbortController();
    const run = local.run(runs.id, { signal: stop.signal, onEvent: () => undefined });
    const last = await submit(local);
    await approve(local, last);
    await vi.waitFor(() => expect(served.log.map(({ job }) => job)).toContain(last.id), 60_000);
    expect(served.log.map(({ job }) => job)).not.toContain(waits.id);
    expect(served.log.map(({ job }) => job)).not.toContain(runs.id);
    expect((await served.app.job(waits.id)).state).toBe('awaiting-approval');
    stop.abort();
    await run;
    await served.app.cancel(last.id, new AbortController().signal);
  });
});

describe('looking for them', () => {
  /** One look per call of `look`. */
  function looking(found: () => Promise<readonly string[]>, run: (id: string) => Promise<Job>, mostJobs = 2) {
    const log: LogEntry[] = [];
    const app = { resume: () => expect.fail('nothing is resumed'), jobs: async () => [] };
    const runner = new JobRunner({ app, log: (entry) => void log.push(entry), mostJobs, random: Math.random });
    const stop = new AbortController();
    let wake: () => void = () => undefined;
    let asleep: () => void = () => undefined;
    const clock: Clock = {
      now: () => 0,
      monotonic: () => 0,
      sleep: (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve('aborted'));
          wake = () => resolve('elapsed');
          asleep();
        }),
    };
    const over = startUnstarted(
      { app: { unstarted: found, run }, runner, clock, log: (entry) => void log.push(entry) },
      stop.signal,
    );
    return {
      log,
      look: () =>
        new Promise<void>((resolve) => {
          asleep = resolve;
          wake();
        }),
      async close() {
        stop.abort();
        await over;
      },
    };
  }

  it('starts none that is found only once: whoever decided on it takes it up himself', async () => {
    const ran: string[] = [];
    const looks = [['a'], [], ['a'], ['a', 'b']];
    const run = async (id: string) => {
      ran.push(id);
      throw fail('internal', 'it ends at once');
    };
    const { look, close } = looking(async () => looks.shift() ?? [], run);
    for (let i = 0; i < 3; i++) await look();
    expect(ran).toEqual([]);
    await look();
    expect(ran).toEqual(['a']);
    await close();
  });

  it('goes on after a look or a job that failed, and tells both', async () => {
    let looks = 0;
    const found = async () => {
      if (++looks === 1) throw fail('exhausted', 'the database is locked');
      return ['a', 'b'];
    };
    const { look, close, log } = looking(found, (id) =>
      Promise.reject(fail(id === 'a' ? 'internal' : 'conflict', `not ${id}`)),
    );
    for (let i = 0; i < 3; i++) await look();
    await close();
    expect(log).toMatchObject([
      { level: 'error', event: 'jobs-not-read', failure: { message: 'the database is locked' } },
      { level: 'error', event: 'job-not-started', job: 'a', failure: { message: 'not a' } },
      { level: 'info', event: 'job-not-started', job: 'b', failure: { message: 'not b' } },
    ]);
  });

  it('leaves those for which there is no room until there is', async () => {
    const ran: string[] = [];
    const { look, close } = looking(
      async () => ['a', 'b'],
      (id) => {
        ran.push(id);
        return new Promise<Job>(() => undefined);
      },
      0,
    );
    for (let i = 0; i < 3; i++) await look();
    expect(ran).toEqual([]);
    await close();
  });
});
