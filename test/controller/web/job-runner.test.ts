// The jobs of a server: none is left behind by a request that was refused, and who ends one early is written down.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App, Job } from '../../../controller/api.js';
import { JobRunner } from '../../../controller/web/job-runner.js';
import { fail } from '../../../proto/failure.js';
import { STAT } from '../specs.js';
import { type ServedApp, servedApp } from './served-app.js';

describe('room', () => {
  const app: Pick<App, 'resume' | 'jobs'> = {
    resume: () => Promise.reject(fail('internal', 'nothing is resumed')),
    jobs: async () => [],
  };
  const runner = () => new JobRunner({ app, log: () => undefined, mostJobs: 1, random: Math.random });

  it('is taken by a job that runs', async () => {
    const jobs = runner();
    const ended = new Promise<Job>(() => undefined);
    await jobs.start('a', ({ onEvent }) => {
      onEvent({ kind: 'wave', wave: 1, of: 2, hosts: 1 });
      return ended;
    });
    await expect(jobs.start('b', () => ended)).rejects.toThrow(/runs 1 jobs already/);
    await jobs.start('a', () => expect.fail('it runs already'));
  });
});

describe('a job that is ended early', () => {
  let served: ServedApp;
  beforeAll(async () => {
    served = await servedApp({
      web1: async ({ stopped }) => {
        await stopped;
      },
    });
  });
  afterAll(() => served.close());

  it('is written down with who ended it', async () => {
    const bob = await served.remote(await served.token('bob', 'operator'));
    const options = { selectorText: '', requester: 'nobody', maxParallel: 1, grace: 1000, note: '' };
    const job = await bob.submit({ ...options, spec: STAT, hosts: bob.hosts('') });
    const stop = new AbortController();
    await bob
      .run(job.id, {
        signal: stop.signal,
        onEvent: (event) => {
          if (event.kind === 'host-run' && event.run.state === 'running') stop.abort();
        },
      })
      .catch(() => undefined);
    const stops = [];
    for await (const entry of served.app.audit.entries(0)) if (entry.what === 'stop-job') stops.push(entry);
    expect(stops[0]).toMatchObject({ who: 'bob@server', by: 'token', jobId: job.id });
  });
});
