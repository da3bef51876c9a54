// Set up this checkout: system tools, npm packages, build. Does only what is missing and announces it. Needs nothing but Node.
//
//   node bin/setup.mjs [--with-test-tools] [--with-container-tools] [--with-bench-tools] [--quiet-if-ready]
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isQuiet = process.argv.includes('--quiet-if-ready');

/** Program -> Debian package that has it, and what it is for. */
const TOOLS = {
  perf: ['linux-perf', 'the recorder itself'],
  'c++filt': ['binutils', 'names of C++ and Rust functions, addr2line'],
  python3: ['python3', 'building better-sqlite3'],
  make: ['make', 'building better-sqlite3'],
  'g++': ['g++', 'building better-sqlite3'],
};
const TEST_TOOLS = {
  gcc: ['gcc', 'the workloads of the tests'],
  perl: ['perl', 'the oracle of the fold tests'],
  java: ['default-jdk-headless', 'the JVM workload of the tests'],
  javac: ['default-jdk-headless', 'the JVM workload of the tests'],
  xz: ['xz-utils', 'symbols in .gnu_debugdata'],
  chromium: ['chromium', 'looking at flame graphs'],
  go: ['golang-go', 'the pprof reader that checks our export'],
  sshd: ['openssh-server', 'the hosts that tests reach by ssh'],
  ssh: ['openssh-client', 'reaching them'],
  faketime: ['faketime', 'hosts whose clocks are wrong'],
  fish: ['fish', 'hosts with another login shell'],
  tcsh: ['tcsh', 'hosts with another login shell'],
  sudo: ['sudo', 'agents of users who are not root'],
  ip: ['iproute2', 'the network between them'],
  pg_createcluster: ['postgresql', 'the database that several controllers share'],
  nft: ['nftables', 'the NAT that agents dial in through'],
  '/usr/lib/python3/dist-packages/prometheus_client': [
    'python3-prometheus-client',
    'the reader that checks our metrics',
  ],
  'docker-compose': ['docker-compose', 'checking docker-compose.yml'],
  unshare: ['util-linux', 'the namespaces they live in'],
  '/usr/share/gocode/src/github.com/google/pprof': [
    'golang-github-google-pprof-dev',
    'the pprof reader that checks our export',
  ],
};
/** For `npm run test:compose`, which starts an engine of its own: the one that Debian's package starts is not used. */
const CONTAINER_TOOLS = {
  dockerd: ['docker.io', 'the containers of docker-compose.yml'],
  docker: ['docker.io', 'the containers of docker-compose.yml'],
  'docker-compose': ['docker-compose', 'bringing up docker-compose.yml'],
  mmdebstrap: ['mmdebstrap', 'their base image, without a registry'],
  ip: ['iproute2', 'the network of the engine'],
  nsenter: ['util-linux', 'the network of the engine'],
  unshare: ['util-linux', 'the network of the engine'],
};
const BENCH_TOOLS = {
  'parallel-ssh': ['pssh', 'a peer of the benchmark'],
  '/usr/lib/x86_64-linux-gnu/libexec/hotspot-perfparser': ['hotspot', 'a peer of the benchmark'],
};

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function stop(text) {
  say(text);
  process.exit(1);
}

function has(program) {
  if (program.startsWith('/')) return existsSync(program);
  return (process.env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function run(command, args, environment = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...environment },
  });
  if (error) stop(`cannot run ${command}: ${error.message}`);
  if (status !== 0) stop(`${command} ${args.join(' ')} ended with ${status}`);
}

function checkNode() {
  if (Number(process.versions.node.split('.')[0]) < 20)
    stop(`Node 20 or newer is needed, this is ${process.versions.node}`);
}

function installTools() {
  const wanted = {
    ...TOOLS,
    ...(process.argv.includes('--with-test-tools') ? TEST_TOOLS : {}),
    ...(process.argv.includes('--with-container-tools') ? CONTAINER_TOOLS : {}),
    ...(process.argv.includes('--with-bench-tools') ? BENCH_TOOLS : {}),
  };
  const missing = Object.entries(wanted).filter(([program]) => !has(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, [name]]) => name))];
  for (const [program, [name, purpose]] of missing) say(`${program} is missing (package ${name}): ${purpose}`);
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (process.getuid?.() !== 0 || !has('apt-get')) stop(`install them as root, then run this again: ${command}`);
  say(`running: ${command}`);
  run('apt-get', ['update', '-q'], { DEBIAN_FRONTEND: 'noninteractive' });
  run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], {
    DEBIAN_FRONTEND: 'noninteractive',
  });
  const still = missing.filter(([program]) => !has(program)).map(([program]) => program);
  if (still.length > 0) stop(`still missing after the installation: ${still.join(', ')}`);
}

function installPackages() {
  const stamp = join(root, 'node_modules', '.package-lock.json');
  const isFresh = existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
  if (isFresh && existsSync(join(root, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node'))) return;
  say('installing npm packages (better-sqlite3 is compiled: about two minutes)');
  // Not `npm ci`: it refuses a lock file that lacks the optional packages of other platforms, and not every mirror has those.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund']);
}

/** The newest modification time of files below a folder of the checkout that the build reads. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(
    0,
    ...readdirSync(path)
      .filter((name) => name !== 'generated')
      .map((name) => newest(join(path, name))),
  );
}

function build() {
  const target = join(root, 'dist', 'bundle', 'agent.mjs');
  const sources = ['profile', 'proto', 'agent', 'controller', 'tsconfig.json', 'package.json', 'bin/build.mjs'];
  const isFresh =
    existsSync(target) && Math.max(...sources.map((path) => newest(join(root, path)))) <= statSync(target).mtimeMs;
  if (isFresh) return;
  say('building dist/');
  run(process.execPath, ['bin/build.mjs']);
}

checkNode();
installTools();
installPackages();
build();
if (!isQuiet) say(`ready: bin/perftrawl ${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}`);
