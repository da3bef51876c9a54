// One controller and 1,000 simulated agents: a request reaches all of them, and a real profile from each is merged.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createApp } from '../dist/controller/app.js';
import { initCa, issueCertificate } from '../dist/controller/ca/certificate-authority.js';
import { encodeProfile } from '../dist/proto/profile-codec.js';
import { measured, median } from './measure.mjs';
import { mebibytes, seconds } from './report.mjs';

const agentScript = fileURLToPath(new URL('simulated-agents.mjs', import.meta.url));
const name = 'agent';
/** An answer is at least as large. */
const leastBytes = 100_000;

export async function fleetRows({ directory, perftrawl, isQuick, log }) {
  const hosts = isQuick ? 200 : 1000;
  const rounds = isQuick ? 1 : 3;
  const caDirectory = join(directory, 'fleet', 'ca');
  await mkdir(caDirectory, { recursive: true });
  await initCa(caDirectory, Date.now());
  const addresses = ['127.0.0.1'];
  await issueCertificate(caDirectory, { name, addresses, role: 'agent', days: 1 }, Date.now());
  await issueCertificate(caDirectory, { name: 'controller', addresses: [], role: 'controller', days: 1 }, Date.now());
  const answer = await recordAnswer(directory, perftrawl, log);
  const runs = [];
  for (const maxParallel of [32, hosts]) {
    for (let round = 0; round < rounds; round++) {
      log(`${hosts} simulated agents, ${maxParallel} at a time`);
      runs.push({
        maxParallel,
        ...(await askFleet({ directory, caDirectory, perftrawl, answer, hosts, maxParallel })),
      });
    }
  }
  const of = (maxParallel, figure) => median(runs.filter((run) => run.maxParallel === maxParallel).map(figure));
  const size = `${hosts} agents, ${(answer.bytes / 1000).toFixed(0)} KB each`;
  const row = (what, ours, result) => ({ what: `${what} (${size})`, ours, peer: '-', result, demand: '-', aim: '-' });
  const rows = [32, hosts].flatMap((maxParallel) => {
    const wall = of(maxParallel, (run) => run.wall);
    const cpu = of(maxParallel, (run) => run.cpu);
    const peak = of(maxParallel, (run) => run.peakMiB);
    return [
      row(
        `time of a job over mTLS, ${maxParallel} at a time`,
        seconds(wall),
        `${((wall / hosts) * 1000).toFixed(1)} ms a host`,
      ),
      row(`controller CPU, ${maxParallel} at a time`, seconds(cpu), `${((cpu / hosts) * 1000).toFixed(1)} ms a host`),
      row(`controller peak memory, ${maxParallel} at a time`, `${peak.toFixed(0)} MiB`, `${peak.toFixed(0)} MiB`),
    ];
  });
  const spread = of(hosts, (run) => run.spread);
  return {
    rows,
    notes: [
      `fleet: ${size} (${mebibytes(answer.bytes * hosts)} in all), a real page-fault profile of ${answer.weight} faults; all of them in one ` +
        `process beside the controller, one mTLS connection each. Every merged weight was exactly ${hosts} times the profile's. ` +
        `All at once, the last capture started ${spread.toFixed(0)} ms after the first`,
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

/** One job on fresh agents. @throws Error when the merged weight is not the sum */
async function askFleet({ directory, caDirectory, perftrawl, answer, hosts, maxParallel }) {
  const agents = spawn(process.execPath, [agentScript, caDirectory, name, answer.file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const lines = createInterface({ input: agents.stdout })[Symbol.asyncIterator]();
    const port = Number((await lines.next()).value);
    const config = join(directory, 'fleet');
    const host = `  - { name: "sim[1-${hosts}]", labels: {}, address: "tls://127.0.0.1:${port}", serverName: ${name} }`;
    await writeFile(join(config, 'inventory.yaml'), `hosts:\n${host}\n`);
    const env = {
      ...process.env,
      PERFTRAWL_CONFIG: config,
      PERFTRAWL_DATA: join(config, `data-${maxParallel}-${performance.now()}`),
    };
    const words = [
      'record',
      '-e',
      'page-faults',
      '-c',
      '1',
      '--for',
      '100ms',
      '--grace',
      '15m',
      '--max-parallel',
      String(maxParallel),
      '--json',
    ];
    const to = join(config, 'job.json');
    const usage = await measured(directory, [...perftrawl, ...words], { env, to });
    const job = JSON.parse(await readFile(to, 'utf8'));
    const merged = job.top[0].top.total;
    if (merged !== answer.weight * hosts) {
      throw new Error(`merged ${merged}, not ${hosts} times ${answer.weight}: ${JSON.stringify(job.losses)}`);
    }
    agents.stdin.end();
    return { ...usage, ...JSON.parse((await lines.next()).value) };
  } finally {
    agents.kill('SIGKILL');
  }
}
