// A controller that takes agents: waits until all hosts of its inventory have dialed in, runs one job on them, and ends.
//
//   node bench/dial-in-controller.mjs CONFIG_DIRECTORY DATA_DIRECTORY MAX_PARALLEL
//
// Prints its port; then, as JSON, how long the agents took from the first to the last, how long the job, and the merged weight.
import { createApp } from '../dist/controller/app.js';

const [configDir, dataDir, maxParallel] = process.argv.slice(2);
let first;
let onArrival = () => undefined;
const app = await createApp({
  ...{ configDir, dataDir, agentCommand: [] },
  dialIn: { listen: '127.0.0.1:0', log: () => onArrival() },
});
const hosts = app.hosts('');
const allConnected = new Promise((resolve) => {
  onArrival = () => {
    first ??= performance.now();
    if (app.dialIn.connected().length === hosts.length) resolve();
  };
});
process.stdout.write(`${app.dialIn.address.split(':')[1]}\n`);
await allConnected;
const connected = (performance.now() - first) / 1000;

const submitted = performance.now();
const spec = {
  ...{ kind: 'record', target: { kind: 'system' }, duration: 100, events: [{ name: 'page-faults' }] },
  ...{ rate: { period: 1 }, callGraph: { mode: 'fp' }, keepRaw: false },
  detail: { split: 'comm', keepTimestamps: false, lines: false },
};
const job = await app.submit({
  ...{ spec, hosts, selectorText: '', requester: 'bench', note: '' },
  ...{ maxParallel: Number(maxParallel), grace: 15 * 60_000 },
});
const { state } = await app.run(job.id, { signal: new AbortController().signal, onEvent: () => undefined });
const { samples } = await app.profile(job.id);
const weight = samples.values[1].reduce((sum, value) => sum + value, 0);
const wall = (performance.now() - submitted) / 1000;
process.stdout.write(`${JSON.stringify({ connected, wall, state, weight })}\n`);
await app.close();
process.exit(0);
