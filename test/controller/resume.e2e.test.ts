// The controller is killed in the middle of a job; another one takes the job up and comes to the same end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { App } from '../../controller/api.js';
import { type AppOptions, createApp } from '../../controller/app.js';
import type { RecordSpec } from '../../proto/capture.js';
import { contentsOf } from '../profile/arbitrary-profile.js';
import { drawProfile } from '../profile/draw-profile.js';
import { bundleProgram, type Program } from './bundle-program.js';
import { FakeAgent, profileLog, type Script } from './fake-agent.js';
import { type TlsFleet, tlsFleet } from './tls-fleet.js';

const perftrawl = fileURLToPath(new URL('../../bin/perftrawl', import.meta.url));
const spec: RecordSpec = {
  kind: 'record',
  target: { kind: 'system' },
  duration: 60_000,
  events: [{ name: 'page-faults' }],
  callGraph: { mode: 'fp' },
  detail: { split: 'comm', keepTimestamps: false, lines: false },
  keepRaw: false,
};
const request = { spec, selectorText: '', requester: 'test', maxParallel: 2, grace: 30_000, note: '' };
const quiet = () => ({ signal: new AbortController().signal, onEvent: () => undefined });

let program: Program;
let fleet: TlsFleet;
let apps: App[];
let children: ChildProcess[];

beforeAll(async () => {
  program = await bundleProgram('controller-main.ts');
});
afterAll(() => program.remove());
beforeEach(async () => {
  fleet = await tlsFleet();
  apps = [];
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(apps.map((app) => app.close()));
  await fleet.close();
});

async function open(options: AppOptions): Promise<App> {
  const app = await createApp(options);
  apps.push(app);
  return app;
}

function appOptions(): AppOptions {
  const agentCommand = [process.execPath, perftrawl, 'agent'];
  return { dataDir: `${fleet.directory}/data`, configDir: fleet.directory, agentCommand };
}

/** Run a controller until it has said all these lines, in any order; then kill it. The value is the job's id. */
async function runAndKill(options: AppOptions, jobRequest: typeof request, lines: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [program.file, JSON.stringify({ app: options, request: jobRequest })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const exited = once(child, 'exit');
  const missing = new Set(lines);
  let id = '';
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('submitted ')) id = line.slice('submitted '.length);
    missing.delete(line);
    if (missing.size === 0) child.kill('SIGKILL');
  }
  const [code, signal] = await exited;
  expect({ id: id !== '', code, signal, missing: [...missing] }).toEqual({
    id: true,
    code: null,
    signal: 'SIGKILL',
    missing: [],
  });
  return id;
}

describe('a killed controller', () => {
  /** Three hosts, two at a time: one is quick, one is in the middle, one has to wait. */
  async function serve(gate: Promise<void>): Promise<Record<string, FakeAgent>> {
    const bring =
      (drawing: string, isGated: boolean): Script =>
      async ({ emit }) => {
        const [first, ...rest] = profileLog(drawProfile(drawing));
        emit(first);
        if (isGated) await gate;
        emit(...rest);
      };
    const agents = {
      quick: new FakeAgent(bring('main;parse 3', false)),
      slow: new FakeAgent(bring('main;parse 4\nmain 1', true)),
      waiting: new FakeAgent(bring('main 7', true)),
    };
    const served = await Promise.all(Object.entries(agents).map(([name, agent]) => fleet.serve(name, agent)));
    await fleet.writeInventory(served);
    return agents;
  }

  it('leaves a job that comes to the same end as one that was not interrupted', async () => {
    let letGo: () => void = () => undefined;
    const agents = await serve(new Promise((resolve) => (letGo = resolve)));
    const id = await runAndKill(appOptions(), request, ['quick succeeded', 'slow running', 'waiting running']);
    const app = await open(appOptions());
    expect((await app.job(id)).state).toBe('interrupted');
    expect((await app.jobs({ limit: 5, state: 'interrupted' })).map((job) => job.id)).toEqual([id]);
    letGo();
    expect((await app.resume(id, quiet())).state).toBe('succeeded');

    const straight = await app.submit({ ...request, hosts: app.hosts('') });
    expect((await app.run(straight.id, quiet())).state).toBe('succeeded');
    for (const host of [undefined, 'quick', 'slow', 'waiting']) {
      const [resumed, uninterrupted] = [await app.profile(id, host), await app.profile(straight.id, host)];
      if (resumed === undefined || uninterrupted === undefined) expect.fail('a result is missing');
      else expect(contentsOf(resumed)).toEqual(contentsOf(uninterrupted));
    }
    const starts = Object.values(agents).map(
      ({ calls }) => calls.filter((call) => call.startsWith(`start ${id}`)).length,
    );
    expect(starts).toEqual([1, 1, 1]);
  });

  it('leaves a job that can be cancelled: its captures are discarded', async () => {
    const agents = await serve(new Promise(() => undefined));
    const id = await runAndKill(appOptions(), request, ['quick succeeded', 'slow running', 'waiting running']);
    const app = await open(appOptions());
    expect((await app.cancel(id, new AbortController().signal)).state).toBe('cancelled');
    const runs = await app.hostRuns(id);
    expect(runs.map(({ host, state }) => `${host} ${state}`)).toEqual([
      'quick succeeded',
      'slow cancelled',
      'waiting cancelled',
    ]);
    expect(agents.slow.calls).toContain(`discard ${id}.slow`);
  });

  it('leaves a real capture of the local agent to go on, and the next controller fetches it', async () => {
    const workload = spawn(process.execPath, ['-e', 'for (;;) Buffer.alloc(1 << 22, 1)'], { stdio: 'ignore' });
    children.push(workload);
    if (workload.pid === undefined) return expect.fail('there is no workload');
    const pids = { ...spec, duration: 3_000, target: { kind: 'pids' as const, pids: [workload.pid] } };
    const options = { ...appOptions(), configDir: `${fleet.directory}/empty` };
    const id = await runAndKill(options, { ...request, spec: pids }, ['localhost running']);
    const app = await open(options);
    expect((await app.job(id)).state).toBe('interrupted');
    const ended = await app.resume(id, quiet());
    const [run] = await app.hostRuns(id);
    expect({ state: ended.state, failure: run.failure }).toEqual({ state: 'succeeded', failure: undefined });
    const profile = await app.profile(id);
    expect(profile?.sampleTypes.map(({ type }) => type)).toEqual(['samples:page-faults', 'page-faults']);
    expect(profile?.duration).toBeGreaterThan(2_500);
    expect(profile?.samples.values[1].reduce((sum, weight) => sum + weight, 0)).toBeGreaterThan(0);
  });
});
