// Runs commands one after another and tells their CPU time and peak memory, children included.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const measureScript = fileURLToPath(new URL('measure.pl', import.meta.url));
let reports = 0;

/** Settings that make every start of Node do more than start, whatever it runs: reading a file of certificates takes 35 ms. */
const NODE_SETTINGS = ['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'];

/** What measured programs run in: the environment of the bench without the settings for Node. */
const plainEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !NODE_SETTINGS.includes(name)),
);

/** A note that tells which settings were taken away; none where nothing was set. */
export function environmentNotes() {
  const taken = NODE_SETTINGS.filter((name) => process.env[name] !== undefined);
  return taken.length === 0 ? [] : [`measured without ${taken.join(' and ')}, which this machine sets for every Node`];
}

/**
 * @typedef {object} Usage
 * @property {number} cpu seconds of user and system time
 * @property {number} peakMiB largest resident memory of one process
 * @property {number} wall seconds
 */

/**
 * Start a command under measurement; stdio as in child_process.spawn.
 * `ended` resolves with its Usage, or rejects when it failed.
 */
export function startMeasured(
  directory,
  argv,
  { stdio = ['ignore', 'ignore', 'pipe'], env = plainEnvironment, cwd } = {},
) {
  const report = join(directory, `usage-${reports++}.txt`);
  const started = performance.now();
  const child = spawn('perl', [measureScript, report, ...argv], { stdio, env, ...(cwd === undefined ? {} : { cwd }) });
  const said = [];
  child.stderr?.on('data', (part) => said.push(part));
  const ended = once(child, 'close').then(async ([status]) => {
    const wall = (performance.now() - started) / 1000;
    if (status !== 0)
      throw new Error(`${argv.join(' ')} ended with ${status}: ${Buffer.concat(said).toString().slice(-2000)}`);
    const [user, system, peakKiB] = (await readFile(report, 'utf8')).split(' ').map(Number);
    await rm(report);
    return { cpu: user + system, peakMiB: peakKiB / 1024, wall };
  });
  return { child, ended };
}

/** Run a command to its end; its stdout goes to the file `to` (default: nowhere). */
export async function measured(directory, argv, { to = '/dev/null', ...options } = {}) {
  const output = await open(to, 'w');
  try {
    return await startMeasured(directory, argv, { ...options, stdio: ['ignore', output.fd, 'pipe'] }).ended;
  } finally {
    await output.close();
  }
}

/** Run each of the named jobs `rounds` times, in turns so that a busy moment hits all of them; gives each job's list of results. */
export async function interleaved(rounds, jobs) {
  const results = Object.fromEntries(Object.keys(jobs).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, job] of Object.entries(jobs)) results[name].push(await job());
  }
  return results;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median CPU seconds of a list of Usage. */
export const cpuOf = (usages) => median(usages.map((usage) => usage.cpu));
