// Captures whose release a host could not be told: told at the next connection, by whichever controller, and never too early.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App, JobEvent, JobRequest } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import type { RecordSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { drawProfile } from '../profile/draw-profile.js';
import { FakeAgent, profileLog, type Script } from './fake-agent.js';
import { type TlsFleet, tlsFleet } from './tls-fleet.js';

const spec: RecordSpec = {
  ...{ kind: 'record', target: { kind: 'system' }, duration: 100, events: [{ name: 'page-faults' }] },
  ...{ callGraph: { mode: 'fp' }, detail: { split: 'comm', keepTimestamps: false, lines: false }, keepRaw: false },
};

/** What it does when it is told to release a capture: as an agent does, or as a connection that breaks, or while the capture runs. */
class StubbornAgent extends FakeAgent {
  mood: 'willing' | 'cut off' | 'busy' = 'willing';

  override async releaseCapture(captureId: string): Promise<boolean> {
    if (this.mood === 'willing') return super.releaseCapture(captureId);
    this.calls.push(`release ${captureId}`);
    if (this.mood === 'busy') throw fail('refused', 'it is still running');
    throw fail('unreachable', 'the connection broke');
  }

  /** Calls that begin with `word`. */
  told(word: string): string[] {
    return this.calls.filter((call) => call.startsWith(word));
  }
}

let fleet: TlsFleet;
let app: App;
let agent: StubbornAgent;
const { signal } = new AbortController();

const bring: Script = async ({ emit }) => emit(...profileLog(drawProfile('main 1')));

beforeEach(async () => {
  fleet = await tlsFleet();
});
afterEach(async () => {
  await app.close();
  await fleet.close();
});

async function withHost(script: Script): Promise<void> {
  agent = new StubbornAgent(script);
  await fleet.writeInventory([await fleet.serve('db1', agent)]);
  app = await openApp();
}

function openApp(): Promise<App> {
  return createApp({ dataDir: `${fleet.directory}/data`, configDir: fleet.directory, agentCommand: ['/nonexistent'] });
}

async function runJob(change: Partial<JobRequest> = {}) {
  const { id } = await app.submit({
    ...{ spec, hosts: app.hosts(''), selectorText: '', requester: 'test', maxParallel: 8, grace: 30_000, note: '' },
    ...change,
  });
  return app.run(id, { signal, onEvent: () => undefined });
}

/** Another process, later. */
async function nextController(): Promise<void> {
  await app.close();
  app = await openApp();
}

describe('a capture whose release was lost', () => {
  it('is released when the host is next asked for anything, once', async () => {
    await withHost(bring);
    agent.mood = 'cut off';
    const { id, state } = await runJob();
    expect(state).toBe('succeeded');
    expect(agent.told('release')).toEqual([`release ${id}.db1`]);
    agent.mood = 'willing';
    for (let time = 0; time < 2; time++) {
      await nextController();
      await app.describe(app.hosts(''), signal);
    }
    await app.close();
    expect(agent.told('release')).toEqual([`release ${id}.db1`, `release ${id}.db1`]);
  });

  it('is released by the same controller too, over the next connection', async () => {
    await withHost(bring);
    agent.mood = 'cut off';
    const first = await runJob();
    agent.mood = 'willing';
    const second = await runJob();
    await app.close();
    const released = agent.told('release').sort();
    expect(released).toEqual([first, first, second].map(({ id }) => `release ${id}.db1`).sort());
  });

  it('is stopped where it still runs, and released later', async () => {
    await withHost(bring);
    agent.mood = 'cut off';
    const { id } = await runJob();
    agent.mood = 'busy';
    await nextController();
    await app.describe(app.hosts(''), signal);
    await app.close();
    expect(agent.told('discard')).toEqual([`discard ${id}.db1`]);
    agent.mood = 'willing';
    await nextController();
    await app.describe(app.hosts(''), signal);
    await app.close();
    expect(agent.told('release')).toEqual(Array.from({ length: 3 }, () => `release ${id}.db1`));
  });
});

describe('a capture that was lost', () => {
  it('is released although its job has ended long ago', async () => {
    await withHost(async ({ emit }) => emit({ kind: 'state', state: 'running', detail: '' }));
    agent.breakAfter = 1;
    const { id, state } = await runJob({ grace: 100 });
    expect(state).toBe('failed');
    // Whether this controller still came to it depends on which of its last tries was under way when the time was over.
    await nextController();
    await app.describe(app.hosts(''), signal);
    await app.close();
    expect(agent.told('release')).toEqual([`release ${id}.db1`]);
  });
});

describe('a capture that is under way', () => {
  it('is left alone by other controllers', async () => {
    let finish: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    await withHost(async ({ emit }) => {
      emit({ kind: 'state', state: 'running', detail: '' });
      await gate;
      emit(...profileLog(drawProfile('main 1')));
    });
    const running = runJob();
    await expect.poll(() => agent.told('follow')).toHaveLength(1);
    const other = await openApp();
    await other.describe(other.hosts(''), signal);
    await other.close();
    expect(agent.told('release')).toEqual([]);
    finish();
    expect((await running).state).toBe('succeeded');
    expect(agent.told('release')).toHaveLength(1);
  });

  it('is released with the interrupted job that is deleted', async () => {
    await withHost(async ({ emit }) => emit({ kind: 'state', state: 'running', detail: '' }));
    const abandon = new AbortController();
    const { id } = await app.submit({
      ...{ spec, hosts: app.hosts(''), selectorText: '', requester: 'test', maxParallel: 8, grace: 30_000, note: '' },
    });
    const onEvent = (event: JobEvent) => {
      if (event.kind !== 'host-run' || event.run.state !== 'running') return;
      abandon.abort(fail('cancelled', 'this controller goes'));
    };
    await expect(app.run(id, { signal, onEvent, abandon: abandon.signal })).rejects.toThrow('this controller goes');
    await nextController();
    await app.deleteJob(id);
    expect(agent.told('release')).toEqual([`release ${id}.db1`]);
    expect(await app.jobs({ limit: 10 })).toEqual([]);
  });
});
