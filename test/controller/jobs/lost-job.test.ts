// A controller that has lost its job, and learns it when it writes: the capture is the other one's now, and goes on.
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { App } from '../../../controller/api.js';
import { createApp } from '../../../controller/app.js';
import { toFailure } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { FakeAgent, profileLog } from '../fake-agent.js';
import { RECORD as spec } from '../specs.js';
import { type TlsFleet, tlsFleet } from '../tls-fleet.js';

let fleet: TlsFleet;
let app: App;
let isRunning: Promise<void>;
let goOn: () => void;
let agent: FakeAgent;

const profile = drawProfile('main;touch 5');
const never = new AbortController().signal;

beforeEach(async () => {
  fleet = await tlsFleet();
  let begun: () => void = () => undefined;
  isRunning = new Promise((resolve) => (begun = resolve));
  const opened = new Promise<void>((resolve) => (goOn = resolve));
  agent = new FakeAgent(async ({ emit }) => {
    emit({ kind: 'state', state: 'running', detail: '' });
    begun();
    await opened;
    // Is written down at once.
    emit({ kind: 'state', state: 'symbolizing', detail: '' }, ...profileLog(profile));
  });
  await fleet.writeInventory([await fleet.serve('a', agent)]);
  app = await createApp({
    ...{ dataDir: `${fleet.directory}/data`, configDir: fleet.directory, agentCommand: ['/nonexistent'] },
  });
});
afterEach(async () => {
  await app.close();
  await fleet.close();
});

/** As a controller does that takes the job over. */
async function setOwner(id: string, owner: string): Promise<void> {
  const database = new Database(`${fleet.directory}/data/perftrawl.db`, { timeout: 0 });
  try {
    const change = database.prepare('update jobs set owner = ?, owner_seen = 1 where id = ?');
    // Not while the app writes, which could not go on before this has.
    await vi.waitFor(() => expect(change.run(owner, id).changes).toBe(1));
  } finally {
    database.close();
  }
}

it('tells no agent to stop, and writes nothing of it', async () => {
  const { id } = await app.submit({
    ...{ spec, hosts: app.hosts(''), selectorText: '', requester: 'test', maxParallel: 8, grace: 30_000, note: '' },
  });
  const running = app.run(id, { signal: never, onEvent: () => undefined }).catch(toFailure);
  await isRunning;
  await vi.waitFor(async () => expect((await app.hostRuns(id))[0].state).toBe('running'));
  await setOwner(id, 'somebody|1|1|x');
  goOn();
  expect(await running).toMatchObject({ code: 'conflict', message: expect.stringContaining('another process') });
  expect(agent.calls.filter((call) => /^(stop|discard|release)/.test(call))).toEqual([]);
  expect((await app.hostRuns(id))[0].state).toBe('running');
  await setOwner(id, '');
  const job = await app.resume(id, { signal: never, onEvent: () => undefined });
  expect(job.state).toBe('succeeded');
  expect((await app.profile(id, 'a'))?.samples).toEqual(profile.samples);
});
