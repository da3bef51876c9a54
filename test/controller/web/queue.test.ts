// The queue of a server: jobs wait for their turn, their teams and their time, and are told so.
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { App, Job, JobEvent, JobRequest } from '../../../controller/api.js';
import { createApp, type LocalApp } from '../../../controller/app.js';
import type { StapSpec } from '../../../proto/capture.js';
import { toFailure } from '../../../proto/failure.js';
import { STAT } from '../specs.js';
import { type ServedApp, type Serving, servedApp } from './served-app.js';

const own: StapSpec = {
  ...{ kind: 'stap', target: { kind: 'system' }, duration: 1000, interval: 0, overheadPercent: 0, keepRaw: false },
  script: { from: 'request', name: 'own.stp', text: 'probe begin {}', arguments: [], isGuru: false },
};
const never = new AbortController().signal;

describe('a server', () => {
  let served: ServedApp;
  let local: LocalApp | undefined;
  afterEach(async () => {
    await local?.close();
    local = undefined;
    await served.close();
  });

  const serve = async (serving: Serving) => {
    served = await servedApp({ web1: async ({ stopped }) => void (await stopped) }, serving);
  };
  const openLocal = () =>
    createApp({
      ...{ dataDir: join(served.fleet.directory, 'data'), configDir: served.fleet.directory },
      ...{ agentCommand: ['/nonexistent'], approve: 'stap-own' as const },
    });
  const submit = (app: App, more: Partial<JobRequest> = {}): Promise<Job> =>
    app.submit({
      ...{ spec: STAT, hosts: app.hosts(''), selectorText: '', requester: 'alice@server', maxParallel: 1 },
      ...{ grace: 60_000, note: '', ...more },
    });
  const approve = async (app: App, { id }: Job): Promise<void> =>
    app.approvals.approve(id, 'bob@server', (await app.approvals.get(id)).requestSha256);
  const stateOf = async (job: Job) => (await served.app.job(job.id)).state;

  it('lets jobs wait while it runs as many as it may, says where they are, and starts them one after the other', async () => {
    await serve({ mostJobs: 1 });
    const bob = await served.remote(await served.token('bob', 'operator'));
    const first = await submit(bob);
    const second = await submit(bob);
    const third = await submit(bob, { priority: 'high' });
    expect([first.state, second.state, third.state]).toEqual(['running', 'queued', 'queued']);
    expect((await bob.job(third.id)).queue).toEqual({
      position: 1,
      of: 2,
      waitsFor: 'a server that has room for one more job',
    });
    expect((await bob.job(second.id)).queue).toMatchObject({ position: 2, waitsFor: 'its turn, after 1 job' });
    expect((await bob.jobs({ limit: 9, state: 'queued' })).map(({ id }) => id)).toEqual([third.id, second.id]);

    const events: JobEvent[] = [];
    const followed = bob.run(second.id, { signal: never, onEvent: (event) => void events.push(event) });
    await vi.waitFor(() => expect(events.some(({ kind }) => kind === 'job')).toBe(true), 30_000);
    expect(events.find(({ kind }) => kind === 'job')).toMatchObject({ job: { state: 'queued' } });
    await bob.cancel(first.id, never);
    await vi.waitFor(async () => expect(await stateOf(third)).toBe('running'), 30_000);
    expect(await stateOf(second)).toBe('queued');
    await bob.cancel(third.id, never);
    await vi.waitFor(async () => expect(await stateOf(second)).toBe('running'), 30_000);
    await bob.cancel(second.id, never);
    expect((await followed).state).toBe('cancelled');
    expect((await served.app.job(second.id)).started).toBeGreaterThan((await served.app.job(third.id)).started);
  });

  it('cancels what waits, and touches no host for it', async () => {
    await serve({ mostJobs: 1 });
    const bob = await served.remote(await served.token('bob', 'operator'));
    const first = await submit(bob);
    const second = await submit(bob);
    expect((await bob.cancel(second.id, never)).state).toBe('cancelled');
    expect(await bob.hostRuns(second.id)).toMatchObject([{ state: 'cancelled', started: 0 }]);
    await expect(served.app.deleteJob(first.id)).rejects.toThrow(/is running/);
    await bob.cancel(first.id, never);
    expect(served.agents.web1.requests).toHaveLength(1);
  });

  it('keeps a job for its time', async () => {
    await serve({});
    const later = await submit(served.app, { notBefore: Date.now() + 3_600_000 });
    const now = await submit(served.app);
    await vi.waitFor(async () => expect(await stateOf(now)).toBe('running'), 30_000);
    expect(await served.app.job(later.id)).toMatchObject({ state: 'queued', started: 0 });
    expect((await served.app.job(later.id)).queue?.waitsFor).toMatch(/^its time, 20/);
    await served.app.cancel(now.id, never);
    await served.app.cancel(later.id, never);
  });

  it('starts what waited when it is there again', async () => {
    await serve({ mostJobs: 1 });
    const first = await submit(served.app);
    const second = await submit(served.app);
    await vi.waitFor(async () => expect(await stateOf(first)).toBe('running'), 30_000);
    await served.restart();
    await vi.waitFor(async () => expect(await stateOf(first)).toBe('running'), 30_000);
    expect(await stateOf(second)).toBe('queued');
    await served.app.cancel(first.id, never);
    await vi.waitFor(async () => expect(await stateOf(second)).toBe('running'), 30_000);
    await served.app.cancel(second.id, never);
  });

  it('starts what another process on its store approved, and says to the host who did', async () => {
    await serve({ approve: 'stap-own' });
    local = await openLocal();
    const job = await submit(local, { spec: own });
    const waits = await submit(local, { spec: own });
    expect(job.state).toBe('awaiting-approval');
    await approve(local, job);
    await vi.waitFor(() => expect(served.agents.web1.requests).toHaveLength(1), 60_000);
    expect(served.agents.web1.requests).toMatchObject([{ origin: { jobId: job.id, approvers: ['bob@server'] } }]);
    expect(served.log).toContainEqual({ level: 'info', event: 'job-started', job: job.id });
    expect(await stateOf(waits)).toBe('awaiting-approval');
    await served.app.cancel(job.id, never);
  });

  it('leaves to another process what that has taken up', async () => {
    await serve({});
    local = await openLocal();
    const job = await submit(local);
    const stop = new AbortController();
    const run = local.run(job.id, { signal: stop.signal, onEvent: () => undefined });
    // Two connections of one process must not have transactions at the same time: one would wait for the other without letting it go on.
    await vi.waitFor(() => expect(served.agents.web1.requests).toHaveLength(1), 30_000);
    const last = await submit(served.app);
    await vi.waitFor(() => expect(served.log.map((entry) => entry.job)).toContain(last.id), 60_000);
    expect(served.log.map((entry) => entry.job)).not.toContain(job.id);
    stop.abort();
    await run;
    await served.app.cancel(last.id, never);
  });

  it('takes no more than it can list', async () => {
    await serve({});
    const failure = await submit(served.app, { team: 'x'.repeat(10), spread: -1 }).catch(toFailure);
    expect(failure).toMatchObject({ code: 'bad-request', message: 'hosts cannot be spread over -1 ms' });
  });
});
