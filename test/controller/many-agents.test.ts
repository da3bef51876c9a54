// Two hundred agents behind real mTLS connections, each with another profile: what is merged is exactly what they gave.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { App } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import { drawProfile } from '../profile/draw-profile.js';
import { FakeAgent, profileLog } from './fake-agent.js';
import { RECORD as spec } from './specs.js';
import { type TlsFleet, tlsFleet } from './tls-fleet.js';

const HOSTS = 200;

let fleet: TlsFleet;
let app: App | undefined;

beforeEach(async () => {
  fleet = await tlsFleet();
});
afterEach(async () => {
  await app?.close();
  await fleet.close();
});

it('merges two hundred hosts exactly', async () => {
  // One port and one certificate, a connection per host: the name of the capture tells which host it is.
  const agent = new FakeAgent(async ({ request, emit }) => {
    const number = Number(/\.h(\d+)$/.exec(request.captureId)?.[1]);
    emit(...profileLog(drawProfile(`main;all ${number}\nmain;own${number} 1`)));
  });
  const { port } = await fleet.serve('agent', agent);
  const inventoryPath = await fleet.writeInventory([{ name: 'h1', port }]);
  app = await createApp({
    dataDir: `${fleet.directory}/data`,
    inventoryPath,
    configDir: fleet.directory,
    agentCommand: ['/nonexistent'],
  });
  const [host] = app.hosts('');
  const hosts = Array.from({ length: HOSTS }, (_, i) => ({
    ...host,
    name: `h${i + 1}`,
    address: { transport: 'tls', host: '127.0.0.1', port, serverName: 'agent' } as const,
  }));
  const { id } = await app.submit({
    ...{ spec, hosts, selectorText: '', requester: 'test', maxParallel: HOSTS, grace: 300_000, note: '' },
  });
  const job = await app.run(id, { signal: new AbortController().signal, onEvent: () => undefined });
  expect(job.state).toBe('succeeded');
  const profile = await app.profile(id);
  expect(profile?.losses).toEqual([]);
  const byHost = new Map<string, number>();
  for (let row = 0; row < (profile?.samples.length ?? 0); row++) {
    const name = profile?.labelSets[profile.samples.labels[row]].find(({ key }) => key === 'host')?.value ?? '';
    byHost.set(name, (byHost.get(name) ?? 0) + (profile?.samples.values[1][row] ?? 0));
  }
  expect(Object.fromEntries(byHost)).toEqual(Object.fromEntries(hosts.map(({ name }, i) => [name, i + 2])));
  const names = new Set(profile?.strings);
  expect(hosts.every((_, i) => names.has(`own${i + 1}`))).toBe(true);
  for (const kind of ['start', 'release']) {
    expect(new Set(agent.calls.filter((call) => call.startsWith(kind))).size).toBe(HOSTS);
  }
}, 300_000);
