// One controller and 1,000 simulated agents, which it reaches by mTLS or which dial in: a request reaches all of them, and a real profile from
// each is merged.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createApp } from '../dist/controller/app.js';
import { initCa, issueCertificate } from '../dist/controller/ca/certificate-authority.js';
import { encodeProfile } from '../dist/proto/profile-codec.js';
import { measured, median, startMeasured } from './measure.mjs';
import { mebibytes, seconds } from './report.mjs';

const agentScript = fileURLToPath(new URL('simulated-agents.mjs', import.meta.url));
const dialingScript = fileURLToPath(new URL('dialing-agents.mjs', import.meta.url));
const controllerScript = fileURLToPath(new URL('dial-in-controller.mjs', import.meta.url));
const name = 'agent';
/** An answer is at least as large. */
const leastBytes = 100_000;

/** @param context see run.mjs */
export async function fleetRows({ directory, perftrawl, isQuick, log }, given = {}) {
  const hosts = Number(given.hosts ?? (isQuick ? 200 : 1000));
  const rounds = Number(given.rounds ?? (isQuick ? 1 : 3));
  const caDirectory = join(directory, 'fleet', 'ca');
  await mkdir(caDirectory, { recursive: true });
  await initCa(caDirectory, Date.now());
  const issue = (certificate, role) =>
    issueCertificate(caDirectory, { name: certificate, addresses: ['127.0.0.1'], role, days: 1 }, Date.now());
  await issue(name, 'agent');
  await issue('controller', 'controller');
  await issue('server', 'server');
  log(`issuing ${hosts} certificates`);
  const names = Array.from({ length: hosts }, (_, i) => `sim${i + 1}`);
  for (const host of names) await issue(host, 'dial-in-agent');
  const answer = await recordAnswer(directory, perftrawl, log);
  const fleet = { directory, caDirectory, perftrawl, answer, hosts, names };
  const ways = { mTLS: askFleet, 'dial-in': askDialInFleet };
  const runs = [];
  const load = [];
  for (const [over, ask] of Object.entries(ways)) {
    for (const maxParallel of new Set([Math.min(32, hosts), hosts])) {
      for (let round = 0; round < rounds; round++) {
        log(`${hosts} simulated agents over ${over}, ${maxParallel} at a time`);
        load.push(loadavg()[0]);
        runs.push({ over, maxParallel, ...(await ask({ ...fleet, maxParallel })) });
      }
    }
  }
  const of = (over, maxParallel, figure) =>
    median(runs.filter((run) => run.over === over && run.maxParallel === maxParallel).map(figure));
  const size = `${hosts} agents, ${(answer.bytes / 1000).toFixed(0)} KB each`;
  const row = (what, ours, result) => ({ what: `${what} (${size})`, ours, peer: '-', result, demand: '-', aim: '-' });
  const each = (time) => `${((time / hosts) * 1000).toFixed(1)} ms a host`;
  const rows = Object.keys(ways).flatMap((over) => [
    ...[...new Set([Math.min(32, hosts), hosts])].flatMap((maxParallel) => {
      const [wall, cpu, peak] = ['wall', 'cpu', 'peakMiB'].map((figure) => of(over, maxParallel, (run) => run[figure]));
      const how = `over ${over}, ${maxParallel} at a time`;
      return [
        row(`time of a job ${how}`, seconds(wall), each(wall)),
        row(`controller CPU ${how}`, seconds(cpu), each(cpu)),
        row(`controller peak memory ${how}`, `${peak.toFixed(0)} MiB`, `${peak.toFixed(0)} MiB`),
      ];
    }),
  ]);
  const connected = median(runs.flatMap((run) => run.connected ?? []));
  rows.push(row('time until all have dialed in, from one address', seconds(connected), each(connected)));
  const spread = (over) => of(over, hosts, (run) => run.spread).toFixed(0);
  return {
    rows,
    notes: [
      `fleet: ${size} (${mebibytes(answer.bytes * hosts)} in all), a real page-fault profile of ${answer.weight} faults; all of them in one ` +
        `process beside the controller, one connection each; ${rounds} round(s); load ${Math.min(...load).toFixed(0)} to ` +
        `${Math.max(...load).toFixed(0)}. Every merged weight was exactly ${hosts} times the profile's. ` +
        `All at once, the last capture started ${spread('mTLS')} ms after the first over mTLS, ${spread('dial-in')} ms over dial-in`,
      'fleet over mTLS is a whole `perftrawl record`, which connects to the agents. Over dial-in they have connected before: the time is of ' +
        'the job alone, the CPU and the memory are of both. They dial all at the same moment, from one address, of which 64 at a time are ' +
        'let in; the others come again after a random wait of at first up to 2 s',
    ],
  };
}

/** Page faults of programs that start, as a profile of `leastBytes` or more; longer recordings until it is that large. */
async function recordAnswer(directory, perftrawl, log) {
  const environment = {
    ...process.env,
    PERFTRAWL_DATA: join(directory, 'fleet', 'answer'),
    PERFTRAWL_CONFIG: directory,
  };
  for (let duration = 2; duration <= 32; duration *= 2) {
    log(`recording the answer, ${duration} s`);
    const watched = [
      'record',
      '-a',
      '-e',
      'page-faults',
      '-c',
      '1',
      '--split',
      'pid',
      '--budget',
      'none',
      '--even-if-busy',
      '--for',
      `${duration}s`,
    ];
    const recording = measured(directory, [...perftrawl, ...watched, '--json'], { env: environment });
    let isOver = false;
    const load = (async () => {
      while (!isOver) await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'close');
    })();
    await recording.finally(() => {
      isOver = true;
    });
    await load;
    const app = await createApp({ dataDir: environment.PERFTRAWL_DATA, configDir: directory, agentCommand: [] });
    const profile = await app.profile('last');
    await app.close();
    const chunks = [...encodeProfile(profile)];
    const bytes = chunks.reduce((sum, { data }) => sum + data.length, 0);
    if (bytes < leastBytes) continue;
    const file = join(directory, 'fleet', 'answer.json');
    const text = chunks.map((chunk) => ({ ...chunk, data: Buffer.from(chunk.data).toString('base64') }));
    await writeFile(file, JSON.stringify(text));
    return { file, bytes, weight: profile.samples.values[1].reduce((sum, value) => sum + value, 0) };
  }
  throw new Error(`no recording made a profile of ${leastBytes} bytes`);
}

/** One job on fresh agents that listen. @throws Error when the merged weight is not the sum */
async function askFleet({ directory, caDirectory, perftrawl, answer, hosts, maxParallel }) {
  const agents = spawn(process.execPath, [agentScript, caDirectory, name, answer.file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const lines = linesOf(agents);
    const port = Number((await lines.next()).value);
    const config = await writeInventory(directory, hosts, `address: "tls://127.0.0.1:${port}", serverName: ${name}`);
    const env = { ...process.env, PERFTRAWL_CONFIG: config, PERFTRAWL_DATA: newData(config) };
    const words = [
      ...['record', '-e', 'page-faults', '-c', '1', '--for', '100ms', '--grace', '15m'],
      ...['--max-parallel', String(maxParallel), '--json'],
    ];
    const to = join(config, 'job.json');
    const usage = await measured(directory, [...perftrawl, ...words], { env, to });
    const job = JSON.parse(await readFile(to, 'utf8'));
    mustBeAll(job.top[0].top.total, answer, hosts, job.losses);
    agents.stdin.end();
    return { ...usage, ...JSON.parse((await lines.next()).value) };
  } finally {
    agents.kill('SIGKILL');
  }
}

/** One job on fresh agents that dial in. @throws Error when the merged weight is not the sum */
async function askDialInFleet({ directory, caDirectory, answer, hosts, names, maxParallel }) {
  const config = await writeInventory(directory, hosts, 'address: dial-in');
  const controller = startMeasured(
    directory,
    [process.execPath, controllerScript, config, newData(config), String(maxParallel)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  // Told below, also when it ends before it has said anything.
  controller.ended.catch(() => undefined);
  const said = linesOf(controller.child);
  const port = (await said.next()).value ?? (await controller.ended);
  const agents = spawn(process.execPath, [dialingScript, caDirectory, port, answer.file, ...names], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const line = (await said.next()).value;
    const usage = await controller.ended;
    const { connected, wall, state, weight } = JSON.parse(line);
    mustBeAll(weight, answer, hosts, state);
    agents.stdin.end();
    return { ...usage, connected, wall, ...JSON.parse((await linesOf(agents).next()).value) };
  } finally {
    agents.kill('SIGKILL');
  }
}

function linesOf({ stdout }) {
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}

/** @returns the configuration directory */
async function writeInventory(directory, hosts, address) {
  const config = join(directory, 'fleet');
  await writeFile(join(config, 'inventory.yaml'), `hosts:\n  - { name: "sim[1-${hosts}]", labels: {}, ${address} }\n`);
  return config;
}

function newData(config) {
  return join(config, `data-${performance.now()}`);
}

function mustBeAll(merged, { weight }, hosts, why) {
  if (merged !== weight * hosts)
    throw new Error(`merged ${merged}, not ${hosts} times ${weight}: ${JSON.stringify(why)}`);
}
