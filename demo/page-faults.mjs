// `npm start`: the page-fault kit on three hosts: how many, which code, how long. Three agents with identities of their own, one report.
//
// The three "hosts" share this machine: one agent on stdio, two reached over mutual TLS. So each sees all the workload's processes;
// on a real fleet each sees its own. Everything that is started here is ended here, by pid, also on Ctrl-C.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const perftrawl = join(root, 'bin', 'perftrawl');
/** `node demo/page-faults.mjs [DIRECTORY]`; whatever is in it goes. */
const directory = resolve(process.argv[2] ?? join(root, 'build', 'demo'));
const ca = join(directory, 'ca');
const report = join(directory, 'page-faults.html');
const svg = join(directory, 'page-faults.svg');
const folded = join(directory, 'page-faults.folded');
const environment = {
  ...process.env,
  PERFTRAWL_DATA: join(directory, 'data'),
  PERFTRAWL_INVENTORY: join(directory, 'inventory.yaml'),
  PERFTRAWL_CONFIG: directory,
  PERFTRAWL_STATE: join(directory, 'state', 'workstation'),
  // Setting up may have kept this machine busy until a moment ago; that is no reason not to show it.
  PERFTRAWL_ADMISSION: 'off',
};

/** Everything outlives a capture by far and ends by itself even if this script is killed. */
const WORKLOAD_SECONDS = '60';
const COMM = 'touch-memory';
const COMPILER = 'cc';
const FAULTS = ['faults', '-c', '1', '--comm', COMM, '--for', '5s', '--interval', '1s', '--note', 'demo'];
const HOSTS = ['workstation', 'db1', 'db2'];

/** Processes that go on until the end of the demo. */
const background = [];
/** The command that is running now. */
let foreground;
let isInterrupted = false;

async function main() {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });

  step('a small certificate authority, and an identity for the controller and two agents');
  await must('ca', 'init', '--dir', ca);
  await must('ca', 'issue', 'controller', '--role', 'controller', '--dir', ca);
  for (const name of ['db1', 'db2']) await must('ca', 'issue', name, '--address', '127.0.0.1', '--dir', ca);

  step('two agents that listen with mutual TLS; the third is started on stdio when it is needed');
  const ports = { db1: await startAgent('db1'), db2: await startAgent('db2') };
  writeInventory(ports);
  await show('hosts');

  step('a workload: programs that touch memory, in C and in JavaScript');
  startWorkload();
  await show('doctor');

  step(`the main job: perftrawl ${FAULTS.join(' ')}`);
  await show(...FAULTS, '-o', report);
  await must('export', 'last', '--format', 'svg', '-o', svg);
  await must('export', 'last', '--format', 'folded', '-o', folded);

  const sums = await weights();
  step(`done. ${sums.merged.toLocaleString('en-US')} page faults in one flame graph`);
  say(`   = ${HOSTS.map((host, i) => `${sums.hosts[i].toLocaleString('en-US')} on ${host}`).join(' + ')}`);
  say('   (the three share this machine, so each saw all of the workload)\n');
  say(
    `   report          ${fromHere(report)}   ${kib(report)} - counts, flame graph, latencies, hosts; needs nothing else`,
  );
  say(`   flame graph     ${fromHere(svg)}   ${kib(svg)} - open it in a browser: click, search, hover`);
  say(`   folded stacks   ${fromHere(folded)}   ${kib(folded)}\n`);
  say('Try next:');
  const variables = `PERFTRAWL_DATA=${fromHere(environment.PERFTRAWL_DATA)}`;
  say(`   ${variables} ${fromHere(perftrawl)} show last --tree`);
  say(`   ${variables} ${fromHere(perftrawl)} show last --host db1 --inverted`);
  say(
    `   ${variables} ${fromHere(perftrawl)} export last --format pprof -o ${fromHere(join(directory, 'page-faults.pb.gz'))}`,
  );
  say(`   ${fromHere(perftrawl)} faults --for 10s -o faults.html      # this whole machine`);
  say(`   ${fromHere(perftrawl)} stap ls                              # SystemTap scripts that any host can run`);
}

/** Each host's faults and the merged ones; throws unless they add up. */
async function weights() {
  const merged = totalOf(readFileSync(folded, 'utf8'));
  const hosts = [];
  for (const host of HOSTS) hosts.push(totalOf(await must('export', 'last', '--format', 'folded', '--host', host)));
  const sum = hosts.reduce((total, value) => total + value, 0);
  if (merged === 0) throw new Error('no page faults were recorded');
  if (sum !== merged) throw new Error(`the hosts add up to ${sum} page faults and the merged profile has ${merged}`);
  return { merged, hosts };
}

function totalOf(text) {
  return text.split('\n').reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** Returns the port it listens on. */
async function startAgent(name) {
  const child = inBackground(process.execPath, [
    ...[perftrawl, 'agent', '--listen', '127.0.0.1:0', '--name', name, '--state', join(directory, 'state', name)],
    ...['--ca', join(ca, 'ca.crt'), '--cert', join(ca, `${name}.crt`), '--key', join(ca, `${name}.key`)],
  ]);
  let complaints = '';
  child.stderr.on('data', (part) => {
    complaints = `${complaints}${part}`.slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`agent ${name} ended with ${code}: ${complaints}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /listening on .*:(\d+)$/.exec(line);
      if (match === null) return;
      say(`   ${name}: pid ${child.pid}, ${line}`);
      resolve(Number(match[1]));
    });
  });
}

function writeInventory({ db1, db2 }) {
  writeFileSync(
    environment.PERFTRAWL_INVENTORY,
    `tls: { ca: ca/ca.crt, cert: ca/controller.crt, key: ca/controller.key }
hosts:
  - { name: workstation, address: local, labels: { role: dev } }
  - { name: db1, address: "tls://127.0.0.1:${db1}", labels: { role: db, region: eu } }
  - { name: db2, address: "tls://127.0.0.1:${db2}", labels: { role: db, region: us } }
`,
  );
}

/**
 * One process in C where there is a compiler (unoptimized, so that leaf functions keep frame pointers too), one in JavaScript with a
 * map of its functions for perf.
 */
function startWorkload() {
  const program = join(directory, COMM);
  const source = join(root, 'demo', 'touch-memory.c');
  const { status } = spawnSync(COMPILER, ['-O0', '-g', '-fno-omit-frame-pointer', '-o', program, source], {
    stdio: 'ignore',
  });
  if (status === 0) announce('C', inBackground(program, [WORKLOAD_SECONDS]));
  else say('   (no C compiler here: JavaScript only)');
  // Beside the results, so that the demo can be moved away as a whole.
  const script = join(directory, 'touch-memory.mjs');
  copyFileSync(join(root, 'demo', 'touch-memory.mjs'), script);
  const flags = ['--perf-basic-prof', '--interpreted-frames-native-stack'];
  announce('JavaScript', inBackground(process.execPath, [...flags, script, WORKLOAD_SECONDS]));
}

function announce(language, child) {
  say(`   ${language}: pid ${child.pid}`);
}

/** In a process group of its own: Ctrl-C is for the command in the foreground, this script ends the others in order. */
function inBackground(command, args) {
  const child = spawn(command, args, {
    cwd: directory,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  child.stdout.resume();
  child.stderr.resume();
  background.push(child);
  return child;
}

/** Run a command of perftrawl with its output on the terminal. */
async function show(...args) {
  await perftrawlCommand(args, ['ignore', 'inherit', 'inherit']);
  say('');
}

/** Run a command of perftrawl quietly; returns its stdout. */
async function must(...args) {
  return perftrawlCommand(args, ['ignore', 'pipe', 'inherit']);
}

async function perftrawlCommand(args, stdio) {
  if (isInterrupted) throw new Error('interrupted');
  foreground = spawn(process.execPath, [perftrawl, ...args], { env: environment, stdio });
  let output = '';
  foreground.stdout?.setEncoding('utf8').on('data', (part) => {
    output += part;
  });
  const [code, signal] = await once(foreground, 'close');
  foreground = undefined;
  if (isInterrupted) throw new Error('interrupted');
  if (code !== 0) throw new Error(`perftrawl ${args.join(' ')} ended with ${signal ?? `exit code ${code}`}`);
  return output;
}

/** End what was started, the newest first; SIGKILL for what does not listen. */
async function endAll() {
  for (const child of background.reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  }
}

/** Two signals: the first would keep what there is, the second discards it. */
function interrupt() {
  isInterrupted = true;
  foreground?.kill('SIGINT');
  foreground?.kill('SIGTERM');
}

function step(text) {
  say(`\n== ${text}`);
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

/** The shorter of the two ways to say it. */
function fromHere(path) {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}

function kib(path) {
  return `${Math.ceil(statSync(path).size / 1024)} KiB`;
}

process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
process.on('SIGHUP', interrupt);
try {
  await main();
} catch (error) {
  process.stderr.write(`\ndemo: ${error.message}\n`);
  process.exitCode = isInterrupted ? 130 : 1;
} finally {
  await endAll();
}
