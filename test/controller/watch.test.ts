// What watches start on their hosts is taken up by jobs of their own: each once, whatever happens to connections and controllers.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App, HostRun, JobEvent, JobRequest, RunOptions } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import type { CaptureEventBody, Firing } from '../../proto/capture.js';
import { recordingOf } from '../../proto/watch-parts.js';
import { drawProfile } from '../profile/draw-profile.js';
import { FakeAgent, finished, profileLog, type Script } from './fake-agent.js';
import { WATCH } from './specs.js';
import { type TlsFleet, tlsFleet } from './tls-fleet.js';

const profile = drawProfile('main;storm 7');
const running: CaptureEventBody = { kind: 'state', state: 'running', detail: '' };

let fleet: TlsFleet;
let agent: FakeAgent;
let apps: App[];
let app: App;
let events: JobEvent[];

beforeEach(async () => {
  fleet = await tlsFleet();
  apps = [];
  events = [];
});
afterEach(async () => {
  await Promise.all(apps.map((one) => one.close()));
  await fleet.close();
});

async function openApp(): Promise<App> {
  const opened = await createApp({
    dataDir: `${fleet.directory}/data`,
    configDir: fleet.directory,
    agentCommand: ['/nonexistent'],
  });
  apps.push(opened);
  return opened;
}

async function withHost(script: Script): Promise<void> {
  agent = new FakeAgent(script);
  await fleet.writeInventory([await fleet.serve('db1', agent)]);
  app = await openApp();
}

/** A watch that fires so often, each time with a profile, and then ends when it may. */
const firing =
  (times: number, until = Promise.resolve()): Script =>
  async ({ request: { captureId }, emit }) => {
    emit(running);
    for (let number = 1; number <= times; number++) {
      agent.begin(`${captureId}.t${number}`, ...profileLog(profile));
      emit(fired(captureId, number));
    }
    await until;
    emit(finished);
  };

function fired(watchId: string, number: number, change: Partial<Firing> = {}): CaptureEventBody {
  const condition = WATCH.conditions[0];
  if (condition === undefined) throw new Error('the watch has no condition');
  return {
    kind: 'triggered',
    firing: {
      ...{ number, time: 1_700_000_000_000 + number * 1000, capture: { ok: true, captureId: `${watchId}.t${number}` } },
      cause: { kind: 'held', condition, observed: [{ time: 1, interval: 1000, values: [6000 + number] }] },
      ...change,
    },
  };
}

const options = (change: Partial<RunOptions> = {}): RunOptions => ({
  ...{ signal: new AbortController().signal, onEvent: (event: JobEvent) => events.push(event) },
  ...change,
});

async function submit(change: Partial<JobRequest> = {}): Promise<string> {
  const { id } = await app.submit({
    ...{
      spec: WATCH,
      hosts: app.hosts(''),
      selectorText: '',
      requester: 'test',
      maxParallel: 8,
      grace: 30_000,
      note: '',
    },
    ...change,
  });
  return id;
}

async function jobsBesides(watchId: string, of = app) {
  return (await of.jobs({ limit: 100 })).filter(({ id }) => id !== watchId);
}

const jobIdsOf = ([run]: readonly HostRun[]) => (run?.firings ?? []).map(({ jobId }) => jobId);

describe('a watch that fires', () => {
  it('has a job of its own for each firing, with the cause for its note and what was recorded', async () => {
    await withHost(firing(2));
    const id = await submit();
    expect((await app.run(id, options())).state).toBe('succeeded');
    const runs = await app.hostRuns(id);
    expect(runs[0]?.firings?.map(({ number, cause }) => [number, cause.kind])).toEqual([
      [1, 'held'],
      [2, 'held'],
    ]);
    const jobs = await jobsBesides(id);
    expect(jobs.map((job) => job.id).sort()).toEqual([...jobIdsOf(runs)].sort());
    for (const job of jobs) {
      expect(job).toMatchObject({ state: 'succeeded', request: { spec: recordingOf(WATCH), requester: 'test' } });
      const found = await app.profile(job.id);
      if (found === undefined) expect.fail('no profile');
      expect(found.strings).toContain('storm');
    }
    expect(jobs.map(({ request: { note } }) => note).sort()).toEqual([
      `firing 1 of ${id}: page-faults/s > 5000 for an interval (6001)`,
      `firing 2 of ${id}: page-faults/s > 5000 for an interval (6002)`,
    ]);
    expect(await app.series(id)).toMatchObject({ points: [] });
    // Nothing was started but the watch, and all of it is released.
    expect(agent.calls.filter((call) => call.startsWith('start'))).toEqual([`start ${id}.db1`]);
    expect(agent.calls.filter((call) => call.startsWith('release')).sort()).toEqual(
      [`release ${id}.db1`, `release ${id}.db1.t1`, `release ${id}.db1.t2`].sort(),
    );
  });

  it('is told again after the connection broke, and its recordings are taken up once', async () => {
    await withHost(firing(3));
    agent.breakAfter = 3;
    const follow = agent.followCapture.bind(agent);
    agent.followCapture = (captureId, from, signal) => {
      if (agent.breakAfter < 0) agent.breakAfter = Number.POSITIVE_INFINITY;
      return follow(captureId, from, signal);
    };
    const id = await submit();
    expect((await app.run(id, options())).state).toBe('succeeded');
    expect((await jobsBesides(id)).map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  });

  it('goes on with the next controller, which takes up what the first one did not, and nothing twice', async () => {
    let end: () => void = () => undefined;
    await withHost(firing(2, new Promise((resolve) => (end = resolve))));
    const id = await submit();
    const abandon = new AbortController();
    const seen = options({
      abandon: abandon.signal,
      onEvent: (event) => {
        if (event.kind === 'host-run' && event.run.firings?.length === 1) abandon.abort(new Error('killed'));
      },
    });
    await expect(app.run(id, seen)).rejects.toThrow('killed');
    const next = await openApp();
    expect((await next.job(id)).state).toBe('interrupted');
    const [before] = await next.hostRuns(id);
    expect(before?.firings?.length).toBeGreaterThanOrEqual(1);
    end();
    expect((await next.resume(id, options())).state).toBe('succeeded');
    const jobs = await jobsBesides(id, next);
    expect(jobs.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
    expect(jobIdsOf(await next.hostRuns(id))).toHaveLength(2);
  });

  it('finds the job again that a controller made before it could write down that it had', async () => {
    let end: () => void = () => undefined;
    await withHost(firing(1, new Promise((resolve) => (end = resolve))));
    const id = await submit();
    const abandon = new AbortController();
    const untilTaken = options({
      abandon: abandon.signal,
      onEvent: (event) => {
        if (event.kind === 'host-run' && event.run.firings !== undefined) abandon.abort(new Error('killed'));
      },
    });
    await expect(app.run(id, untilTaken)).rejects.toThrow('killed');
    const [job] = await jobsBesides(id);
    const next = await openApp();
    await forgetFirings(id);
    end();
    expect((await next.resume(id, options())).state).toBe('succeeded');
    expect((await jobsBesides(id, next)).map((one) => [one.id, one.state])).toEqual([[job?.id, 'succeeded']]);
  });

  it('does not bring back a recording that somebody has deleted', async () => {
    let end: () => void = () => undefined;
    await withHost(firing(1, new Promise((resolve) => (end = resolve))));
    const id = await submit();
    const abandon = new AbortController();
    const run = app.run(id, options({ abandon: abandon.signal }));
    for (;;) {
      const [job] = await jobsBesides(id);
      if (job?.state === 'succeeded') {
        await app.deleteJob(job.id);
        break;
      }
      await sleep(10);
    }
    abandon.abort(new Error('killed'));
    await expect(run).rejects.toThrow('killed');
    end();
    const next = await openApp();
    expect((await next.resume(id, options())).state).toBe('succeeded');
    expect(await jobsBesides(id, next)).toEqual([]);
  });

  it('has no job where the host did not let it record, and one that failed where the recording is gone', async () => {
    const failure = { code: 'refused', message: 'too busy', remedy: 'wait' } as const;
    await withHost(async ({ request: { captureId }, emit }) => {
      emit(running, fired(captureId, 1, { capture: { ok: false, failure } }), fired(captureId, 2), finished);
    });
    const id = await submit();
    expect((await app.run(id, options())).state).toBe('succeeded');
    const [run] = await app.hostRuns(id);
    expect(run?.firings?.[0]).toMatchObject({ capture: { ok: false, failure } });
    expect(run?.firings?.[0]).not.toHaveProperty('jobId');
    const [job] = await jobsBesides(id);
    expect(job?.state).toBe('failed');
    const [lost] = await app.hostRuns(job?.id ?? '');
    expect(lost?.failure).toMatchObject({ code: 'lost', message: expect.stringContaining('there is no capture') });
  });

  it('is refused when what it says it records is something else', async () => {
    await withHost(async ({ request: { captureId }, emit }) => {
      emit(running, fired(captureId, 1, { capture: { ok: true, captureId: 'other.db1' } }), finished);
    });
    const id = await submit();
    expect((await app.run(id, options())).state).toBe('failed');
    expect((await app.hostRuns(id))[0]?.failure).toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining('other.db1'),
    });
    expect(await jobsBesides(id)).toEqual([]);
  });

  it('that looks back has a job for the time before as well', async () => {
    await withHost(async ({ request: { captureId }, emit }) => {
      agent.begin(`${captureId}.t1`, ...profileLog(profile));
      agent.begin(`${captureId}.b1`, ...profileLog(drawProfile('main;calm 3')));
      emit(running, fired(captureId, 1, { lookBackId: `${captureId}.b1` }), finished);
    });
    const id = await submit({ spec: { ...WATCH, lookBack: 30_000 } });
    expect((await app.run(id, options())).state).toBe('succeeded');
    const [firing] = (await app.hostRuns(id))[0]?.firings ?? [];
    const before = await app.job(firing?.lookBackJobId ?? '');
    expect(before).toMatchObject({ state: 'succeeded', request: { spec: { kind: 'record', duration: 30_000 } } });
    expect(before.request.note).toMatch(/^the 30 s before firing 1 of /);
    expect((await app.profile(before.id))?.strings).toContain('calm');
    expect((await app.profile(firing?.jobId ?? ''))?.strings).toContain('storm');
    expect(agent.calls).toContain(`release ${id}.db1.b1`);
  });

  it('that was not asked to look back is refused when it says it did', async () => {
    await withHost(async ({ request: { captureId }, emit }) => {
      emit(running, fired(captureId, 1, { lookBackId: `${captureId}.b1` }), finished);
    });
    const id = await submit();
    expect((await app.run(id, options())).state).toBe('failed');
    expect((await app.hostRuns(id))[0]?.failure).toMatchObject({ code: 'bad-data' });
  });

  it('cannot be made up by whoever asks for a job', async () => {
    await withHost(firing(0));
    const made = submit({ firing: { watchId: 'x', number: 1, captureId: 'x.db1.t1' } });
    await expect(made).rejects.toMatchObject({ failure: { code: 'bad-request' } });
  });
});

/** As if the controller had been killed between making the job and writing down that the firing was taken up. */
async function forgetFirings(id: string): Promise<void> {
  const { default: Database } = await import('better-sqlite3');
  const database = new Database(`${fleet.directory}/data/perftrawl.db`);
  database.prepare(`UPDATE host_runs SET run = json_remove(run, '$.firings') WHERE job_id = ?`).run(id);
  database.close();
}
