// What every App does, whether it is in this process or a server elsewhere.
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App, Host, JobEvent, JobRequest, RunOptions } from '../../controller/api.js';
import type { TopQuestion } from '../../controller/questions/top-question.js';
import type { ScheduleDefinition } from '../../controller/schedule/schedule.js';
import type { TopProgress } from '../../controller/store/top-query.js';
import { type Failure, toFailure } from '../../proto/failure.js';
import { drawProfile } from '../profile/draw-profile.js';
import { finished, profileLog, type Script } from './fake-agent.js';
import { WATCH } from './specs.js';
import { type ServedApp, servedApp } from './web/served-app.js';

const profile = drawProfile('main;touch 5');
const data = Buffer.from('0123456789');
const sha256 = createHash('sha256').update(data).digest('hex');

const recorded: Script = async ({ emit }) => {
  const log = profileLog(profile);
  const artifact = { name: 'perf.data', size: data.length, sha256, mediaType: 'application/octet-stream' };
  emit(...log.slice(0, -1), { kind: 'artifact', artifact }, finished);
};
const refused: Script = async ({ emit }) => {
  const failure: Failure = { code: 'permission', message: 'perf may not', remedy: 'be root' };
  emit({ kind: 'done', outcome: 'failed', failure, commandLines: [] });
};

/**
 * @param open an app over these agents; closed by its maker
 * @param newStore as `--store` takes it; default: SQLite in the data directory
 */
export function appContract(
  name: string,
  open: (served: ServedApp) => Promise<App>,
  newStore: () => Promise<string | undefined> = async () => undefined,
): void {
  describe(`an app: ${name}`, () => {
    let served: ServedApp;
    let app: App;
    const { signal } = new AbortController();

    beforeEach(async () => {
      const store = await newStore();
      const scripts = { web1: recorded, web2: recorded, web3: refused };
      served = await servedApp(scripts, store === undefined ? {} : { store });
      served.agents.web1.artifacts.set('perf.data', { data, sha256 });
      app = await open(served);
    });
    afterEach(() => served.close());

    const request = (hosts: readonly Host[]): JobRequest => ({
      spec: {
        ...{ kind: 'record', target: { kind: 'system' }, duration: 100, events: [{ name: 'page-faults' }] },
        ...{ callGraph: { mode: 'fp' }, detail: { split: 'comm', keepTimestamps: false, lines: false }, keepRaw: true },
      },
      ...{ hosts, selectorText: 'x', requester: 'me@here', maxParallel: 8, grace: 30_000, note: 'a note' },
    });

    async function done(hosts: readonly Host[] = app.hosts('name=web1')) {
      const events: JobEvent[] = [];
      const options: RunOptions = { signal, onEvent: (event) => events.push(event) };
      const { id } = await app.submit(request(hosts));
      return { job: await app.run(id, options), events };
    }

    const failureOf = (promise: Promise<unknown>) =>
      promise.then(
        () => expect.fail('it did not fail'),
        (error: unknown) => toFailure(error),
      );

    it('has hosts, and asks them', async () => {
      expect(app.hosts('').map(({ name: host }) => host)).toEqual(['web1', 'web2', 'web3']);
      const hosts = app.hosts('name=web1');
      const [described] = await app.describe(hosts, signal);
      expect(described).toMatchObject({ ok: true, host: hosts[0] });
      const [listed] = await app.listProcesses(hosts, { comms: ['app'] }, signal);
      expect(listed).toMatchObject({ ok: true, value: [{ pid: 7, comm: 'app' }] });
      const [checked] = await app.preflight(hosts, request(hosts).spec, signal);
      expect(checked).toMatchObject({ ok: true, value: { commandLines: ['perf record'] } });
      expect((await app.scripts(hosts, signal)).every(({ ok }) => ok)).toBe(true);
      const [cleaned] = await app.cleanHosts(hosts, false, signal);
      expect(cleaned).toMatchObject({ ok: false, failure: { code: 'bad-request' } });
    });

    it('runs a job, tells how it goes, and keeps what it gave', async () => {
      const { job, events } = await done(app.hosts(''));
      expect(job).toMatchObject({ state: 'partial', request: { note: 'a note' } });
      expect(events.at(-1)).toEqual({ kind: 'job', job });
      expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(['host-run', 'capture', 'job']));
      const runs = await app.hostRuns(job.id);
      expect(runs.map(({ host, state }) => [host, state])).toEqual([
        ['web1', 'succeeded'],
        ['web2', 'succeeded'],
        ['web3', 'failed'],
      ]);
      // Also of a host where the capture failed: its tools may be why.
      for (const { machine } of runs) {
        expect(machine).toMatchObject({ hostname: 'fake', kernelRelease: '6.1.0', agentVersion: '0.1.0', cpuCount: 2 });
        expect(machine?.tools).toEqual([{ name: 'stap', version: '4.8/0.188', path: '/usr/bin/stap' }]);
      }
      expect(runs[2].failure).toEqual({ code: 'permission', message: 'perf may not', remedy: 'be root' });
      expect((await app.profile(job.id, 'web1'))?.samples).toEqual((await served.app.profile(job.id, 'web1'))?.samples);
      expect(await app.profile(job.id)).toEqual(await served.app.profile(job.id));
      expect(await app.profile(job.id, 'web3')).toBeUndefined();
      expect(await app.series(job.id)).toBeUndefined();
      expect(await app.histograms(job.id)).toBeUndefined();
      expect(await app.text(job.id, 'web1')).toEqual([]);
    });

    it('finds jobs by beginnings, by state and by `last`', async () => {
      const { job } = await done();
      for (const id of [job.id, job.id.slice(0, -1), 'last']) expect(await app.job(id)).toEqual(job);
      expect(await app.jobs({ limit: 5 })).toEqual([job]);
      expect(await app.jobs({ limit: 5, state: 'succeeded' })).toEqual([job]);
      expect(await app.jobs({ limit: 5, state: 'running' })).toEqual([]);
    });

    it('fails by code, message and remedy', async () => {
      const { job } = await done();
      expect(await failureOf(app.job('nosuch'))).toEqual({
        ...{ code: 'not-found', message: "there is no job 'nosuch'", remedy: '`perftrawl jobs ls` lists the jobs' },
      });
      expect(await failureOf(app.profile(job.id, 'web9'))).toMatchObject({
        code: 'not-found',
        remedy: 'its hosts are web1',
      });
      expect(await failureOf(app.run(job.id, { signal, onEvent: () => undefined }))).toMatchObject({
        code: 'conflict',
      });
      expect(await failureOf(app.approvals.get(job.id))).toMatchObject({ code: 'conflict' });
      expect((await app.cancel(job.id, signal)).state).toBe('succeeded');
    });

    it('fetches a raw file, from any byte on', async () => {
      const { job } = await done();
      for (const offset of [0, 7]) {
        const parts = [];
        for await (const part of app.fetchArtifact(job.id, 'web1', 'perf.data', offset, signal)) parts.push(part);
        expect(Buffer.concat(parts.map((part) => part.data))).toEqual(data.subarray(offset));
        expect(parts.at(-1)?.end).toEqual({ sha256, size: data.length });
      }
      const missing = async () => {
        for await (const _part of app.fetchArtifact(job.id, 'web1', '../../etc/passwd', 0, signal))
          expect.fail('a part');
      };
      expect(await failureOf(missing())).toMatchObject({ code: 'not-found' });
    });

    it('answers what weighs most over all jobs, and says what is not in it', async () => {
      await done(app.hosts(''));
      await done(app.hosts('name=web1'));
      const asked: TopQuestion = {
        selectorText: '',
        since: 0,
        until: Date.now() + 60_000,
        by: 'self',
        eachHostEqual: false,
        limit: 5,
      };
      const steps: TopProgress[] = [];
      const answer = await app.questions.top(asked, { signal, onProgress: (step) => steps.push(step) });
      expect(answer).toMatchObject({
        ...{ event: 'page-faults', type: { unit: 'count' }, captures: 3, jobs: 2, hosts: 2, samples: 15, weight: 15 },
        ...{ leftOut: [{ reason: 'failed', detail: 'permission', captures: 1 }] },
        sampling: [{ rate: 'at 4000 Hz', captures: 3 }],
        groups: [{ group: '', captures: 3, hosts: 2, rowCount: 2 }],
      });
      expect(answer.groups[0].rows[0]).toMatchObject({
        name: 'touch',
        object: 'app',
        self: { samples: 15 },
        selfShare: 1,
      });
      expect(answer.lastJob).toBeGreaterThanOrEqual(answer.firstJob);
      expect(steps.every(({ done: read, of }) => read <= of && of === 3)).toBe(true);
      const byHost = await app.questions.top(
        { ...asked, selectorText: 'name=web*', groupBy: 'name', by: 'comm' },
        { signal },
      );
      expect(byHost.groups.map(({ group, weight, rows }) => [group, weight, rows[0].name])).toEqual([
        ['web1', 10, 'app'],
        ['web2', 5, 'app'],
      ]);
      const other = await app.questions.top({ ...asked, event: 'cycles' }, { signal });
      expect(other).toMatchObject({ captures: 0, groups: [], leftOut: [{ reason: 'other-event', captures: 3 }, {}] });
      const before = await app.questions.top({ ...asked, until: 1 }, { signal });
      expect(before).toMatchObject({ captures: 0, jobs: 0, firstJob: 0, leftOut: [] });
      expect(await failureOf(app.questions.top({ ...asked, selectorText: 'a=' }, { signal }))).toMatchObject({
        code: 'bad-request',
      });
    });

    it('deletes a job', async () => {
      const { job } = await done();
      await app.deleteJob(job.id);
      expect(await failureOf(app.job(job.id))).toMatchObject({ code: 'not-found' });
    });

    it('discards a job that is cancelled while it runs', async () => {
      await served.close();
      served = await servedApp({
        web1: async ({ emit, stopped }) => {
          emit({ kind: 'state', state: 'running', detail: '' });
          await stopped;
          emit({ kind: 'done', outcome: 'discarded', commandLines: [] });
        },
      });
      app = await open(served);
      const { id } = await app.submit(request(app.hosts('')));
      let cancelled: Promise<unknown> | undefined;
      const job = await app.run(id, {
        signal,
        onEvent: ({ kind }) => {
          if (kind === 'capture') cancelled ??= app.cancel(id, signal);
        },
      });
      expect(job.state).toBe('cancelled');
      expect(await cancelled).toMatchObject({ state: 'cancelled' });
    });

    it('has a watch fire on the hosts that are named, and says what came of it', async () => {
      await served.close();
      let release: () => void = () => undefined;
      const ended = new Promise<void>((resolve) => (release = resolve));
      const watching: Script = async ({ emit }) => {
        emit({ kind: 'state', state: 'running', detail: '' });
        await ended;
        emit(finished);
      };
      served = await servedApp({ web1: watching, web2: watching });
      served.agents.web2.trigger = async ({ who, reason, requestId }) => ({
        ...{ number: 1, time: 5, cause: { kind: 'asked', who, reason: `${reason} ${requestId.length > 0}` } },
        capture: { ok: true, captureId: 'x' },
      });
      app = await open(served);
      const { id } = await app.submit({ ...request(app.hosts('')), spec: WATCH });
      let answers: Awaited<ReturnType<App['trigger']>> = [];
      let asked: Promise<void> | undefined;
      const running = new Set<string>();
      const job = await app.run(id, {
        signal,
        onEvent: (event) => {
          if (event.kind !== 'host-run' || event.run.state !== 'running') return;
          if (running.add(event.run.host).size < 2) return;
          asked ??= app.trigger(id, ['web2'], { who: 'me', reason: 'slow' }, signal).then(async (some) => {
            answers = [...some, ...(await app.trigger(id, [], { who: 'me', reason: '' }, signal))];
            release();
          });
        },
      });
      await asked;
      expect(job.state).toBe('succeeded');
      expect(answers.map(({ host, ok }) => [host.name, ok])).toEqual([
        ['web2', true],
        ['web1', false],
        ['web2', true],
      ]);
      const [first] = answers;
      if (!first?.ok || first.value.cause.kind !== 'asked') return expect.fail('it did not fire');
      expect(first.value.cause.reason).toBe('slow true');
      expect(first.value.cause.who).not.toBe('');
      expect(await failureOf(app.trigger(id, ['web9'], { who: 'me', reason: '' }, signal))).toMatchObject({
        code: 'not-found',
      });
      const [late] = await app.trigger(id, ['web1'], { who: 'me', reason: '' }, signal);
      expect(late).toMatchObject({
        ok: false,
        failure: { code: 'refused', message: expect.stringContaining('succeeded') },
      });
      const other = await app.submit(request(app.hosts('')));
      expect(await failureOf(app.trigger(other.id, [], { who: 'me', reason: '' }, signal))).toMatchObject({
        code: 'bad-request',
      });
    });

    it('finds jobs by what is known of them', async () => {
      const [web1, web2] = [app.hosts('name=web1'), app.hosts('name=web2')];
      const first = await app.submit({ ...request(web1), note: 'slow after the upgrade', labels: { ticket: 'OPS-1' } });
      const second = await app.submit({ ...request(web2), team: 'db', priority: 'high', labels: { ticket: 'OPS-2' } });
      const ids = async (filter: object) => (await app.jobs({ limit: 10, ...filter })).map(({ id }) => id);
      expect(await ids({ search: 'upgr slow' })).toEqual([first.id]);
      expect(await ids({ labels: { ticket: 'OPS-2' } })).toEqual([second.id]);
      expect(await ids({ labels: { ticket: 'OPS-2' }, host: 'web1' })).toEqual([]);
      expect(await ids({ team: 'db', since: 1, until: Date.now() + 60_000 })).toEqual([second.id]);
      expect(await ids({ before: second.id })).not.toContain(second.id);
      expect(second.request).toMatchObject({ team: 'db', priority: 'high' });
      for (const { id } of [first, second]) await app.cancel(id, signal);
    });

    it('keeps schedules, says when they are due, and runs them at once', async () => {
      const { spec, maxParallel, grace, note } = request([]);
      const job = { spec, maxParallel, grace, note };
      const definition: ScheduleDefinition = {
        ...{ name: 'nightly', timing: { kind: 'cron', pattern: '0 3 * * *' }, timeZone: 'Europe/Berlin' },
        ...{ windows: ['mon-fri'], blackouts: [], jitter: 0, overlap: 'skip', missed: 'once', tolerance: 60_000 },
        ...{ retention: { count: 5 }, job: { ...job, selectorText: 'name=web1' } },
      };
      const added = await app.schedules.add(definition, 'me@here');
      expect(added).toMatchObject({ state: 'active', definition: { ...definition, job: definition.job } });
      expect(await failureOf(app.schedules.add(definition, 'me@here'))).toMatchObject({ code: 'conflict' });
      const wrong = { ...definition, name: 'x', timing: { kind: 'cron', pattern: 'never' } } as const;
      expect(await failureOf(app.schedules.add(wrong, 'me@here'))).toMatchObject({ code: 'bad-request' });
      expect((await app.schedules.list()).map((schedule) => schedule.definition.name)).toEqual(['nightly']);
      const times = await app.schedules.next('nightly', 3);
      expect([times.length, times[0]]).toEqual([3, added.nextDue]);
      const id = await app.schedules.runNow('nightly', 'me@here');
      const job1 = await app.run(id, { signal, onEvent: () => undefined });
      expect([job1.state, job1.request.schedule?.name]).toEqual(['succeeded', 'nightly']);
      expect(await app.schedules.history('nightly', 5)).toMatchObject([{ state: 'fired', jobId: id }]);
      expect((await app.jobs({ limit: 5, schedule: 'nightly' })).map((one) => one.id)).toEqual([id]);
      expect((await app.schedules.pause('nightly')).state).toBe('paused');
      expect(await app.schedules.next('nightly', 3)).toEqual([]);
      expect((await app.schedules.resume('nightly')).nextDue).toBe(added.nextDue);
      await app.schedules.remove('nightly');
      expect(await failureOf(app.schedules.get('nightly'))).toMatchObject({ code: 'not-found' });
    });

    it('keeps the quotas of teams', async () => {
      const quota = { name: 'db', weight: 2, mostJobs: 3, mostHosts: 100 };
      expect(await app.teams.set(quota)).toEqual(quota);
      expect(await app.teams.list()).toContainEqual(quota);
      expect(await failureOf(app.teams.set({ ...quota, weight: -1 }))).toMatchObject({ code: 'bad-request' });
      await app.teams.reset('db');
      expect(await failureOf(app.teams.reset('db'))).toMatchObject({ code: 'not-found' });
    });

    it('keeps users', async () => {
      const { user, token } = await app.users.add({ name: 'dora', role: 'viewer', ttl: 60_000, withToken: true });
      expect(token).toMatch(/^ptu\./);
      expect(await app.users.list()).toContainEqual(user);
      expect((await app.users.revoke('dora')).revoked).toBeGreaterThan(0);
      expect(await failureOf(app.users.revoke('nobody'))).toMatchObject({ code: 'not-found' });
      expect((await app.users.whoami()).role).toBe('admin');
    });
  });
}
