// Jobs on fleets of fake agents, over real gRPC and mTLS: hosts that fail, hang, lie, break off; stop, cancel, resume.
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App, JobEvent, JobRequest, RunOptions } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import type { Profile } from '../../profile/profile.js';
import type { CaptureEventBody, RecordSpec, StatSpec } from '../../proto/capture.js';
import { fail, toFailure } from '../../proto/failure.js';
import { drawProfile } from '../profile/draw-profile.js';
import { FakeAgent, type FakeCapture, finished, profileLog, type Script } from './fake-agent.js';
import { type ServedAgent, type TlsFleet, tlsFleet } from './tls-fleet.js';

const spec: RecordSpec = {
  kind: 'record',
  target: { kind: 'system' },
  duration: 100,
  events: [{ name: 'page-faults' }],
  callGraph: { mode: 'fp' },
  detail: { split: 'comm', keepTimestamps: false, lines: false },
  keepRaw: false,
};

let fleet: TlsFleet;
let app: App;
let agents: Record<string, FakeAgent>;
let served: Record<string, ServedAgent>;
let events: JobEvent[];
let others: App[];

beforeEach(async () => {
  fleet = await tlsFleet();
  events = [];
  others = [];
});
afterEach(async () => {
  await Promise.all([app, ...others].map((one) => one.close()));
  await fleet.close();
});

/** Agents with these scripts, an inventory of them, and an app. */
async function withHosts(scripts: Record<string, Script>): Promise<void> {
  agents = Object.fromEntries(Object.entries(scripts).map(([name, script]) => [name, new FakeAgent(script)]));
  served = {};
  for (const [name, agent] of Object.entries(agents)) served[name] = await fleet.serve(name, agent);
  await fleet.writeInventory(Object.values(served));
  app = await openApp();
}

function openApp(): Promise<App> {
  return createApp({ dataDir: `${fleet.directory}/data`, configDir: fleet.directory, agentCommand: ['/nonexistent'] });
}

function request(change: Partial<JobRequest> = {}): JobRequest {
  return {
    ...{ spec, hosts: app.hosts(''), selectorText: '', requester: 'test', maxParallel: 8, grace: 30_000, note: '' },
    ...change,
  };
}

const options = (signal = new AbortController().signal): RunOptions => ({
  signal,
  onEvent: (event) => events.push(event),
});

async function runJob(change: Partial<JobRequest> = {}) {
  const { id } = await app.submit(request(change));
  const job = await app.run(id, options());
  return outcomeOf(job.id);
}

async function outcomeOf(id: string, from = app) {
  const runs = await from.hostRuns(id);
  const ends = runs.map(({ host, state, failure }) => [
    host,
    failure === undefined ? state : `${state}: ${failure.code}`,
  ]);
  return {
    id,
    state: (await from.job(id)).state,
    ends: Object.fromEntries(ends),
    merged: foldedOf(await from.profile(id)),
    runs: Object.fromEntries(runs.map((run) => [run.host, run])),
  };
}

/** `host main;parse 3`, sorted. */
function foldedOf(profile: Profile | undefined): string[] | undefined {
  if (profile === undefined) return undefined;
  const { samples, stacks, locations, lines, functions, strings, labelSets } = profile;
  return Array.from(samples.stack, (stack, row) => {
    const frames: string[] = [];
    for (let at = stack; at >= 0; at = stacks.parent[at]) {
      frames.unshift(strings[functions.name[lines.function[locations.lineStart[stacks.location[at]]]]]);
    }
    const host = labelSets[samples.labels[row]].find(({ key }) => key === 'host')?.value ?? '-';
    return `${host} ${frames.join(';')} ${samples.values[1][row]}`;
  }).sort();
}

const bring =
  (drawing: string, event = 'page-faults'): Script =>
  async ({ emit }) =>
    emit(...profileLog(drawProfile(drawing, { event })));

/** Runs until somebody stops it; then brings what there is, or nothing. */
const untilStopped =
  (drawing: string): Script =>
  async ({ emit, stopped }) => {
    emit({ kind: 'state', state: 'running', detail: '' });
    const isDiscarded = await stopped;
    const log = profileLog(drawProfile(drawing)).slice(0, -1);
    if (isDiscarded) emit({ kind: 'done', outcome: 'discarded', commandLines: [] });
    else emit(...log, { kind: 'done', outcome: 'stopped', commandLines: [] });
  };

describe('a job', () => {
  it('merges its hosts, keeps each one, and lets the agents forget', async () => {
    await withHosts({ db1: bring('main;parse 3\nmain 1'), db2: bring('main;parse 4') });
    const job = await runJob();
    expect(job).toMatchObject({ state: 'succeeded', ends: { db1: 'succeeded', db2: 'succeeded' } });
    expect(job.merged).toEqual(['db1 main 1', 'db1 main;parse 3', 'db2 main;parse 4']);
    expect(foldedOf(await app.profile(job.id, 'db1'))).toEqual(['- main 1', '- main;parse 3']);
    expect(job.runs.db1).toMatchObject({
      progress: { samples: 5 },
      cost: { toolCpu: 10 },
      commandLines: ['perf record -e page-faults'],
    });
    expect(agents.db1.calls).toEqual([`start ${job.id}.db1`, `follow ${job.id}.db1 from 1`, `release ${job.id}.db1`]);
  });

  it('tells what happens, in order per host', async () => {
    await withHosts({ db1: bring('main 1') });
    await runJob();
    const told = events.map((event) =>
      event.kind === 'host-run'
        ? event.run.state
        : event.kind === 'job'
          ? event.job.state
          : event.kind === 'wave'
            ? 'wave'
            : event.body.kind,
    );
    expect(told).toEqual([
      ...['connecting', 'running', 'running', 'state', 'running', 'progress', 'running', 'state', 'fetching'],
      ...['losses', 'cost', 'done', 'fetching', 'succeeded', 'succeeded'],
    ]);
  });

  it('goes on when one host fails, one lies, one hangs, one is down and one is a stranger', async () => {
    const hang: Script = async ({ emit }) => emit({ kind: 'state', state: 'running', detail: '' });
    const failure = {
      code: 'tool-missing',
      message: 'perf is not installed',
      remedy: 'apt-get install linux-perf',
    } as const;
    await withHosts({
      good: bring('main 5'),
      fails: async ({ emit }) => emit({ kind: 'done', outcome: 'failed', failure, commandLines: [] }),
      lies: async ({ emitRaw }) => emitRaw({ sequence: 7, time: 0, body: finished }),
      hangs: hang,
      down: hang,
      stranger: hang,
    });
    served.down.stop();
    const hosts = app
      .hosts('')
      .map((host) =>
        host.name === 'stranger' && host.address.transport === 'tls'
          ? { ...host, address: { ...host.address, serverName: 'somebody-else' } }
          : host,
      );
    const job = await runJob({ hosts, grace: 10_000 });
    expect(job).toMatchObject({
      state: 'partial',
      ends: {
        good: 'succeeded',
        fails: 'failed: tool-missing',
        lies: 'failed: bad-data',
        hangs: 'failed: deadline',
        down: 'failed: unreachable',
        stranger: 'failed: untrusted',
      },
      merged: ['good main 5'],
    });
    expect(job.runs.fails.failure).toEqual(failure);
    expect((await app.profile(job.id))?.losses).toContainEqual({
      kind: 'missing-hosts',
      count: 5,
      detail: 'down, fails, hangs, lies, stranger',
    });
    for (const name of ['hangs', 'lies']) expect(agents[name].calls).toContain(`discard ${job.id}.${name}`);
  });

  it('follows on from where the connection broke', async () => {
    await withHosts({ db1: bring('main;parse 3') });
    agents.db1.breakAfter = 2;
    const { followCapture } = FakeAgent.prototype;
    agents.db1.followCapture = function (captureId, from, signal) {
      if (from > 1) this.breakAfter = Number.POSITIVE_INFINITY;
      return followCapture.call(this, captureId, from, signal);
    };
    const job = await runJob();
    expect(job).toMatchObject({ state: 'succeeded', merged: ['db1 main;parse 3'] });
    expect(agents.db1.calls.slice(1, 3)).toEqual([`follow ${job.id}.db1 from 1`, `follow ${job.id}.db1 from 3`]);
  });

  it('says lost, with the reason, when an agent has forgotten the capture', async () => {
    const failure = { code: 'lost', message: 'the agent was killed while perf ran', remedy: '' } as const;
    await withHosts({ db1: async ({ emit }) => emit({ kind: 'done', outcome: 'failed', failure, commandLines: [] }) });
    const job = await runJob();
    expect(job).toMatchObject({ state: 'failed', ends: { db1: 'lost: lost' }, merged: undefined });
    expect(job.runs.db1.failure).toEqual(failure);
  });

  it('refuses the host that counted something else, and keeps its own profile', async () => {
    await withHosts({ a: bring('main 9', 'cpu-clock'), b: bring('main 1'), c: bring('main 2') });
    const job = await runJob();
    expect(job).toMatchObject({
      state: 'partial',
      ends: { a: 'failed: bad-data', b: 'succeeded', c: 'succeeded' },
      merged: ['b main 1', 'c main 2'],
    });
    expect(foldedOf(await app.profile(job.id, 'a'))).toEqual(['- main 9']);
  });

  it('succeeds with what the hosts could count when none has what was asked for', async () => {
    await withHosts({ a: bring('main 9', 'cpu-clock'), b: bring('main 1', 'cpu-clock') });
    expect(await runJob()).toMatchObject({ state: 'succeeded', merged: ['a main 9', 'b main 1'] });
  });

  it('adds up counters', async () => {
    const count =
      (value: number): Script =>
      async ({ emit }) => {
        const point = {
          time: 1000,
          event: 'page-faults',
          scope: '',
          status: 'counted',
          value,
          unit: '',
          runningPercent: 100,
        } as const;
        emit({ kind: 'counters', interval: 1000, points: [point] }, finished);
      };
    await withHosts({ a: count(3), b: count(4) });
    const stat: StatSpec = {
      ...{ kind: 'stat', target: { kind: 'system' }, duration: 1000, events: [{ name: 'page-faults' }] },
      ...{ interval: 1000, perCpu: false },
    };
    const { id } = await runJob({ spec: stat });
    expect((await app.series(id))?.points).toMatchObject([{ value: 7 }]);
    expect((await app.series(id, 'b'))?.points).toMatchObject([{ value: 4 }]);
    expect(await app.profile(id)).toBeUndefined();
  });

  it('has at most so many hosts at a time', async () => {
    let running = 0;
    let most = 0;
    const script: Script = async ({ emit }) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      emit(...profileLog(drawProfile('main 1')));
    };
    await withHosts({ a: script, b: script, c: script, d: script });
    expect((await runJob({ maxParallel: 1 })).state).toBe('succeeded');
    expect(most).toBe(1);
  });
});

describe('stopping and cancelling', () => {
  const started = (names: readonly string[]) =>
    waitFor(() => names.every((name) => events.some((event) => event.kind === 'capture' && event.host === name)));

  it('keeps what there is when the run is aborted', async () => {
    await withHosts({ a: untilStopped('main 1'), b: untilStopped('main 2'), c: untilStopped('main 3') });
    const { id } = await app.submit(request({ maxParallel: 2, spec: { ...spec, duration: 3_600_000 } }));
    const stop = new AbortController();
    const running = app.run(id, options(stop.signal));
    await started(['a', 'b']);
    stop.abort();
    await running;
    expect(await outcomeOf(id)).toMatchObject({
      state: 'partial',
      ends: { a: 'succeeded', b: 'succeeded', c: 'cancelled: cancelled' },
      merged: ['a main 1', 'b main 2'],
    });
    expect(agents.c.calls).toEqual([]);
  });

  it('discards what runs when the job is cancelled, and keeps hosts that had finished', async () => {
    await withHosts({ a: untilStopped('main 1'), b: bring('main 2') });
    const { id } = await app.submit(request({ spec: { ...spec, duration: 3_600_000 } }));
    const running = app.run(id, options());
    await started(['a', 'b']);
    await waitFor(() => events.some((event) => event.kind === 'host-run' && event.run.state === 'succeeded'));
    const cancelled = await app.cancel(id, new AbortController().signal);
    expect([cancelled.state, (await running).state]).toEqual(['cancelled', 'cancelled']);
    expect(await outcomeOf(id)).toMatchObject({
      ends: { a: 'cancelled: cancelled', b: 'succeeded' },
      merged: ['b main 2'],
    });
    expect(agents.a.calls).toContain(`discard ${id}.a`);
  });

  it('can be asked for by another controller on the same data', async () => {
    await withHosts({ a: untilStopped('main 1') });
    const { id } = await app.submit(request({ spec: { ...spec, duration: 3_600_000 } }));
    const running = app.run(id, options());
    await started(['a']);
    const other = await openApp();
    others.push(other);
    expect((await other.job(id)).state).toBe('running');
    const failure = await failureOf(other.resume(id, options()));
    expect(failure).toMatchObject({ code: 'conflict', message: expect.stringContaining('by another process') });
    expect((await other.cancel(id, new AbortController().signal)).state).toBe('cancelled');
    expect((await running).state).toBe('cancelled');
  });

  it('ends a job that nobody runs', async () => {
    await withHosts({ a: untilStopped('main 1') });
    const { id } = await app.submit(request());
    expect((await app.cancel(id, new AbortController().signal)).state).toBe('cancelled');
    expect(await outcomeOf(id)).toMatchObject({ ends: { a: 'cancelled: cancelled' }, merged: undefined });
    expect(agents.a.calls).toEqual([]);
  });
});

describe('the rest of the app', () => {
  it('asks hosts, and gives an answer or a failure for each', async () => {
    await withHosts({ a: bring('main 1'), b: bring('main 2') });
    served.b.stop();
    const { signal } = new AbortController();
    const answers = await app.describe(app.hosts(''), signal);
    expect(answers.map((answer) => (answer.ok ? answer.value.hostname : answer.failure.code))).toEqual([
      'fake',
      'unreachable',
    ]);
    const [processes] = await app.listProcesses(app.hosts('name=a'), { comms: ['app'] }, signal);
    expect(processes).toMatchObject({ ok: true, value: [{ pid: 7 }] });
    const [preflight] = await app.preflight(app.hosts('name=a'), spec, signal);
    expect(preflight).toMatchObject({ ok: true, value: { commandLines: ['perf record'] } });
  });

  it('finds jobs by a unique beginning, or the last one', async () => {
    await withHosts({ a: bring('main 1') });
    const first = await runJob();
    const second = await app.submit(request({ note: 'second' }));
    expect((await app.job('last')).id).toBe(second.id);
    expect((await app.job(second.id.slice(0, -1))).id).toBe(second.id);
    expect(await failureOf(app.job(''))).toMatchObject({ code: 'not-found' });
    expect(await failureOf(app.job(first.id.slice(0, 3)))).toMatchObject({ code: 'bad-request' });
    expect((await app.jobs({ limit: 10 })).map(({ id }) => id)).toEqual([second.id, first.id]);
    expect((await app.jobs({ limit: 10, state: 'running' })).map(({ id }) => id)).toEqual([second.id]);
    expect(await failureOf(app.run(first.id, options()))).toMatchObject({ code: 'conflict' });
  });

  it('refuses jobs that make no sense', async () => {
    await withHosts({ a: bring('main 1') });
    const [host] = app.hosts('');
    const wrong: Partial<JobRequest>[] = [
      { hosts: [] },
      { hosts: [host, host] },
      { hosts: [{ ...host, name: '../x' }] },
      { maxParallel: 0 },
      { grace: Number.NaN },
    ];
    for (const change of wrong)
      expect(await failureOf(app.submit(request(change)))).toMatchObject({ code: 'bad-request' });
  });

  it('fetches kept files across a broken connection, checks them, and releases them with the job', async () => {
    const data = Buffer.from('perf.data '.repeat(10_000));
    const sha256 = createHash('sha256').update(data).digest('hex');
    const artifact: CaptureEventBody = {
      kind: 'artifact',
      artifact: { name: 'perf.data', size: data.length, sha256, mediaType: 'application/octet-stream' },
    };
    const script: Script = async ({ emit }: FakeCapture) => {
      const log = profileLog(drawProfile('main 1'));
      emit(...log.slice(0, -1), artifact, finished);
    };
    await withHosts({ a: script });
    agents.a.artifacts.set('perf.data', { data, sha256 });
    const { id } = await runJob();
    expect(agents.a.calls).not.toContain(`release ${id}.a`);
    const fetch = async (offset = 0) => {
      const parts: Uint8Array[] = [];
      const { signal } = new AbortController();
      for await (const part of app.fetchArtifact(id, 'a', 'perf.data', offset, signal)) parts.push(part.data);
      return Buffer.concat(parts);
    };
    expect((await fetch()).equals(data)).toBe(true);
    agents.a.breakAfter = 0;
    expect((await fetch()).equals(data)).toBe(true);
    expect((await fetch(99_000)).equals(data.subarray(99_000))).toBe(true);
    agents.a.artifacts.set('perf.data', { data: Buffer.from(data).fill(0), sha256 });
    expect(await failureOf(fetch())).toMatchObject({ code: 'bad-data' });
    await app.deleteJob(id);
    expect(agents.a.calls).toContain(`release ${id}.a`);
    expect(await failureOf(app.job(id))).toMatchObject({ code: 'not-found' });
  });

  it('knows this machine without an inventory, and says when a named one is missing', async () => {
    const where = {
      dataDir: `${fleet.directory}/other`,
      configDir: `${fleet.directory}/none`,
      agentCommand: ['/nonexistent'],
    };
    app = await createApp(where);
    expect(app.hosts('')).toEqual([{ name: 'localhost', labels: {}, address: { transport: 'local' } }]);
    const missing = createApp({ ...where, inventoryPath: `${fleet.directory}/no.yaml` });
    expect(await failureOf(missing)).toMatchObject({ code: 'not-found', message: expect.stringContaining('no.yaml') });
  });
});

/** Looks again after each turn of the event loop; the test's own time limit ends it. */
async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function failureOf(promise: Promise<unknown>) {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => toFailure(error),
  );
}

describe('a host that runs as many captures as it may', () => {
  /** It refuses the first so many times. */
  function busyFor(agent: FakeAgent, times: number): void {
    const start = agent.startCapture.bind(agent);
    let left = times;
    agent.startCapture = async (what) => {
      if (left-- > 0) throw fail('busy', 'this host runs a record capture already: other');
      return start(what);
    };
  }

  it('is waited for, which is told, and the capture has all of its own time then', async () => {
    await withHosts({ busy: bring('main 3'), free: bring('main 4') });
    busyFor(agents.busy, 3);
    // Longer than the whole of it may take: waiting does not count.
    const { state, merged } = await runJob({ grace: 500 });
    expect([state, merged]).toEqual(['succeeded', ['busy main 3', 'free main 4']]);
    const told = events.flatMap((event) => (event.kind === 'host-run' && event.run.host === 'busy' ? [event.run] : []));
    expect(told.map(({ waitsFor }) => waitsFor)).toContain('this host runs a record capture already: other');
    expect(told.at(-1)).toMatchObject({ state: 'succeeded', waitsFor: '' });
  });

  it('is not waited for by hosts that begin together', async () => {
    await withHosts({ busy: bring('main 3'), free: bring('main 4') });
    busyFor(agents.busy, 1);
    const { state, ends } = await runJob({ sync: { lead: 100 } });
    expect([state, ends]).toEqual(['partial', { busy: 'failed: busy', free: 'succeeded' }]);
  });

  it('is waited for no longer than somebody wants', async () => {
    await withHosts({ busy: bring('main 3') });
    busyFor(agents.busy, Number.POSITIVE_INFINITY);
    const { id } = await app.submit(request());
    const stop = new AbortController();
    const run = app.run(id, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'host-run' && event.run.waitsFor) stop.abort();
      },
    });
    expect((await run).state).toBe('cancelled');
  });
});
