// Rollouts over real gRPC and mTLS: what starts, what is skipped and why, also after the controller went away.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App, JobEvent, JobRequest, Rollout } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import { clockDrift } from '../../controller/jobs/host-check.js';
import { fail } from '../../proto/failure.js';
import { drawProfile } from '../profile/draw-profile.js';
import { aHealth, FakeAgent, profileLog, type Script } from './fake-agent.js';
import { RECORD as spec } from './specs.js';
import { type TlsFleet, tlsFleet } from './tls-fleet.js';

let fleet: TlsFleet;
let app: App;
let agents: Record<string, FakeAgent>;
let events: JobEvent[];

beforeEach(async () => {
  fleet = await tlsFleet();
  events = [];
  agents = {};
});
afterEach(async () => {
  await app.close();
  await fleet.close();
});

const works: Script = async ({ emit }) => emit(...profileLog(drawProfile('main 1')));
const fails: Script = async ({ emit }) => {
  const { failure } = fail('tool-failed', 'perf said no', 'ask it why');
  emit({ kind: 'done', outcome: 'failed', failure, commandLines: [] });
};

/** h0, h1, … in this order. */
async function withHosts(...scripts: Script[]): Promise<void> {
  const served = [];
  for (const [i, script] of scripts.entries()) {
    const name = `h${i}`;
    agents[name] = new FakeAgent(script);
    served.push(await fleet.serve(name, agents[name]));
  }
  await fleet.writeInventory(served);
  const dataDir = `${fleet.directory}/data`;
  app = await createApp({ dataDir, configDir: fleet.directory, agentCommand: ['/nonexistent'] });
}

function request(rollout: Partial<Rollout>, maxParallel = 1): JobRequest {
  const order = { ...{ waves: [], settle: 0 }, ...rollout };
  return {
    ...{ spec, hosts: app.hosts(''), selectorText: '', requester: 'test', maxParallel, grace: 30_000, note: '' },
    rollout: order,
  };
}

const run = async (id: string, signal = new AbortController().signal) => {
  const job = await app.run(id, { signal, onEvent: (event) => events.push(event) });
  const runs = await app.hostRuns(id);
  return { state: job.state, states: runs.map(({ state }) => state), why: runs.map(({ failure }) => failure?.message) };
};

const started = () => Object.values(agents).map(({ calls }) => calls.some((call) => call.startsWith('start')));

describe('a rollout', () => {
  it('starts a wave when the one before it has ended', async () => {
    await withHosts(works, works, works, works);
    const { id } = await app.submit(request({ canary: { kind: 'hosts', hosts: 1 } }, 8));
    expect(await run(id)).toMatchObject({ state: 'succeeded' });
    const waves = events.flatMap((event) => (event.kind === 'wave' ? [[event.wave, event.of, event.hosts]] : []));
    expect(waves).toEqual([
      [1, 2, 1],
      [2, 2, 3],
    ]);
    const at = (host: string, state: string) =>
      events.findIndex((event) => event.kind === 'host-run' && event.run.host === host && event.run.state === state);
    for (const host of ['h1', 'h2', 'h3']) expect(at(host, 'connecting')).toBeGreaterThan(at('h0', 'succeeded'));
  });

  it('starts nothing more when its canary fails', async () => {
    await withHosts(fails, works, works);
    const { id } = await app.submit(request({ canary: { kind: 'hosts', hosts: 1 } }));
    expect(await run(id)).toEqual({
      state: 'failed',
      states: ['failed', 'skipped', 'skipped'],
      why: ['perf said no', 'the canary failed on h0', 'the canary failed on h0'],
    });
    expect(started()).toEqual([true, false, false]);
  });

  it('starts nothing more once too many have failed, and keeps what succeeded', async () => {
    await withHosts(works, works, fails, works, fails, works, works);
    const { id } = await app.submit(request({ failFast: 20 }));
    const { state, states, why } = await run(id);
    expect(state).toBe('partial');
    expect(states).toEqual(['succeeded', 'succeeded', 'failed', 'succeeded', 'failed', 'skipped', 'skipped']);
    expect(why[5]).toBe('2 of 5 hosts failed, more than 20 %');
    const losses = (await app.profile(id))?.losses ?? [];
    expect(losses.find(({ kind }) => kind === 'missing-hosts')?.count).toBe(4);
  });

  it('starts nothing more once a capture strained its host', async () => {
    await withHosts(works, works, works);
    // Four readings before the capture, four after.
    agents.h0.healths = [...Array.from({ length: 4 }, () => aHealth), { ...aHealth, load1: 5 }];
    const { id } = await app.submit(request({ abortOn: [{ of: 'load', limit: 2 }] }));
    const { state, states, why } = await run(id);
    expect(state).toBe('partial');
    expect(states).toEqual(['succeeded', 'skipped', 'skipped']);
    expect(why[1]).toBe('the capture strained h0: load per CPU went from 0.5 to 2.5, more than 2');
  });

  it('goes on where a host was strained before', async () => {
    await withHosts(works, works);
    agents.h0.healths = [{ ...aHealth, load1: 50 }];
    const { id } = await app.submit(request({ abortOn: [{ of: 'load', limit: 2 }] }));
    expect(await run(id)).toMatchObject({ state: 'succeeded' });
  });

  it('knows how far each clock is off, to within what it says, and whether it was moved', async () => {
    const moved: Script = async ({ emit }) => {
      emit({ kind: 'state', state: 'running', detail: '' });
      await measured;
      agents.h1.clockOffset = 3_600_000;
      emit(...profileLog(drawProfile('main 1')).slice(1));
    };
    let onMeasured: () => void = () => undefined;
    const measured = new Promise<void>((resolve) => {
      onMeasured = resolve;
    });
    await withHosts(works, moved);
    agents.h0.clockOffset = -90_000;
    const { id } = await app.submit(request({}, 2));
    await app.run(id, {
      signal: new AbortController().signal,
      onEvent: (event) => {
        if (event.kind === 'host-run' && event.run.host === 'h1' && event.run.checks !== undefined) onMeasured();
      },
    });
    const [still, jumped] = (await app.hostRuns(id)).map(({ checks }) => checks);
    for (const check of [still?.before, still?.after]) {
      expect(Math.abs((check?.clockOffset ?? 0) + 90_000)).toBeLessThanOrEqual(check?.clockUncertainty ?? 0);
    }
    expect(still?.before && still.after && clockDrift(still.before, still.after)).toBe(0);
    expect(jumped?.before && jumped.after && clockDrift(jumped.before, jumped.after)).toBeGreaterThan(3_500_000);
  });

  it('is not taken up again where it had stopped', async () => {
    await withHosts(fails, works, works);
    const { id } = await app.submit(request({ canary: { kind: 'hosts', hosts: 1 }, settle: 60_000, waves: [] }));
    // The controller goes away between the end of the canary and the next wave: what is stored is the failed canary alone.
    const away = new Error('the controller went away');
    const failing = app.run(id, {
      signal: new AbortController().signal,
      onEvent: (event) => {
        if (event.kind === 'host-run' && event.run.state === 'failed') throw away;
      },
    });
    await expect(failing).rejects.toBe(away);
    const job = await app.resume(id, { signal: new AbortController().signal, onEvent: () => undefined });
    expect(job.state).toBe('failed');
    expect((await app.hostRuns(id)).map(({ state }) => state)).toEqual(['failed', 'skipped', 'skipped']);
    expect(started()).toEqual([true, false, false]);
  });

  it('waits between waves, and a stop ends the waiting', async () => {
    await withHosts(works, works);
    const { id } = await app.submit(request({ canary: { kind: 'hosts', hosts: 1 }, settle: 3_600_000 }));
    const stop = new AbortController();
    const job = await app.run(id, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'host-run' && event.run.state === 'succeeded') stop.abort();
      },
    });
    expect(job.state).toBe('partial');
    expect((await app.hostRuns(id)).map(({ state }) => state)).toEqual(['succeeded', 'cancelled']);
  });
});
