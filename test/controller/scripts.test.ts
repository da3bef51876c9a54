// SystemTap jobs on fleets of fake agents, over real gRPC and mTLS: histograms and text, kits, modules compiled once and sent.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App, JobRequest } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import { sha256Of } from '../../controller/jobs/module-cache.js';
import { sqlControlStore } from '../../controller/store/sql-control-store.js';
import { openSqlite } from '../../controller/store/sqlite-database.js';
import type {
  CaptureEventBody,
  CaptureSpec,
  ModulePart,
  PreflightResult,
  StapPlan,
  StapSpec,
} from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import { drawProfile } from '../profile/draw-profile.js';
import { drawPoint } from './draw-histogram.js';
import { FakeAgent, finished, profileLog, type Script } from './fake-agent.js';
import { KIT, STAP } from './specs.js';
import { type TlsFleet, tlsFleet } from './tls-fleet.js';

let fleet: TlsFleet;
let app: App;
let agents: Record<string, FakeAgent>;

beforeEach(async () => {
  fleet = await tlsFleet();
});
afterEach(async () => {
  await app.close();
  await fleet.close();
});

async function withHosts(scripts: Record<string, Script>): Promise<void> {
  agents = Object.fromEntries(Object.entries(scripts).map(([name, script]) => [name, new FakeAgent(script)]));
  const served = [];
  for (const [name, agent] of Object.entries(agents)) served.push(await fleet.serve(name, agent));
  await fleet.writeInventory(served);
  app = await createApp({
    dataDir: `${fleet.directory}/data`,
    configDir: fleet.directory,
    agentCommand: ['/nonexistent'],
  });
}

async function runJob(
  spec: CaptureSpec,
  change: Partial<JobRequest> = {},
  signal: AbortSignal = new AbortController().signal,
) {
  const { id } = await app.submit({
    ...{ spec, hosts: app.hosts(''), selectorText: '', requester: 'test', maxParallel: 8, grace: 30_000, note: '' },
    ...change,
  });
  const job = await app.run(id, { signal, onEvent: () => undefined });
  const runs = await app.hostRuns(id);
  return { id, state: job.state, spec: job.request.spec, runs: Object.fromEntries(runs.map((run) => [run.host, run])) };
}

const histograms = (...points: ReturnType<typeof drawPoint>[]): CaptureEventBody => ({
  ...{ kind: 'histograms', interval: 1000, points },
});
const text = (...lines: string[]): CaptureEventBody => ({
  kind: 'text',
  lines: lines.map((words, i) => ({ time: i, number: i + 1, stream: 'stdout', text: words })),
});
const bring =
  (...bodies: readonly CaptureEventBody[]): Script =>
  async ({ emit }) =>
    emit(...bodies, finished);

describe('a script on a fleet', () => {
  it('gives histograms of all hosts added up, those of each, and the text of each', async () => {
    await withHosts({
      a: bring(histograms(drawPoint(1000, '1:2'), drawPoint(2000, '4:1')), text('hello', 'from a')),
      b: bring(histograms(drawPoint(1000, '1:3')), text('from b')),
      silent: bring(),
    });
    const { id, state, runs } = await runJob(STAP);
    expect([state, runs.silent.state]).toEqual(['succeeded', 'succeeded']);
    expect((await app.histograms(id))?.points).toEqual([drawPoint(1000, '1:5'), drawPoint(2000, '4:1')]);
    expect((await app.histograms(id, 'b'))?.points).toEqual([drawPoint(1000, '1:3')]);
    expect((await app.histograms(id, 'silent'))?.points).toEqual([]);
    expect((await app.text(id, 'a')).map((line) => line.text)).toEqual(['hello', 'from a']);
    expect([await app.text(id, 'silent'), await app.profile(id), await app.series(id)]).toEqual([
      [],
      undefined,
      undefined,
    ]);
    expect(await failureOf(app.text(id, 'nosuch'))).toMatchObject({ code: 'not-found' });
    const [scripts] = await app.scripts(app.hosts('name=a'), new AbortController().signal);
    expect(scripts).toMatchObject({ ok: true, value: [{ name: 'pagefault-latency', parameters: [{ name: 'by' }] }] });
  });

  it('keeps what a script printed before it failed, for that host alone', async () => {
    const failure = { code: 'tool-failed' as const, message: 'probe overhead exceeded threshold', remedy: '' };
    const line = { time: 5, number: 1, stream: 'stdout' as const, text: 'first words' };
    await withHosts({
      a: bring(histograms(drawPoint(1000, '1:2'))),
      b: async ({ emit }) =>
        emit(
          histograms(drawPoint(1000, '1:5')),
          { kind: 'text', lines: [line] },
          { kind: 'done', outcome: 'failed', failure, commandLines: [] },
        ),
    });
    const { id, state, runs } = await runJob(STAP);
    expect(state).toBe('partial');
    expect(runs.b.failure).toEqual(failure);
    expect((await app.histograms(id, 'b'))?.points).toEqual([drawPoint(1000, '1:5')]);
    expect(await app.text(id, 'b')).toEqual([line]);
    expect((await app.histograms(id))?.points).toEqual([drawPoint(1000, '1:2')]);
  });

  it('keeps what the other hosts have when one prints other histograms or breaks the rules', async () => {
    await withHosts({
      a: bring(histograms(drawPoint(1000, '1:2'))),
      lies: bring({ kind: 'counters', interval: 1, points: [] }),
      odd: async ({ emit }) => {
        // Only after the other one is in the sum.
        for (let isThere = false; !isThere; ) {
          await new Promise((resolve) => setImmediate(resolve));
          isThere = agents.a.calls.some((call) => call.startsWith('release'));
        }
        emit({ kind: 'histograms', interval: 500, points: [drawPoint(500, '1:1')] }, finished);
      },
    });
    const { id, state, runs } = await runJob(STAP);
    expect(state).toBe('partial');
    expect([runs.odd.failure, runs.lies.failure]).toMatchObject([
      { code: 'bad-data', message: expect.stringContaining('500 ms intervals') },
      { code: 'bad-data', message: expect.stringContaining('counters from a capture of kind') },
    ]);
    expect((await app.histograms(id, 'odd'))?.points).toEqual([drawPoint(500, '1:1')]);
    expect(await app.histograms(id)).toMatchObject({
      points: [drawPoint(1000, '1:2')],
      losses: [{ kind: 'missing-hosts', count: 2, detail: 'lies, odd' }],
    });
  });
});

const plan: StapPlan = {
  ...{ script: 'pagefault-latency', variant: 'kprobe', scriptSha256: 'c'.repeat(64), kernelRelease: '6.1.0' },
  ...{ kernelBuildId: 'abc', machine: 'x86_64', canCompile: false, canRun: true },
};
const preflight = (change: Partial<StapPlan> = {}): PreflightResult => ({
  ...{ problems: [], commandLines: [], processes: [] },
  stap: { ...plan, ...change },
});
const cannot: PreflightResult = {
  ...{ commandLines: [], processes: [], stap: { ...plan, canRun: false } },
  problems: [
    { code: 'tool-missing', message: 'staprun is not installed', remedy: 'apt-get install systemtap', isFatal: true },
    { code: 'permission', message: 'the kernel takes no modules', remedy: '', isFatal: true },
    { code: 'x', message: 'the disk is slow', remedy: '', isFatal: false },
  ],
};
/** More than two parts of an upload. */
const ko = Buffer.alloc(1_200_000, 'perftrawl');

async function* modules(bytes: Buffer, sha256 = sha256Of(bytes)): AsyncGenerator<ModulePart> {
  yield { data: bytes.subarray(0, 500_000) };
  yield { data: bytes.subarray(500_000), end: { sha256, size: bytes.length } };
}

describe('with a build host', () => {
  const request = () => ({
    hosts: app.hosts('').filter(({ name }) => name !== 'build'),
    buildHost: app.hosts('name=build')[0],
  });
  const builds = () => agents.build.calls.filter((call) => call.startsWith('build'));
  /** What the agent was asked to run. */
  const asked: Record<string, CaptureSpec> = {};
  const note =
    (...bodies: readonly CaptureEventBody[]): Script =>
    async ({ request: { captureId, spec }, emit }) => {
      asked[captureId.split('.')[1]] = spec;
      emit(...bodies, finished);
    };

  it('compiles once per kernel, sends the module to each host, and remembers it for the next job', async () => {
    await withHosts({ build: note(), a: note(), b: note(), old: note() });
    for (const name of ['a', 'b']) agents[name].preflightResult = preflight();
    agents.old.preflightResult = preflight({ kernelRelease: '5.10.0', kernelBuildId: 'def' });
    const specs: StapSpec[] = [];
    agents.build.build = ({ spec }) => {
      specs.push(spec);
      return modules(ko);
    };
    const job = await runJob(STAP, request());
    expect(job.state).toBe('succeeded');
    expect(builds().sort()).toEqual(['build 5.10.0', 'build 6.1.0']);
    expect(specs.every(({ module, target }) => module === undefined && target.kind === 'system')).toBe(true);
    const module = { sha256: sha256Of(ko), size: ko.length, variant: 'kprobe' };
    expect(asked.a).toEqual({ ...STAP, module });
    expect([job.spec, job.runs.a.module]).toEqual([STAP, module]);
    for (const name of ['a', 'b', 'old']) expect(agents[name].modules.get(module.sha256)?.equals(ko)).toBe(true);
    expect(agents.a.calls.slice(0, 3)).toEqual(['put 0+524288', 'put 524288+524288', 'put 1048576+151424']);
    await runJob(STAP, request());
    expect(builds()).toHaveLength(2);
    expect(agents.a.calls.filter((call) => call.startsWith('put'))).toHaveLength(3);
    await runJob({ ...STAP, overheadPercent: 5 }, request());
    expect(builds()).toHaveLength(4);
    agents.build.stapVersion = '5.0/0.190';
    await runJob(STAP, request());
    expect(builds()).toHaveLength(6);
  });

  it('lets the build host compile for itself', async () => {
    await withHosts({ build: note() });
    agents.build.preflightResult = preflight();
    await runJob(STAP, { buildHost: app.hosts('')[0] });
    expect(asked.build).toEqual(STAP);
    expect(agents.build.calls).not.toContain('build 6.1.0');
  });

  it('goes on where the sending of a module was broken off', async () => {
    await withHosts({ build: note(), a: note() });
    agents.a.preflightResult = preflight();
    agents.a.modules.set(sha256Of(ko), ko.subarray(0, 600_000));
    agents.a.breakAfter = 1;
    agents.build.build = () => modules(ko);
    expect((await runJob(STAP, request())).state).toBe('succeeded');
    const puts = agents.a.calls.filter((call) => call.startsWith('put'));
    expect(puts).toEqual(['put 600000+524288', 'put 1124288+75712', 'put 1124288+75712']);
  });

  it('says what a host lacks, or why its module cannot be compiled, and the others go on', async () => {
    await withHosts({ build: note(), a: note(), lacks: note(), bare: note(), old: note(), older: note() });
    agents.a.preflightResult = preflight();
    agents.lacks.preflightResult = cannot;
    agents.bare.preflightResult = { problems: [], commandLines: [], processes: [] };
    for (const name of ['old', 'older']) agents[name].preflightResult = preflight({ kernelRelease: '3.10.0' });
    agents.build.build = ({ plan: { kernelRelease } }) => {
      if (kernelRelease === '3.10.0') throw new Error('there are no kernel headers of 3.10.0');
      return modules(ko);
    };
    const { state, runs } = await runJob(STAP, request());
    expect([state, runs.a.state]).toEqual(['partial', 'succeeded']);
    expect(runs.lacks.failure).toEqual({
      code: 'tool-missing',
      message: 'pagefault-latency cannot run here: staprun is not installed; the kernel takes no modules',
      remedy: 'apt-get install systemtap',
    });
    expect(runs.bare.failure?.message).toContain('the agent does not say why');
    for (const { failure } of [runs.old, runs.older]) {
      expect(failure?.message).toMatch(
        /\(kprobe\) for 3\.10\.0 x86_64 cannot be compiled on build: .*no kernel headers/,
      );
    }
    expect(builds().filter((call) => call === 'build 3.10.0')).toHaveLength(1);
    expect(agents.lacks.calls).toEqual([]);
  });

  it.each<[string, () => AsyncIterable<ModulePart>, string]>([
    ['a damaged one', () => modules(ko, 'f'.repeat(64)), 'arrived damaged'],
    ['half of one', () => only({ data: ko }), 'without its SHA-256'],
    ['one that is too large', () => endless(), 'more than 67108864 bytes'],
  ])('refuses %s', async (_what, build, message) => {
    await withHosts({ build: note(), a: note() });
    agents.a.preflightResult = preflight();
    agents.build.build = build;
    const { runs } = await runJob(STAP, request());
    expect(runs.a.failure?.message).toContain(message);
    expect(agents.a.calls).toEqual([]);
  });

  it.each([
    ['more than there is', 2_000_000],
    ['nothing after a part', 0],
  ])('refuses an agent that claims to have %s', async (_what, there) => {
    await withHosts({ build: note(), a: note() });
    agents.a.preflightResult = preflight();
    agents.a.putModule = async () => there;
    agents.build.build = () => modules(ko);
    const { runs } = await runJob(STAP, request());
    expect(runs.a.failure).toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining(`says that it has ${there}`),
    });
  });

  it('runs the rest of a kit where the script cannot run', async () => {
    const kit = [...profileLog(drawProfile('main 1')).slice(0, -1)];
    const ended: CaptureEventBody[] = [
      { kind: 'part', part: 'stat', outcome: 'finished' },
      { kind: 'part', part: 'record', outcome: 'finished' },
    ];
    await withHosts({
      build: note(),
      good: note(...kit, ...ended, histograms(drawPoint(1000, '1:1')), {
        kind: 'part',
        part: 'stap',
        outcome: 'finished',
      }),
      lacks: note(...kit, ...ended),
    });
    agents.good.preflightResult = preflight();
    agents.lacks.preflightResult = cannot;
    agents.build.build = () => modules(ko);
    const { id, state, runs } = await runJob(KIT, request());
    expect(state).toBe('succeeded');
    expect(asked.lacks).toEqual({ ...KIT, parts: KIT.parts.filter(({ kind }) => kind !== 'stap') });
    const message = 'pagefault-latency cannot run here: staprun is not installed; the kernel takes no modules';
    const failure = { code: 'tool-missing', message, remedy: 'apt-get install systemtap' };
    expect(runs.lacks.parts).toContainEqual({ part: 'stap', outcome: 'failed', failure });
    expect(runs.lacks.losses).toContainEqual({ kind: 'missing-parts', count: 1, detail: `stap: ${message}` });
    expect(runs.good.parts.map(({ part, outcome }) => `${part} ${outcome}`)).toEqual([
      'stat finished',
      'record finished',
      'stap finished',
    ]);
    expect((await app.histograms(id))?.points).toEqual([drawPoint(1000, '1:1')]);
    expect(await app.profile(id)).toBeDefined();
  });

  it('comes to the same decision when another controller takes the job up', async () => {
    await withHosts({ build: note(), lacks: note({ kind: 'counters', interval: 1000, points: [] }) });
    agents.lacks.preflightResult = preflight();
    const job = { spec: KIT, selectorText: '', requester: 'test', maxParallel: 8, grace: 30_000, note: '' };
    const { id } = await app.submit({ ...job, ...request() });
    const database = openSqlite(`${fleet.directory}/data/perftrawl.db`, 1);
    const control = sqlControlStore(database);
    const [run] = await control.hostRuns(id);
    const failure = { code: 'tool-missing', message: 'no stap then', remedy: '' } as const;
    const parts = [{ part: 'stap', outcome: 'failed', failure }] as const;
    await control.updateHostRun({ ...run, state: 'connecting', parts });
    await database.close();
    await app.run(id, { signal: new AbortController().signal, onEvent: () => undefined });
    expect(asked.lacks).toEqual({ ...KIT, parts: KIT.parts.filter(({ kind }) => kind !== 'stap') });
    const [ended] = await app.hostRuns(id);
    expect(ended).toMatchObject({ state: 'succeeded', parts, losses: [{ kind: 'missing-parts', count: 1 }] });
    expect(builds()).toEqual([]);
  });

  it('is left alone when the job is stopped while it compiles', async () => {
    await withHosts({ build: note(), a: note(), b: note() });
    for (const name of ['a', 'b']) agents[name].preflightResult = preflight();
    const stop = new AbortController();
    agents.build.build = async function* () {
      stop.abort();
      yield { data: ko };
      await new Promise(() => undefined);
    };
    const { runs, state } = await runJob(STAP, request(), stop.signal);
    expect(state).toBe('cancelled');
    for (const { failure } of [runs.a, runs.b]) expect(failure?.message).toBe('stopped before it started');
    expect(agents.a.calls.some((call) => call.startsWith('start'))).toBe(false);
  });

  it('is told when that host does not answer', async () => {
    await withHosts({ a: note() });
    agents.a.preflightResult = preflight();
    const gone = { name: 'gone', labels: {}, address: { transport: 'tls', host: '127.0.0.1', port: 9 } } as const;
    const { runs } = await runJob(STAP, { buildHost: gone });
    expect(runs.a.failure?.message).toContain('the build host gone does not answer');
  });
});

async function* only(part: ModulePart): AsyncGenerator<ModulePart> {
  yield part;
}

async function* endless(): AsyncGenerator<ModulePart> {
  for (;;) yield { data: new Uint8Array(1 << 20) };
}

function failureOf(promise: Promise<unknown>) {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => toFailure(error),
  );
}
