// Somebody sets the clock of the controller while a capture runs: the capture takes as long as it takes, and its times stay in order.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { App } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import { systemClock } from '../../controller/clock.js';
import { drawProfile } from '../profile/draw-profile.js';
import { FakeAgent, profileLog } from './fake-agent.js';
import { RECORD as spec } from './specs.js';
import { type TlsFleet, tlsFleet } from './tls-fleet.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let fleet: TlsFleet;
let app: App;

beforeEach(async () => {
  fleet = await tlsFleet();
});
afterEach(async () => {
  await app.close();
  await fleet.close();
});

it.each([DAY, -DAY, 400 * DAY])('by %d ms', async (by) => {
  let set = 0;
  const agent = new FakeAgent(async ({ emit }) => {
    const [running, ...rest] = profileLog(drawProfile('main 3'));
    emit(running);
    set = by;
    // Time for whatever looks at the clock now and then.
    await new Promise((resolve) => setTimeout(resolve, 300));
    emit(...rest);
  });
  const { port } = await fleet.serve('agent', agent);
  await fleet.writeInventory([{ name: 'agent', port }]);
  app = await createApp({
    dataDir: `${fleet.directory}/data`,
    configDir: fleet.directory,
    agentCommand: ['/nonexistent'],
    clock: { ...systemClock, now: () => Date.now() + set },
  });
  const request = { spec, hosts: app.hosts(''), selectorText: '', requester: 'test', note: '' };
  const { id } = await app.submit({ ...request, maxParallel: 1, grace: 60_000 });
  const job = await app.run(id, { signal: new AbortController().signal, onEvent: () => undefined });
  expect(job.state).toBe('succeeded');
  expect((await app.profile(id))?.samples.values[1].reduce((sum, weight) => sum + weight, 0)).toBe(3);
  const [run] = await app.hostRuns(id);
  const times = [job.created, run.started, run.ended, job.ended];
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(job.ended - job.created).toBeLessThan(HOUR);
});
